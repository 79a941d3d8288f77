"""The changes of an installation in memory."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from attune.core.ports.changes import CHANGED, ChangePage, ChangePosition, ChangeRecord, Notice


class MemoryChanges:
    """`ChangeLog` in memory: `add` and `notify` do what a database does by itself; remove from `records` to prune."""

    def __init__(self) -> None:
        self.records: list[ChangeRecord] = []
        self._last = 0
        self._readers: list[asyncio.Queue[Notice]] = []

    def add(self, kind: str, data: Mapping[str, Any]) -> ChangeRecord:
        """Record a change, and tell those who listen."""
        self._last += 1
        at = datetime.now(UTC)
        self.records.append(ChangeRecord(transaction=self._last, id=self._last, kind=kind, data=dict(data), at=at))
        self.notify(CHANGED)
        return self.records[-1]

    def notify(self, channel: str, payload: str = "") -> None:
        """Tell those who listen."""
        for reader in self._readers:
            reader.put_nowait(Notice(channel, payload))

    async def end(self) -> ChangePosition:
        return ChangePosition(self._last, 2**63 - 1)

    async def since(self, position: ChangePosition, limit: int = 1000) -> ChangePage:
        following = [record for record in self.records if record.position > position]
        return ChangePage(following[:limit], len(following) >= limit)

    async def reaches_back_to(self, position: ChangePosition) -> bool:
        first = self.records[0] if self.records else None
        return first is None or first.id <= 1 or first.position <= position

    @asynccontextmanager
    async def notices(self) -> AsyncIterator[AsyncIterator[Notice]]:
        reader: asyncio.Queue[Notice] = asyncio.Queue()

        async def notices() -> AsyncIterator[Notice]:
            while True:
                yield await reader.get()

        self._readers.append(reader)
        try:
            yield notices()
        finally:
            self._readers.remove(reader)
