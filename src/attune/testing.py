"""Fakes of every port, in memory: for Attune's own tests and for those of programs that embed it.

The contract suite (tests/contract) runs on these and on the real ones alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from attune.core.errors import DatabaseError, NameTakenError, UsageError
from attune.core.health import Transition
from attune.core.node import Role
from attune.core.ports import (
    Command,
    Ending,
    HealthReport,
    Next,
    NodeRecord,
    Outcome,
    Registration,
    RunObserver,
    RuntimeChange,
    RuntimeRecord,
    TransitionRecord,
)
from attune.core.runtime import Runtime


def printed(output: str, exit_code: int = 0, path: str = "/usr/bin/fake") -> Outcome:
    """The outcome of a command that printed *output*."""
    return Outcome(Ending.EXITED, exit_code=exit_code, stdout=output, path=path, real_path=path, duration_ms=1.0)


class FakeHost:
    """A host with these commands: `CommandRunner` and `PathLookup` in one, which runs nothing.

    *commands* maps a binary to its outcome, or to a function of the argument vector. `ran` lists what was run.
    """

    def __init__(self, commands: Mapping[str, Outcome | Callable[[tuple[str, ...]], Outcome]]) -> None:
        self.commands = dict(commands)
        self.ran: list[tuple[str, ...]] = []

    def token(self) -> object:
        return tuple(sorted(self.commands))

    def missing(self, name: str) -> str | None:
        return None if name in self.commands else "not found on PATH"

    def run(
        self,
        start: Mapping[str, Command],
        then: Next,
        *,
        deadline_seconds: float | None = None,
        observer: RunObserver | None = None,
    ) -> None:
        for key, first in start.items():
            command: Command | None = first
            while command is not None:
                if observer:
                    observer.started(key, command)
                outcome = self._outcome(command)
                if observer:
                    observer.finished(key, command, outcome)
                command = then(key, command, outcome)

    def stop(self) -> None:
        """Nothing ever runs for long here."""

    def _outcome(self, command: Command) -> Outcome:
        self.ran.append(command.argv)
        answer = self.commands.get(command.argv[0])
        if answer is None:
            return Outcome(Ending.NOT_FOUND, detail="not found on PATH")
        return answer(command.argv) if callable(answer) else answer


class MemoryRuntimes:
    """`RuntimeStore` in memory. *users* says what refers to a definition (ref to descriptions)."""

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

    async def remove_runtime(self, ref: str, *, changed_by: str) -> bool:
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
        before, after = (asdict(one) if one else None for one in (old, new))
        self._history.append(RuntimeChange(ref, operation, before, after, who, datetime.now(UTC)))


@dataclass
class _Node:
    record: NodeRecord
    runtimes: list[RuntimeRecord]
    transitions: list[TransitionRecord] = field(default_factory=list)


class MemoryFleet:
    """The rows that several `MemoryNodes` share, as several processes share a database."""

    def __init__(self) -> None:
        self.nodes: dict[tuple[str, str], _Node] = {}
        self.holders: dict[tuple[str, str], str] = {}


class MemoryNodes:
    """`NodeRegistry` in memory; one object is one process."""

    def __init__(self, fleet: MemoryFleet | None = None) -> None:
        self._fleet = fleet or MemoryFleet()
        self._held: tuple[str, str] | None = None

    async def claim(self, name: str, role: Role, *, host: str, pid: int) -> None:
        key = (role.name, name)
        if key in self._fleet.holders:
            raise NameTakenError(f"the {role.name} name {name!r} is held by {self._fleet.holders[key]}")
        await self.leave()
        self._fleet.holders[key] = f"pid {pid} on {host}"
        self._held = key

    async def holds_name(self) -> bool:
        return self._held is not None

    async def register(self, registration: Registration) -> int:
        key = (registration.role.name, registration.name)
        old = self._fleet.nodes.get(key)
        now = datetime.now(UTC)
        record = NodeRecord(
            id=old.record.id if old else len(self._fleet.nodes) + 1,
            name=registration.name,
            role=registration.role.name,
            host=registration.host,
            status="active",
            capabilities=dict(registration.capabilities),
            last_heartbeat=now,
            heartbeat_age=0.0,
            pid=registration.pid,
            generation=_generation(old.record, registration.capabilities) if old else 0,
        )
        known = {runtime.ref: runtime for runtime in old.runtimes} if old else {}
        runtimes = [_runtime(verdict, known, now) for verdict in registration.verdicts]
        self._fleet.nodes[key] = _Node(record, runtimes, old.transitions if old else [])
        return record.id

    async def heartbeat(self, node_id: int) -> bool:
        if self._held is None:
            raise DatabaseError("cannot reach the database: the name is not held")
        node = self._by_id(node_id)
        if node is None:
            return False
        node.record = replace(node.record, last_heartbeat=datetime.now(UTC))
        return True

    async def record_health(self, node_id: int, report: HealthReport) -> bool:
        node = self._by_id(node_id)
        if node is None:
            return False
        received = datetime.now(UTC)
        if report.capabilities is not None:
            generation = _generation(node.record, report.capabilities)
            node.record = replace(node.record, capabilities=dict(report.capabilities), generation=generation)
        known = {runtime.ref: runtime for runtime in node.runtimes}
        changed = {one.runtime_ref: one.at for one in report.transitions}
        for one in report.checked:
            at, since = (
                received - timedelta(seconds=report.now - t) for t in (one.at, changed.get(one.verdict.ref, one.at))
            )
            old = known.get(one.verdict.ref)
            kept = old.since if old and old.status == one.verdict.status.value else since
            row = _runtime(one.verdict, {}, at)
            known[row.ref] = replace(row, since=kept, failures=one.failures)
        node.runtimes = list(known.values())
        for change in report.transitions:
            at = received - timedelta(seconds=report.now - change.at)
            node.transitions.append(_transition(len(node.transitions) + 1, change, at))
        return True

    async def node_transitions(self, node_id: int, limit: int = 100) -> Sequence[TransitionRecord]:
        node = self._by_id(node_id)
        newest_first = sorted(node.transitions, key=lambda one: (one.at, one.id), reverse=True) if node else []
        return newest_first[:limit]

    async def leave(self, node_id: int | None = None) -> None:
        node = self._by_id(node_id)
        if node is not None:
            node.record = replace(node.record, status="inactive")
        if self._held is not None:
            self._fleet.holders.pop(self._held, None)
            self._held = None

    async def list_nodes(self, role: Role | None = None) -> Sequence[NodeRecord]:
        found = [node.record for node in self._fleet.nodes.values() if role is None or node.record.role == role.name]
        return sorted(found, key=lambda record: (record.role == "sensor", record.name))

    async def node_runtimes(self, node_id: int) -> Sequence[RuntimeRecord]:
        node = self._by_id(node_id)
        return sorted(node.runtimes, key=lambda runtime: runtime.ref) if node else []

    def _by_id(self, node_id: int | None) -> _Node | None:
        return next((node for node in self._fleet.nodes.values() if node.record.id == node_id), None)


def _generation(before: NodeRecord, capabilities: Mapping[str, Any]) -> int:
    return before.generation + (dict(before.capabilities) != dict(capabilities))


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
    return RuntimeRecord(
        ref=verdict.ref,
        name=verdict.capability,
        status=verdict.status.value,
        version=verdict.version,
        path=verdict.path,
        reason=verdict.reason,
        instances=[asdict(instance) for instance in verdict.instances],
        evidence=None,
        checked_at=now,
        since=old.since if old and old.status == verdict.status.value else now,
        failures=failures,
    )
