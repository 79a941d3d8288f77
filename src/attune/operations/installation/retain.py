"""Remove what has ended and was kept long enough, in batches that are small enough to hold nobody up."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from attune.core.errors import DatabaseError
from attune.core.ports.installation import RetentionStore

_FIRST, _LEAST, _MOST = 100, 10, 5000
_SHORT, _LONG = 0.01, 0.025  # seconds of one batch: shorter and the next is larger, longer and it is smaller
_PASS_SECONDS = 2.0
_EVERY_SECONDS, _PAUSE_SECONDS = 60.0, 5.0


@dataclass
class Retention:
    """Keeps the kinds of rows as long as *keep* says, in seconds by kind."""

    store: RetentionStore
    keep: Mapping[str, float]
    _most: dict[str, int] = field(default_factory=dict)
    _again: float = 0.0

    async def tick(self) -> None:
        """Remove for a moment what has expired, at most once a minute unless more is left. Raises `DatabaseError`."""
        if (began := time.monotonic()) < self._again:
            return
        is_done = await self.remove(lambda: time.monotonic() < began + _PASS_SECONDS)
        self._again = began + _EVERY_SECONDS if is_done else 0.0

    async def keep_on(self) -> None:
        """`tick` until cancelled."""
        while True:
            with suppress(DatabaseError):
                await self.tick()
            await asyncio.sleep(_PAUSE_SECONDS)

    async def remove(
        self, goes_on: Callable[[], bool] = lambda: True, told: Callable[[str, int], None] = lambda kind, gone: None
    ) -> bool:
        """Remove all that has expired; False where *goes_on* ended it before. *told* hears of each batch."""
        for kind, seconds in self.keep.items():
            while True:
                most, began = self._most.get(kind, _FIRST), time.monotonic()
                gone = await self.store.remove_expired(kind, most, seconds)
                if (took := time.monotonic() - began) > _LONG:
                    self._most[kind] = max(_LEAST, most // 2)
                elif took < _SHORT and gone >= most:
                    self._most[kind] = min(_MOST, most * 2)
                if not gone:
                    break
                told(kind, gone)
                if not goes_on():
                    return False
        return True
