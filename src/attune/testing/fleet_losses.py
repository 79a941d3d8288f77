"""What much of a fleet loses within minutes, in memory."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta

from attune.core.nodes.fleet_losses import WINDOW_SECONDS, RuntimeLoss
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
        since = self._fleet.now() - timedelta(seconds=WINDOW_SECONDS)
        nodes = [node for node in self._fleet.nodes.values() if self._fleet.seen(node).status in RUNNING]
        live = Counter(node.record.role for node in nodes)
        losses: dict[tuple[str, str], RuntimeLoss] = {}
        for node, runtime in [(one, runtime) for one in nodes for runtime in one.runtimes]:
            role, ref, lost = node.record.role, runtime.ref, node.lost.get(runtime.ref)
            offered, lately = runtime.status in OFFERED, lost is not None and lost > since
            kept = offered and lost is not None
            new = RuntimeLoss(role=role, ref=ref, name=runtime.name, live=live[role], nodes=0, losing=0, kept=0)
            old = losses.get((role, ref), new)
            counts = old.nodes + (offered or lately), old.losing + (kept or lately), old.kept + kept
            losses[role, ref] = replace(old, nodes=counts[0], losing=counts[1], kept=counts[2])
        return [losses[key] for key in sorted(losses)]
