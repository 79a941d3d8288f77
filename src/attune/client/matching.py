"""Where work can run, over the API: `Matcher`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attune.client.wire import Wire
from attune.core.ports.matching import MatchQuery


class HttpMatcher:
    """`Matcher` over the API, so that a fleet is matched where it is."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def answer(self, question: MatchQuery) -> Mapping[str, Any]:
        body = {
            "terms": [str(question.requirement)],
            "prefer": [str(one) for one in question.preferences],
            "tolerate": list(question.tolerations),
            "role": question.role.name,
            "limit": question.limit,
        }
        found: Mapping[str, Any] = (await self._wire.ask("POST", "/api/match", body=body)).data
        return found
