"""What running sensors needs of a database and of a host. `attune.testing` has fakes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import PurePath
from typing import Any, Protocol
from uuid import UUID

from attune.core.matching.fleet import NodeStatus
from attune.core.sensors.assignment import AssignmentView, SensorState, why_waiting
from attune.core.sensors.event_line import NewEvent


@dataclass(frozen=True, slots=True)
class TakenLease:
    """A lease that was taken, and the id of the output log that belongs to its epoch."""

    sensor: int
    epoch: int
    output_log: UUID


@dataclass(frozen=True, slots=True)
class Renewal:
    """What a renewal brought: the database's time, the sensors whose leases are held still, and those that are free."""

    now: datetime
    kept: frozenset[int]
    free: frozenset[int]


@dataclass(frozen=True, slots=True)
class SensorReport:
    """How a sensor is, as told by the node that holds *epoch* of its lease."""

    sensor: int
    epoch: int
    state: SensorState
    reason: str = ""
    restarts: int = 0
    bad_lines: int = 0
    pid: int | None = None
    last_lines: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorStatus:
    """How a sensor is, as the database knows it. `node` runs it, `wanted` is the one that it is to move to.

    `last_lines` are those that it printed last on stderr, by default "".
    """

    id: int
    ref: str
    trigger_ref: str
    enabled: bool
    runtime_ref: str
    state: str
    reason: str
    node: str | None
    pid: int | None
    epoch: int
    restarts: int
    bad_lines: int
    since: datetime | None
    wanted: str | None = None
    last_lines: str = ""


