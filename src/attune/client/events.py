"""What was set aside, over the API: `DeadLetters`."""

from __future__ import annotations

from collections.abc import Sequence

from attune.client.wire import OverWire, record_of
from attune.core.events.event import DeadLetter

_PATH = "/api/dead-letters"


class HttpDeadLetters(OverWire):
    """`DeadLetters` over the API."""

    async def list_letters(self, limit: int = 100, after: int = 0) -> Sequence[DeadLetter]:
        letters = [record_of(DeadLetter, data) for data in await self._wire.pages(_PATH)]
        return [letter for letter in letters if letter.id > after][:limit]

    async def replay(self, letter: int) -> str | None:
        refusal: str | None = (await self._wire.ask("POST", f"{_PATH}/{letter}/replay")).data["refusal"]
        return refusal

    async def remove_letter(self, letter: int) -> bool:
        return (await self._wire.ask("DELETE", f"{_PATH}/{letter}", accept=(404,))).status != 404
