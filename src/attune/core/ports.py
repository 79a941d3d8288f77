"""What the operations need from the outside, as small protocols. `attune.testing` has a fake of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from attune.core.node import Role
from attune.core.runtime import Runtime
from attune.core.verdict import Verdict

if TYPE_CHECKING:  # `attune detect` needs neither, and starts often
    from attune.core.fleet import Node
    from attune.core.health import Checked, Transition, TransitionRecord


class Ending(StrEnum):
    """How an attempt to run a command ended."""

    EXITED = "exited"
    SIGNALED = "signaled"  # died by a signal that we did not send
    TIMED_OUT = "timed out"  # we killed it
    NOT_FOUND = "not found"  # nothing of that name, or only directories and files that are not executable
    NOT_STARTED = "not started"  # the system refused to execute the file: broken interpreter line, wrong format
    REFUSED = "refused"  # the settings of this host forbid it
    UNDECIDED = "undecided"  # no judgement is possible: no memory, too many open files, deadline, interrupted


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, without a shell. `argv[0]` is a bare name looked up on PATH, or an absolute path."""

    argv: tuple[str, ...]
    timeout_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What running a command came to. Text is decoded with replacement and free of ANSI sequences.

    `detail` is the rest of a sentence that begins with the command's name and is set for every ending but
    `EXITED`: "not found on PATH", "/opt/x/python3 is a directory", "killed by SIGSEGV".
    """

    ending: Ending
    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""
    detail: str = ""
    path: str | None = None
    real_path: str | None = None
    duration_ms: float = 0.0
    at: float | None = None
    cached_age: float | None = None
    truncated: bool = False


class RunObserver(Protocol):
    """Told about commands as they start and finish; called from the thread that runs them."""

    def started(self, key: str, command: Command) -> None: ...

    def finished(self, key: str, command: Command, outcome: Outcome) -> None: ...


Next = Callable[[str, Command, Outcome], Command | None]


class CommandRunner(Protocol):
    """Runs commands on this host, many at a time.

    Each key of *start* is one line of work: its command runs, then `then(key, command, outcome)` names the next
    command of that line, or None when the line is done. Blocks until every line is done; whatever happens to
    one command becomes its `Outcome`, never an exception. Commands not finished *deadline_seconds* after the
    call end as `UNDECIDED`.
    """

    def run(
        self,
        start: Mapping[str, Command],
        then: Next,
        *,
        deadline_seconds: float | None = None,
        observer: RunObserver | None = None,
    ) -> None: ...

    def stop(self) -> None:
        """End every run of this runner, now and later, from any thread; what is not done is `UNDECIDED`."""
        ...


class PathLookup(Protocol):
    """Finds a command the way the runner would, without running it."""

    def token(self) -> object:
        """A value that compares equal as long as no directory of PATH has changed."""
        ...

    def missing(self, name: str) -> str | None:
        """Why *name* cannot be run ("not found on PATH", "/x/y is a directory"), or None if it can be tried."""
        ...


class RuntimeCatalog(Protocol):
    """Where runtime definitions come from."""

    async def list_runtimes(self) -> Sequence[Runtime]:
        """All definitions, ordered by ref."""
        ...


@dataclass(frozen=True, slots=True)
class RuntimeChange:
    """One line of a definition's history: the row before and after, as JSON."""

    ref: str
    operation: str
    old: Any
    new: Any
    changed_by: str
    changed_at: datetime
    note: str | None = None


class RuntimeStore(RuntimeCatalog, Protocol):
    """A catalog whose definitions can be changed; it keeps the history of every change."""

    async def get_runtime(self, ref: str) -> Runtime | None: ...

    async def save_runtime(self, runtime: Runtime, *, changed_by: str) -> bool:
        """Insert or replace by ref; True if it is new."""
        ...

    async def remove_runtime(self, ref: str, *, changed_by: str) -> bool:
        """Delete by ref; False if there is none. Raises `UsageError` naming the users of a runtime in use."""
        ...

    async def runtime_history(self, ref: str) -> Sequence[RuntimeChange]:
        """Every recorded change of *ref*, newest first."""
        ...