def explained(statuses: Sequence[SensorStatus], world: AssignmentView) -> list[SensorStatus]:
    """*statuses*, with the reason of those that wait for a node."""
    known = {sensor.id: sensor for sensor in world.sensors}
    gone = (NodeStatus.INACTIVE, NodeStatus.LOST, NodeStatus.STALE)
    nodes = [node for node in world.nodes if node.status not in gone] or world.nodes
    waiting = {status.id for status in statuses if status.state == "waiting" and status.node is None} & known.keys()
    return [
        replace(status, reason=why_waiting(known[status.id], nodes)) if status.id in waiting else status
        for status in statuses
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputLogRecord:
    """An output log in the database: `shipped` bytes of it are events, `over` says that its epoch has ended."""

    sensor: int
    sensor_ref: str
    trigger_ref: str
    epoch: int
    shipped: int
    over: bool


class ChangeListener(Protocol):
    """Hears of changes of sensors, leases and nodes."""

    async def news(self, timeout_seconds: float) -> bool:
        """Wait until something has changed, at most so long; whether it has. Raises `DatabaseError`."""


class LeaseStore(Protocol):
    """The leases of sensors, as the nodes that hold them need it. Every method raises `DatabaseError`."""

    def listening(self) -> AbstractAsyncContextManager[ChangeListener]:
        """Hears of changes as long as it lasts."""

    async def world(self) -> AssignmentView:
        """Sensors, leases and nodes as they are now."""

    async def take(
        self, node_id: int, sensors: Sequence[int], seconds: float, *, dead: Mapping[int, int] | None = None
    ) -> Sequence[TakenLease]:
        """Take what is free of *sensors*; of *dead*, by sensor, also what the node itself held with that epoch."""

    async def renew(self, node_id: int, held: Mapping[int, int], seconds: float) -> Renewal:
        """Prolong the leases *held*, epochs by sensor."""

    async def release(self, node_id: int, held: Mapping[int, int], reasons: Mapping[int, str] | None = None) -> None:
        """Give leases back, epochs by sensor."""

    async def report(self, node_id: int, reports: Sequence[SensorReport]) -> None:
        """Say how sensors are; what is said of an epoch that is over is dropped."""


class SensorReader(Protocol):
    """How sensors are, their switch, and where they run."""

    async def status(self) -> Sequence[SensorStatus]:
        """How every sensor is, by ref; for one that waits, why."""

    async def set_enabled(self, ref: str, enabled: bool) -> bool:
        """Switch a sensor on or off; False if there is none of that ref."""

    async def move(self, ref: str, to: str | None = None) -> str | None:
        """Have a sensor run on the node called *to*, else on another, whose name is returned; None: none is enabled.

        Raises `UsageError` with what is in the way.
        """


class SensorEvents(Protocol):
    """Events of sensors, each stored exactly once, and what built-in sensors remember. Raises `DatabaseError`.

    An event that is itself refused is set aside; *tries* is how often in a row the same ones were refused before.
    """

    async def output_log(self, key: UUID) -> OutputLogRecord | None: ...

    async def ship(self, key: UUID, begin: int, end: int, events: Sequence[NewEvent], tries: int = 0) -> bool:
        """Store *events*, which stand between two offsets; False, and nothing stored, if *begin* is not next."""

    async def finish(self, key: UUID, size: int) -> bool:
        """Forget an output log whose epoch is over and of which *size* bytes, all there are, are shipped."""

    async def position(self, sensor: int) -> Any:
        """What a built-in sensor has remembered, None for nothing."""

    async def fire(
        self, node_id: int, sensor: int, epoch: int, position: Any, events: Sequence[NewEvent], tries: int = 0
    ) -> bool:
        """Store *events* and remember *position*, together; False, and nothing stored, for an epoch that is over."""


class SensorOutput(Protocol):
    """The file that one sensor prints into under one lease: read, never written, by the node."""

    @property
    def id(self) -> UUID: ...

    @property
    def path(self) -> PurePath: ...

    @property
    def work(self) -> PurePath:
        """The sensor's working directory."""

    @property
    def size(self) -> int:
        """Bytes, 0 where there is no file."""

    @property
    def changed(self) -> int:
        """When it was last written, in nanoseconds; 0 where there is no file."""

    @property
    def exists(self) -> bool: ...

    @property
    def is_closed(self) -> bool:
        """Whether nobody lives who could print into it."""

    def create(self) -> None:
        """Make the folders and an empty file. Raises `OSError`."""

    def read(self, offset: int, most: int) -> bytes:
        """What stands at *offset*, at most so many bytes."""

    def forget(self, begin: int, end: int) -> None:
        """Give the disk back what lies between, where that can be done; offsets stay as they are."""

    def remove(self) -> None: ...


class SensorOutputs(Protocol):
    """The files of all sensors in this host's data folder, whichever node they belong to."""

    def hold(self, node: str) -> bool:
        """Be the live node of that name here until `release`; False if another process is. Raises `OSError`."""

    def release(self) -> None: ...

    def output_log(self, key: UUID) -> SensorOutput: ...

    def output_logs(self) -> Iterator[SensorOutput]:
        """Those that there are."""


@dataclass(frozen=True, slots=True)
class SensorProgram:
    """What to start: absolute path, arguments, entry point; `parameters` go to stdin as JSON, output to a file."""

    argv: tuple[str, ...]
    output_log: PurePath
    folder: PurePath
    parameters: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    masked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SensorEnd:
    """How a sensor ended; `by`: `asked`, `lease`, `node`, or "" for itself; `interpreter_failed`: it never began."""

    reason: str
    by: str = ""
    interpreter_failed: bool = False


class RunningSensor(Protocol):
    """A sensor process. `extend` must be called again and again, or it is ended."""

    pid: int | None

    def extend(self, until: float) -> None:
        """Let it run until that time of the machine's clock."""

    def pause(self) -> None:
        """Stop it where it is; nothing is lost."""

    def resume(self) -> None: ...

    def stop(self) -> None:
        """Ask it to end; it is killed a few seconds later."""

    def kill(self) -> None:
        """End it at once."""

    async def started(self) -> SensorEnd | None:
        """None once it runs, or how it failed to start."""

    async def end(self) -> SensorEnd:
        """Wait until nothing of it is left."""


class SensorStarter(Protocol):
    """Starts a sensor that may run until a time of the machine's clock.

    Raises `OSError` where that is impossible, and `UsageError` where the host does not admit it.
    """

    async def __call__(self, program: SensorProgram, until: float, complain: Callable[[str], None]) -> RunningSensor:
        """*complain* is told each line of the sensor's stderr."""
