"""Definitions in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime

from attune.core.errors import UsageError
from attune.core.ports.runtimes import RuntimeChange
from attune.core.runtimes.runtime import Runtime


class MemoryRuntimes:
    """`RuntimeCatalog`, `RuntimeStore` and `RuntimeEditor`; *users*: what refers to a definition, by its ref."""

    def __init__(self, runtimes: Sequence[Runtime] = (), users: Mapping[str, Sequence[str]] | None = None) -> None:
        self._rows = {runtime.ref: runtime for runtime in runtimes}
        self._users = users or {}
        self._history: list[RuntimeChange] = []

    async def list_runtimes(self) -> Sequence[Runtime]:
        return [self._rows[ref] for ref in sorted(self._rows)]

    async def get_runtime(self, ref: str) -> Runtime | None:
        return self._rows.get(ref)

    async def save_runtime(self, runtime: Runtime, *, changed_by: str) -> bool:
        old = self._rows.get(runtime.ref)
        new = replace(runtime, id=old.id if old else len(self._history) + 1)
        self._rows[runtime.ref] = new
        if old is None or asdict(old) != asdict(new):
            self._note(runtime.ref, "update" if old else "insert", old, new, changed_by)
        return old is None

    async def change_runtime(self, ref: str, change: Callable[[Runtime | None], Runtime], *, changed_by: str) -> bool:
        return await self.save_runtime(change(self._rows.get(ref)), changed_by=changed_by)

    async def remove_runtime(
        self, ref: str, *, changed_by: str, expecting: Callable[[Runtime], None] = lambda _old: None
    ) -> bool:
        if ref in self._rows:
            expecting(self._rows[ref])
        if self._users.get(ref):
            raise UsageError(
                f"{ref} is in use by {', '.join(self._users[ref])}", hint="move them to another runtime first"
            )
        old = self._rows.pop(ref, None)
        if old is not None:
            self._note(ref, "delete", old, None, changed_by)
        return old is not None

    async def runtime_history(self, ref: str) -> Sequence[RuntimeChange]:
        return [change for change in reversed(self._history) if change.ref == ref]

    def _note(self, ref: str, operation: str, old: Runtime | None, new: Runtime | None, who: str) -> None:
        before, after = (asdict(runtime) if runtime else None for runtime in (old, new))
        now = datetime.now(UTC)
        self._history.append(
            RuntimeChange(ref=ref, operation=operation, old=before, new=after, changed_by=who, changed_at=now)
        )
