"""Nodes and their life, in memory."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from attune.core.errors import DatabaseError, NameTakenError, SupersededError
from attune.core.matching.fleet import Node, NodeStatus
from attune.core.matching.registered import registered_node
from attune.core.nodes.capabilities import stored_capabilities
from attune.core.nodes.health import Transition, TransitionRecord, registered_anew
from attune.core.nodes.role import Role
from attune.core.ports.nodes import (
    HealthReport,
    Heartbeat,
    NodeInstance,
    NodeRecord,
    Overdue,
    Predecessor,
    Registration,
    RuntimeRecord,
)
from attune.core.runtimes.verdict import OFFERED, Status, Verdict


@dataclass
class _Node:
    record: NodeRecord
    runtimes: list[RuntimeRecord]
    registration: Registration
    was: str = "active"
    heard_at_uptime: float = 0.0
    reloads: int = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    transitions: list[TransitionRecord] = field(default_factory=list)
    lost: dict[str, datetime] = field(default_factory=dict)  # when, by ref, also of what is only kept


@dataclass
class _Holder:
    """Who holds a name under the lease *epoch*."""

    said: str
    instance: NodeInstance
    epoch: int
    left: bool = False


RUNNING = ("active", "busy", "starting", "draining", "degraded", "stale")


class MemoryFleet:
    """The rows that several `MemoryNodes` share, as several processes share a database."""

    def __init__(self) -> None:
        self.nodes: dict[tuple[str, str], _Node] = {}
        self.holders: dict[tuple[str, str], _Holder] = {}
        self.ahead = timedelta()  # how far the fleet's clock has been moved
        self.limits = Overdue()
        self.uptime = 0.0  # as heartbeats prove it
        self.watched_at = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def seen(self, node: _Node) -> NodeRecord:
        """*node* as readers see it: judged by the age of its heartbeat, whether or not anybody has marked it."""
        status, heard = node.record.status, node.record.last_heartbeat
        if heard is None or status not in RUNNING:
            return node.record
        now, limits = self.now(), self.limits
        if min(now - heard, now - self.watched_at).total_seconds() > limits.lost_after:
            return replace(node.record, status="lost")
        return replace(node.record, status="stale" if (now - heard).total_seconds() > limits.stale_after else status)

    def by_id(self, node_id: int | None) -> _Node | None:
        return next((node for node in self.nodes.values() if node.record.id == node_id), None)


class MemoryNodes:
    """`NodeRegistry` and `NodeReader` in memory, a process each. A `Matcher` is `FleetMatcher(nodes.fleet)`."""

    def __init__(self, fleet: MemoryFleet | None = None) -> None:
        self._fleet = fleet or MemoryFleet()
        self._held: tuple[str, str] | None = None
        self._epoch: int | None = None

    @property
    def epoch(self) -> int | None:
        return self._epoch

    async def claim(
        self, name: str, role: Role, *, host: str, pid: int, instance: NodeInstance | None = None
    ) -> Predecessor | None:
        key, instance = (role.name, name), instance or NodeInstance()
        before, node = self._fleet.holders.get(key), self._fleet.nodes.get(key)
        seen = self._fleet.seen(node) if node else None
        gone = (
            before is None
            or before.left
            or self._held == key
            or (seen is not None and seen.status in ("lost", "inactive"))
        )
        if before and not gone and (instance.key is None or instance.key != before.instance.key):
            raise NameTakenError(f"the {role.name} name {name!r} is held by {before.said}")
        self._epoch, self._held = before.epoch + 1 if before else 1, key
        if node is not None:
            node.reloads = 0
        self._fleet.holders[key] = _Holder(f"pid {pid} on {host}", instance, self._epoch)
        if before is None or before.left:
            return None
        age = (self._fleet.now() - seen.last_heartbeat).total_seconds() if seen and seen.last_heartbeat else 0.0
        return Predecessor(age, before.instance.boot == instance.boot is not None)

    def _is_over(self) -> bool:
        holder = self._fleet.holders.get(self._held) if self._held else None
        return holder is not None and holder.epoch != self._epoch

    def _check_lease(self) -> None:
        holder = self._fleet.holders.get(self._held) if self._held else None
        if holder is not None and self._is_over():
            raise SupersededError(f"superseded: the name was taken over by {holder.said}")

    async def register(self, registration: Registration) -> int:
        self._check_lease()
        key = (registration.role.name, registration.name)
        old = self._fleet.nodes.get(key)
        now = self._fleet.now()
        draining = old is not None and old.record.status == "draining"
        record = NodeRecord(
            id=old.record.id if old else len(self._fleet.nodes) + 1,
            name=registration.name,
            role=registration.role.name,
            host=registration.host,
            status="draining" if draining else "degraded" if old and old.record.problem else "active",
            problem=old.record.problem if old else None,
            capabilities=stored_capabilities(registration),
            last_heartbeat=now,
            heartbeat_age=0.0,
            pid=registration.pid,
            generation=_generation(old.record, registration) if old else 0,
        )
        known = {runtime.ref: runtime for runtime in old.runtimes} if old else {}
        runtimes = [_runtime(verdict, known, now) for verdict in registration.verdicts]
        transitions = old.transitions if old else []
        before = {ref: (runtime.name, Status(runtime.status)) for ref, runtime in known.items()}
        for change in registered_anew(before, registration.verdicts):
            transitions.append(_transition(len(transitions) + 1, change, now))
        node = _Node(record, runtimes, registration, transitions=transitions, reloads=old.reloads if old else 0)
        node.heard_at_uptime = self._fleet.uptime
        node.lost = dict(old.lost) if old else {}
        _note_lost(node, known, registration.verdicts, now)
        self._fleet.nodes[key] = node
        return record.id

    async def heartbeat(self, node_id: int, refused: str = "") -> Heartbeat | None:
        if self._held is None:
            raise DatabaseError("cannot reach the database: the name is not held")
        node = self._fleet.by_id(node_id)
        self._check_lease()
        if node is None:
            self._epoch = None
            return None
        status = node.was if node.record.status in ("stale", "lost") else node.record.status
        node.record = replace(node.record, last_heartbeat=self._fleet.now(), status=status)
        node.heard_at_uptime = self._fleet.uptime
        return Heartbeat(status, node.reloads)

    async def news(self, node_id: int, timeout_seconds: float) -> None:
        node = self._fleet.by_id(node_id)
        if node is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_seconds):
                    await node.asked.wait()
            node.asked.clear()

    async def record_health(self, node_id: int, report: HealthReport) -> bool:
        node = self._fleet.by_id(node_id)
        if node is None or self._is_over():
            return False
        received = self._fleet.now()
        if report.offer is not None:
            generation = _generation(node.record, report.offer)
            capabilities = stored_capabilities(report.offer)
            node.record = replace(node.record, capabilities=capabilities, generation=generation)
            node.registration = report.offer
        known = {runtime.ref: runtime for runtime in node.runtimes}
        _note_lost(node, known, [checked.verdict for checked in report.checked], received)
        changed = {change.runtime_ref: change.at for change in report.transitions}
        for checked in report.checked:
            times = (checked.at, changed.get(checked.verdict.ref, checked.at))
            at, since = (received - timedelta(seconds=report.now - time) for time in times)
            old = known.get(checked.verdict.ref)
            kept = old.since if old and old.status == checked.verdict.status.value else since
            row = _runtime(checked.verdict, {}, at)
            known[row.ref] = replace(row, since=kept, failures=checked.failures)
        node.runtimes = list(known.values())
        for change in report.transitions:
            at = received - timedelta(seconds=report.now - change.at)
            node.transitions.append(_transition(len(node.transitions) + 1, change, at))
        return True

    async def degrade(self, node_id: int, problem: str | None) -> None:
        if (node := self._fleet.by_id(node_id)) is None or self._is_over():
            return
        before, after = node.record, "active" if problem is None else "degraded"
        follows = before.status in (("degraded",) if problem is None else ("active", "busy", "starting"))
        node.record = replace(before, status=after if follows else before.status, problem=problem)
        if (before.problem is None) != (problem is None):
            of, to = NodeStatus(before.status), NodeStatus(node.record.status)
            change = Transition("", "place", of, to, problem or "programs can be run here again")  # type: ignore[arg-type]
            node.transitions.append(_transition(len(node.transitions) + 1, change, self._fleet.now()))

    async def node_transitions(self, node_id: int, limit: int = 100) -> Sequence[TransitionRecord]:
        node = self._fleet.by_id(node_id)
        newest_first = sorted(node.transitions, key=lambda change: (change.at, change.id), reverse=True) if node else []
        return newest_first[:limit]

    async def leave(self, node_id: int | None = None) -> None:
        node = self._fleet.by_id(node_id)
        holder = self._fleet.holders.get(self._held) if self._held else None
        superseded = self._is_over()
        if node is not None and not superseded:
            node.record = replace(node.record, status="inactive")
        if holder is not None and not superseded:
            holder.left = True
        self._held = self._epoch = None

    async def list_nodes(self, role: Role | None = None) -> Sequence[NodeRecord]:
        seen = [self._fleet.seen(node) for node in self._fleet.nodes.values()]
        records = [record for record in seen if role is None or record.role == role.name]
        return sorted(records, key=lambda record: (record.role == "sensor", record.name))

    async def fleet(self, role: Role) -> Sequence[Node]:
        nodes = sorted(self._fleet.nodes.values(), key=lambda node: node.record.id)
        seen = [(node, self._fleet.seen(node)) for node in nodes if node.record.role == role.name]
        return [
            replace(registered_node(record.id, node.registration), status=NodeStatus(record.status))
            for node, record in seen
        ]

    async def node_runtimes(self, node_id: int) -> Sequence[RuntimeRecord]:
        node = self._fleet.by_id(node_id)
        return sorted(node.runtimes, key=lambda runtime: runtime.ref) if node else []


def _generation(before: NodeRecord, offer: Registration) -> int:
    return before.generation + (dict(before.capabilities) != stored_capabilities(offer))


def _note_lost(node: _Node, before: Mapping[str, RuntimeRecord], verdicts: Sequence[Verdict], now: datetime) -> None:
    for verdict in verdicts:
        if verdict.status.offered and not verdict.kept:
            node.lost.pop(verdict.ref, None)
        elif verdict.kept or (verdict.ref in before and before[verdict.ref].status in OFFERED):
            node.lost.setdefault(verdict.ref, now)


def _transition(number: int, change: Transition, at: datetime) -> TransitionRecord:
    return TransitionRecord(
        id=number,
        runtime_ref=change.runtime_ref,
        name=change.name,
        from_status=change.from_status.value,
        to_status=change.to_status.value,
        reason=change.reason,
        evidence=None if change.evidence is None else {"command": list(change.evidence.command)},
        at=at,
    )


def _runtime(verdict: Any, known: Mapping[str, RuntimeRecord], now: datetime) -> RuntimeRecord:
    old = known.get(verdict.ref)
    failures = 0 if verdict.status.offered else (old.failures if old else 0) + 1
    keeps = old if verdict.status is Status.UNKNOWN else None
    return RuntimeRecord(
        ref=verdict.ref,
        name=verdict.capability,
        status=verdict.status.value,
        version=keeps.version if keeps else verdict.version,
        path=keeps.path if keeps else verdict.path,
        reason=verdict.reason,
        instances=keeps.instances if keeps else [asdict(instance) for instance in verdict.instances],
        evidence=None,
        checked_at=now,
        since=old.since if old and old.status == verdict.status.value else now,
        failures=failures,
    )
