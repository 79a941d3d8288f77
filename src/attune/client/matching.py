"""Where work can run, over the API: `Placer`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attune.client.wire import Wire
from attune.core.ports.installation import Question


class HttpPlacer:
    """`Placer` over the API, so that a fleet is matched where it is."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def answer(self, question: Question) -> Mapping[str, Any]:
        body = {
            "terms": [str(question.requirement)],
            "prefer": [str(one) for one in question.preferences],
            "tolerate": list(question.tolerations),
            "role": question.role.name,
            "limit": question.limit,
        }
        found: Mapping[str, Any] = (await self._wire.ask("POST", "/api/match", body=body)).data
        return found
