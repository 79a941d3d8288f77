"""What has ended, and its removal, in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from attune.core.ports.installation import RetainedRows


@dataclass
class MemoryRetention:
    """`RetentionStore` in memory: `ended` has for each kind the seconds since each of its rows ended."""

    ended: dict[str, list[float]] = field(default_factory=dict)
    keep: dict[str, float] = field(default_factory=dict)
    removed: dict[str, int] = field(default_factory=dict)

    async def remove_expired(self, kind: str, most: int, keep_seconds: float) -> int:
        self.keep[kind] = keep_seconds
        gone = sorted(self._expired(kind, keep_seconds), reverse=True)[:most]
        for age in gone:
            self.ended[kind].remove(age)
        self.removed[kind] = self.removed.get(kind, 0) + len(gone)
        return len(gone)

    async def retained(
        self, keep: Mapping[str, float], grace_seconds: float = 0.0, most: int | None = None
    ) -> Sequence[RetainedRows]:
        found = []
        for kind in sorted({*self.ended, *self.keep}):
            seconds = keep.get(kind, self.keep.get(kind, 0.0))
            expired = len(self._expired(kind, seconds, grace_seconds)[:most])
            removed = self.removed.get(kind, 0)
            found.append(RetainedRows(kind=kind, keep_seconds=seconds, expired=expired, removed=removed))
        return found

    def _expired(self, kind: str, keep: float, grace: float = 0.0) -> list[float]:
        return [age for age in self.ended.get(kind, ()) if 0 < keep < age - grace]
