"""What happened to an execution, from when it was asked for to its end: as entries, and in words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """The status that an execution took on, or another reason for the one it had; `worker` had it then.

    `number` counts the entries: where one is missing, it was left out.
    """

    number: int
    at: datetime
    status: str
    attempt: int
    worker: str | None
    reason: str | None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """The entry that *data* of the database says."""
        return cls(**{**data, "at": datetime.fromisoformat(data["at"])})


def waits_for(requirement: str | None) -> str:
    """What an execution that no worker can take waits for."""
    return f"waits for a worker with {requirement}" if requirement not in (None, "*") else "waits for a worker"


def timeline_text(entries: Sequence[TimelineEntry], requirement: str | None) -> Iterator[tuple[datetime, str]]:
    """Each of *entries* in words, and how many are left out before one; *requirement* is what the execution needs."""
    begun: set[int] = set()
    for before, entry in pairwise([None, *entries]):
        if entry is None:
            continue
        if before is not None and entry.number > before.number + 1:
            yield entry.at, f"… {entry.number - before.number - 1} left out …"
        yield entry.at, _words(entry, before, requirement, entry.attempt in begun)
        if entry.status == "running":
            begun.add(entry.attempt)


def _words(entry: TimelineEntry, before: TimelineEntry | None, requirement: str | None, begun: bool) -> str:
    why = f": {entry.reason}" if entry.reason else ""
    if before is None and entry.status == "requested":
        return "asked for"
    if before is not None and before.status == entry.status and entry.reason and entry.reason != before.reason:
        return entry.reason
    if entry.status == "running":
        again = f", attempt {entry.attempt}" if entry.attempt > 1 else ""
        return f"goes on on {entry.worker}: it was not lost" if begun else f"started on {entry.worker}{again}"
    return {
        "requested": waits_for(requirement),
        "scheduled": "offered to workers that can run it",
        "scheduling": f"to be tried again{why}" if entry.attempt else f"waits{why}",
        "canceling": f"asked to end{why}",
    }.get(entry.status, f"{entry.status}{why}")
