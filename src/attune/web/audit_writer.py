"""Writes the audit of one API process: requests one by one, and counts of refusals that come again."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from attune.core.access.tokens import Caller
from attune.core.backoff import Backoff
from attune.core.errors import AttuneError, DatabaseError
from attune.core.ports.access import AccessStore
from attune.operations.nodes.refusals import Refusals

log = structlog.get_logger("attune.web")
_MOST_WAITING = 10_000
_AT_ONCE_SECONDS = 2.0
_WINDOW_SECONDS = 60.0  # in which what is refused again is counted
_COUNT_SECONDS = 1.0
_MOST_OF_ONE, _MOST_KINDS = 100, 1000  # kinds of refusals in a window; what is beyond is counted together
_SEVERAL = "(several)"


@dataclass(eq=False)
class _Line:
    caller: Caller | None
    entry: dict[str, Any]
    at: float
    id: int | None = None
    more: int = 0  # refusals that the line does not count yet
    last: float = 0.0


class AuditWriter:
    """Writes the audit, in order. What the database does not take now waits here, is tried again, and is in the log."""

    def __init__(self, store: AccessStore) -> None:
        self._store = store
        self._waiting: deque[_Line] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._counted: dict[_Line, None] = {}
        self._counting: asyncio.Task[None] | None = None
        self._refused: dict[Hashable, _Line] = {}
        self._kinds_of: Counter[Hashable] = Counter()
        self._window_ends = 0.0
        self.refusals = Refusals("cannot write the audit, it waits", "the audit is written again", Backoff(0.2, 5.0))

    async def write(self, caller: Caller | None, entry: dict[str, Any]) -> None:
        """Write one line, at once where that is possible: `method`, `path`, `status`, `client`, `code`, `detail`."""
        if self.add(caller, entry) and self._writing is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_AT_ONCE_SECONDS):
                    await asyncio.shield(self._writing)

    def add(self, caller: Caller | None, entry: dict[str, Any]) -> bool:
        """Have one line written, or counted; whether the writing has just begun."""
        now = time.monotonic()
        line = _Line(caller, entry, now)
        is_refusal = 400 <= entry["status"] < (600 if caller is None else 500)  # what an error of ours left may differ
        if is_refusal and (known := self._like(line)) is not line:
            known.more, known.last = known.more + 1, now
            self._counted[known] = None
            if self._counting is None or self._counting.done():
                self._counting = asyncio.create_task(self._count())
            return False
        return self._put(line)

    async def close(self) -> None:
        """Write what is left for a moment; leave to the log what could not be written."""
        for task in (self._counting, self._writing):
            if task is not None:
                task.cancel()
        self._waiting.extend(self._counted)
        with suppress(TimeoutError):
            async with asyncio.timeout(_AT_ONCE_SECONDS):
                await self._write()
        for line in self._waiting:
            _leave_to_log(line)

    def _like(self, line: _Line) -> _Line:
        """The line that counts refusals like *line*, itself if it is the first. Their number is bounded."""
        if line.at >= self._window_ends:
            self._refused.clear()
            self._kinds_of.clear()
            self._window_ends = line.at + _WINDOW_SECONDS
        entry = line.entry
        who: Hashable = (line.caller.token_id if line.caller else None, entry["client"])
        kind: Hashable = (who, *(str(entry.get(name)) for name in ("method", "path", "status", "detail")))
        if kind not in self._refused and self._kinds_of[who] >= _MOST_OF_ONE:
            kind = (who, entry["status"])
            line.entry = {**entry, "path": _SEVERAL, "detail": None}
        if kind not in self._refused and len(self._refused) >= _MOST_KINDS:
            kind, line.caller = entry["status"], None
            line.entry = {**entry, "path": _SEVERAL, "client": _SEVERAL, "detail": None}
        if kind not in self._refused:
            self._kinds_of[who] += 1
        return self._refused.setdefault(kind, line)

    def _put(self, line: _Line) -> bool:
        self._waiting.append(line)
        if len(self._waiting) > _MOST_WAITING:
            _leave_to_log(self._waiting.popleft())
        if self._writing is not None and not self._writing.done():
            return False
        self._writing = asyncio.create_task(self._write())
        return True

    def _without_detail(self, line: _Line) -> None:
        if line.entry.get("detail") is None:
            _leave_to_log(self._waiting.popleft())
        line.entry = {**line.entry, "detail": None}

    async def _count(self) -> None:
        await asyncio.sleep(_COUNT_SECONDS)
        counted, self._counted = self._counted, {}
        for line in counted:
            self._put(line)

    async def _write(self) -> None:
        while self._waiting:
            line = self._waiting[0]
            more, now = line.more, time.monotonic()
            try:
                if line.id is None:
                    counted = {"waited": now - line.at, "count": 1 + more, "last_waited": now - line.last}
                    line.id = await self._store.note(line.caller, {**line.entry, **counted})
                elif more:
                    await self._store.count_refusals(line.id, more, now - line.last)
            except AttuneError as error:
                if isinstance(error, DatabaseError) and error.row_fault:  # it will never be taken as it is
                    self._without_detail(line)
                else:
                    await asyncio.sleep(self.refusals.failed(error))
                continue
            line.more -= more
            self.refusals.worked()
            if self._waiting and self._waiting[0] is line:
                self._waiting.popleft()


def _leave_to_log(line: _Line) -> None:
    entry = {name: value for name, value in line.entry.items() if name != "detail"}
    log.error("never in the audit", **{**entry, "count": line.more + (line.id is None)})