@dataclass(frozen=True, slots=True)
class Registration:
    """What a node says of itself when it joins. `labels` are facts and what the operator set, as written."""

    name: str
    role: Role
    host: str
    pid: int
    capabilities: Mapping[str, Any]
    verdicts: Sequence[Verdict] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """A node as the registry knows it. Times are the database's; ages are in seconds by its clock.

    `generation` grows each time the capabilities change.
    """

    id: int
    name: str
    role: str
    host: str | None
    status: str
    capabilities: Mapping[str, Any] = field(default_factory=dict)
    last_heartbeat: datetime | None = None
    heartbeat_age: float | None = None
    pid: int | None = None
    generation: int = 0


@dataclass(frozen=True, slots=True)
class RuntimeRecord:
    """What the registry knows of one runtime on one node."""

    ref: str
    name: str
    status: str
    version: str | None
    path: str | None
    reason: str
    instances: Any = ()
    evidence: Any = None
    checked_at: datetime | None = None
    since: datetime | None = None
    failures: int = 0


@dataclass(frozen=True, slots=True)
class HealthReport:
    """What health checks found. `now` is the time at which it is sent, by the clock that the other times are of.

    `offer` is what the node would register now, None where that has not changed.
    """

    now: float
    checked: Sequence[Checked] = ()
    transitions: Sequence[Transition] = ()
    offer: Registration | None = None


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a node learns from its own heartbeat: its status, and how often it has been asked to reload."""

    status: str
    reloads: int = 0


@dataclass(frozen=True, slots=True)
class Overdue:
    """When a node without a heartbeat counts as what, in seconds."""

    stale_after: float = 30.0
    lost_after: float = 60.0
    amnesty: float = 60.0
    look_every: float = 5.0


class NodeLife(Protocol):
    """What operators ask of nodes, and what becomes of nodes that are not heard of."""

    async def mark_overdue(self, rules: Overdue) -> int:
        """Mark nodes `stale` and `lost`; how many changed."""
        ...

    async def drain(self, node_id: int) -> bool: ...

    async def resume(self, node_id: int) -> bool: ...

    async def reload(self, node_id: int) -> bool: ...

    async def remove(self, node_id: int, *, force: bool = False) -> None:
        """Forget a node. Raises `UsageError` for one that runs, unless *force*."""
        ...


class NodeRegistry(Protocol):
    """Where nodes register what they can run."""

    async def claim(self, name: str, role: Role, *, host: str, pid: int) -> None:
        """Hold *name* for *role* as long as this process lives or until `leave`.

        Raises `NameTakenError` that says who holds it.
        """
        ...

    async def holds_name(self) -> bool:
        """Whether the name is held, as far as this process knows."""
        ...

    async def register(self, registration: Registration) -> int:
        """Write the node, active, with its capabilities and verdicts; its id."""
        ...

    async def heartbeat(self, node_id: int) -> Heartbeat | None:
        """Note that the node lives; what the registry has to say to it, or None if its row is gone."""
        ...

    async def news(self, node_id: int, timeout_seconds: float) -> None:
        """Wait until somebody asks something of this node, at most *timeout_seconds*."""
        ...

    async def record_health(self, node_id: int, report: HealthReport) -> bool:
        """Write what health checks found, all or nothing, and announce the transitions; False if the row is gone."""
        ...

    async def node_transitions(self, node_id: int, limit: int = 100) -> Sequence[TransitionRecord]:
        """The last changes of what a node offers, newest first."""
        ...

    async def leave(self, node_id: int | None = None) -> None:
        """Mark the node inactive and give its name back."""
        ...

    async def list_nodes(self, role: Role | None = None) -> Sequence[NodeRecord]:
        """The nodes, by role and name."""
        ...

    async def fleet(self, role: Role) -> Sequence[Node]:
        """Every node of *role* as the matcher sees it, by id."""
        ...

    async def node_runtimes(self, node_id: int) -> Sequence[RuntimeRecord]:
        """What is known of every runtime on a node, by ref."""
        ...
