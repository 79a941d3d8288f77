"""Definitions in memory."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from operator import attrgetter

from attune.core.errors import UsageError
from attune.core.ports.runtimes import RuntimeChange
from attune.core.runtimes.preview import AffectedWork, PreviewCandidate
from attune.core.runtimes.runtime import Runtime
from attune.core.runtimes.verdict import Status
from attune.testing.nodes import MemoryFleet


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
        self,
        ref: str,
        *,
        changed_by: str,
        expecting: Callable[[Runtime], None] = lambda _old: None,
        force: bool = False,
    ) -> bool:
        if ref in self._rows:
            expecting(self._rows[ref])
        users = [user for user in self._users.get(ref, ()) if not (force and user.startswith("worker "))]
        if users:
            raise UsageError(f"{ref} is in use by {', '.join(users)}", hint="move them to another runtime first")
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


class MemoryPreviews:
    """`PreviewReader` of the nodes of *fleet* in memory; `work` is what uses a runtime, by its ref."""

    def __init__(self, fleet: MemoryFleet) -> None:
        self._fleet = fleet
        self.work: dict[str, AffectedWork] = {}

    async def live(self, roles: Collection[str]) -> int:
        return sum(node.answers for node in self._all("") if node.role in roles)

    async def candidates(self, ref: str, roles: Collection[str], most: int) -> Sequence[PreviewCandidate]:
        alike: Counter[tuple[Status | None, str | None]] = Counter()
        turns: list[tuple[int, int, PreviewCandidate]] = []
        for node in sorted(self._all(ref), key=attrgetter("id")):
            if node.answers and node.role in roles:
                alike[node.status, node.version] += 1
                turns.append((alike[node.status, node.version], node.id, node))
        return sorted((node for *_, node in sorted(turns)[:most]), key=attrgetter("name", "id"))

    async def named(self, ref: str, nodes: Sequence[int]) -> Sequence[PreviewCandidate]:
        return [node for node in self._all(ref) if node.id in nodes]

    async def find(self, node: int | str) -> PreviewCandidate | None:
        found = [one for one in self._all("") if node in (one.id, one.name)]
        return max(found, key=attrgetter("role"), default=None)

    async def touched(self, ref: str) -> AffectedWork:
        return self.work.get(ref, AffectedWork([], [], {}))

    def _all(self, ref: str) -> list[PreviewCandidate]:
        """By name."""
        candidates = []
        for node in self._fleet.nodes.values():
            runtime = next((runtime for runtime in node.runtimes if runtime.ref == ref), None)
            candidates.append(
                PreviewCandidate(
                    id=node.record.id,
                    name=node.record.name,
                    role=node.record.role,
                    answers=node.record.status in ("active", "busy", "draining", "degraded"),
                    status=Status(runtime.status) if runtime else None,
                    version=runtime.version if runtime else None,
                )
            )
        return sorted(candidates, key=attrgetter("name", "id"))
