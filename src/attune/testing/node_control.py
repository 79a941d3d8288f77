"""What operators ask of nodes, and what becomes of those that are not heard of, in memory."""

from collections.abc import Sequence
from dataclasses import replace

from attune.core.errors import UsageError
from attune.core.ports.nodes import Overdue
from attune.testing.nodes import RUNNING, MemoryFleet


class MemoryNodeControl:
    """`NodeControl` and `NodeLifecycle` in memory. Move `fleet.ahead` to let time pass."""

    def __init__(self, fleet: MemoryFleet) -> None:
        self._fleet = fleet

    async def mark_overdue(self, rules: Overdue, judge: int) -> int:
        changed, fleet, now = 0, self._fleet, self._fleet.now()
        fleet.limits = rules
        if (watching := fleet.by_id(judge)) is None or fleet.seen(watching).status not in RUNNING[:-1]:
            return 0
        pause = (now - fleet.watched_at).total_seconds()
        fleet.uptime += pause if pause <= rules.stale_after else rules.lost_after / 10
        fleet.watched_at = now
        for node in fleet.nodes.values():
            seen, alone = fleet.seen(node), fleet.uptime - node.heard_at_uptime
            if seen.status == "stale" and alone >= rules.lost_after:
                seen = replace(seen, status="lost")
            if seen.status != node.record.status and alone >= rules.stale_after:
                node.was = node.record.status if node.record.status != "stale" else node.was
                node.record = seen
                changed += 1
        return changed

    async def drain(self, node_id: int) -> bool:
        return self._ask(node_id, RUNNING, "draining")

    async def resume(self, node_id: int) -> bool:
        node = self._fleet.by_id(node_id)
        status = node.record.status if node else ""
        return self._ask(node_id, RUNNING, "active" if status == "draining" else status)

    async def reload(self, node_id: int) -> bool:
        node = self._fleet.by_id(node_id)
        if node is None or not self._ask(node_id, RUNNING, node.record.status):
            return False
        node.reloads += 1
        return True

    async def remove(self, node_id: int, *, force: bool = False) -> None:
        for key, node in list(self._fleet.nodes.items()):
            if node.record.id == node_id and (force or node.record.status in ("inactive", "lost", "error")):
                del self._fleet.nodes[key]
                return
        raise UsageError("expected a node that is inactive or lost, got one that runs", hint="stop it, or use --force")

    def _ask(self, node_id: int, statuses: Sequence[str], status: str) -> bool:
        node = self._fleet.by_id(node_id)
        if node is None or node.record.status not in statuses:
            return False
        node.record = replace(node.record, status=status)
        node.asked.set()
        return True
