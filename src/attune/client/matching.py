"""Where work can run, over the API: `Matcher`."""

from collections.abc import Mapping
from typing import Any

from attune.client.wire import OverWire
from attune.core.ports.matching import MatchQuery


class HttpMatcher(OverWire):
    """`Matcher` over the API, so that a fleet is matched where it is."""

    async def answer(self, query: MatchQuery) -> Mapping[str, Any]:
        body = {
            "terms": [str(query.requirement)],
            "prefer": [str(preference) for preference in query.preferences],
            "tolerate": list(query.tolerations),
            "role": query.role.name,
            "limit": query.limit,
        }
        answer: Mapping[str, Any] = (await self._wire.ask("POST", "/api/match", body=body)).data
        return answer
