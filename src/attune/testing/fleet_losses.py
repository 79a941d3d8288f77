"""What much of a fleet loses within minutes, in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import timedelta

from attune.core.nodes.fleet_losses import WINDOW_SECONDS, RuntimeLoss
from attune.core.ports.nodes import RuntimeRecord
from attune.core.runtimes.verdict import OFFERED
from attune.testing.nodes import RUNNING, MemoryFleet


class MemoryFleetLosses:
    """`FleetLosses` in memory."""

    def __init__(self, fleet: MemoryFleet) -> None:
        self._fleet = fleet

    async def note_losing(self, node_id: int, refs: Collection[str]) -> Sequence[RuntimeLoss]:
        node = self._fleet.by_id(node_id)
        if node is None:
            return []
        for runtime in node.runtimes:
            if runtime.ref in refs and runtime.status in OFFERED:
                node.lost.setdefault(runtime.ref, self._fleet.now())
        return [loss for loss in self._losses() if loss.ref in refs and loss.role == node.record.role]

    async def list_losses(self) -> Sequence[RuntimeLoss]:
        return [loss for loss in self._losses() if loss.losing]

    def _losses(self) -> list[RuntimeLoss]:
        live = [node for node in self._fleet.nodes.values() if self._fleet.seen(node).status in RUNNING]
        found: dict[tuple[str, str], list[tuple[RuntimeRecord, bool, bool]]] = defaultdict(list)
        since = self._fleet.now() - timedelta(seconds=WINDOW_SECONDS)
        for node in live:
            for runtime in node.runtimes:
                lost = node.lost.get(runtime.ref)
                noted = (runtime, lost is not None, lost is not None and lost > since)
                found[node.record.role, runtime.ref].append(noted)
        return [
            RuntimeLoss(
                role=role,
                ref=ref,
                name=min(runtime.name for runtime, _, _ in rows),
                live=sum(node.record.role == role for node in live),
                nodes=sum(runtime.status in OFFERED or lately for runtime, _, lately in rows),
                losing=sum((lost and runtime.status in OFFERED) or lately for runtime, lost, lately in rows),
                kept=sum(lost and runtime.status in OFFERED for runtime, lost, _ in rows),
            )
            for (role, ref), rows in sorted(found.items(), key=lambda item: item[0])
        ]
