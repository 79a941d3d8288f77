"""Makes events of what sensors have printed: reads the output logs of this host and stores their lines, each once.

While the database is away the lines wait in their file; where too many wait, their sensor is held back.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from uuid import UUID

from structlog.contextvars import bound_contextvars

from attune.agent.logs import log
from attune.core.backoff import Backoff
from attune.core.errors import DatabaseError, DatabaseFault
from attune.core.ports.sensors import OutputLogRecord, SensorEvents, SensorOutput, SensorOutputs
from attune.core.sensors.event_line import LONGEST_LINE, BadLineError, NewEvent, parse_line
from attune.operations.nodes.refusals import Refusals

_LOOK_SECONDS = 0.05
_SCAN_SECONDS = 2.0
_RETRY = Backoff(0.4, 5.0)
_CHUNK = LONGEST_LINE + 64 * 1024
_MOST_EVENTS = 250
_MOST_STEPS = 20
_MOST_WAITING = 64 * 1024 * 1024
_TOLD_LINES = 5
_FORGOTTEN_AFTER = 7 * 86_400.0
_QUIET_SECONDS = 10.0
_SHORT = 4096  # bytes, of which nothing has been given back to the disk: that changes a file, too
_EMPTIED = (
    "opened its stdout anew and emptied it: what was not stored yet is lost; print, or write >&1, not >/dev/stdout"
)


@dataclass
class _Reading:
    """How far an output log has been read, and how often in a row what comes next in it was refused."""

    file: SensorOutput
    record: OutputLogRecord
    line: int = 0
    skipping: bool = False
    tries: int = 0
    bad: int = 0
    seen: int | None = None  # when the file had last changed, once all of it was stored
    emptied: bool = False

    @property
    def offset(self) -> int:
        return self.record.shipped


@dataclass
class _Batch:
    """Lines that were read: where they end, the events among them, and the sentences on the others."""

    end: int
    lines: int = 0
    events: list[NewEvent] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    skipping: bool = False


@dataclass(eq=False)
class EventForwarder:
    """Reads the output logs of *folder*. *told_bad* hears of lines that are no events: the log's id and how many.

    *throttle* is told when a sensor must be held back, and when it may go on.
    """

    folder: SensorOutputs
    events: SensorEvents
    told_bad: Callable[[UUID, int], None]
    throttle: Callable[[UUID, bool], None]
    _readings: dict[UUID, _Reading] = field(default_factory=dict)
    _expected: set[UUID] = field(default_factory=set)
    _unknown: dict[UUID, float] = field(default_factory=dict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _scanned: float = float("-inf")
    refusals: Refusals = field(
        default_factory=lambda: Refusals(
            "events cannot be stored, they wait in their files", "events are stored again", _RETRY
        )
    )

    async def run(self) -> None:
        """Ship until cancelled."""
        while True:
            try:
                await self.ship()
            except (DatabaseError, OSError) as error:
                self._hold_back()
                await asyncio.sleep(self.refusals.failed(error))
                continue
            self.refusals.worked()
            await asyncio.sleep(_LOOK_SECONDS)

    async def ship(self, *, scan: bool = False) -> None:
        """Store all that has been printed by now; *scan*: what others left, too. Raises `DatabaseError`, `OSError`."""
        async with self._turn:
            refused: list[DatabaseError] = []
            if scan or time.monotonic() - self._scanned >= _SCAN_SECONDS:
                await self._scan()
                await self._each(self._put_away, refused)
                self._scanned = time.monotonic()
            for key in list(self._expected):
                await self._open(self.folder.output_log(key))
                self._expected.discard(key)
            await self._each(self._ship_lines, refused)
            self._hold_back()
            if refused:
                raise refused[0]

    async def _each(self, work: Callable[[_Reading], Awaitable[None]], refused: list[DatabaseError]) -> None:
        """Do *work* with every output log. What is refused of one is added to *refused*, and keeps no other waiting."""
        for reading in list(self._readings.values()):
            try:
                with bound_contextvars(sensor=reading.record.sensor_ref):
                    await work(reading)
            except DatabaseError as error:
                if not error.sqlstate:  # nobody answers
                    raise
                refused.append(error)

    async def _ship_lines(self, reading: _Reading) -> None:
        for _ in range(_MOST_STEPS):  # or one that prints without end would keep the others waiting
            if not await self._step(reading):
                break

    def expect(self, key: UUID) -> None:
        """Read the output log *key* from now on."""
        self._expected.add(key)

    async def _scan(self) -> None:
        """Find output logs that others left."""
        for file in await asyncio.to_thread(lambda: list(self.folder.output_logs())):
            if file.id not in self._readings and file.is_closed:
                await self._open(file)

    async def _open(self, file: SensorOutput) -> None:
        if file.id in self._readings:
            return
        record = await self.events.output_log(file.id)
        if record is not None:
            self._readings[file.id] = _Reading(file, record)
            return
        # Of a sensor that is gone, or of another database.
        first = self._unknown.setdefault(file.id, time.monotonic())
        if time.monotonic() - first > _FORGOTTEN_AFTER and file.is_closed:
            await asyncio.to_thread(file.remove)
            del self._unknown[file.id]

    async def _put_away(self, reading: _Reading) -> None:
        record = await self.events.output_log(reading.file.id)
        if record is None:
            del self._readings[reading.file.id]
            log.warning(f"sensor {reading.record.sensor_ref} is gone, and what it printed last with it")
            return
        reading.record = record
        if not record.over or not reading.file.is_closed:
            return
        while await self._step(reading):
            pass
        size = reading.file.size
        if reading.offset < size:  # a line without an end was never an event
            log.warning(
                f"sensor {record.sensor_ref} printed {size - reading.offset} bytes without a newline at its end"
            )
            await self.events.ship(reading.file.id, reading.offset, size, [])
        if await self.events.finish(reading.file.id, size):
            await asyncio.to_thread(reading.file.remove)
            del self._readings[reading.file.id]

    async def _step(self, reading: _Reading) -> bool:
        """Store the next lines of an output log; whether there may be more."""
        size, seen, reading.seen = reading.file.size, reading.seen, reading.file.changed
        emptied = size < reading.offset or _is_rewritten(reading, size, seen)
        batch = _Batch(0) if emptied else _batch(reading, reading.file.read(reading.offset, _CHUNK))
        if batch.end == reading.offset and not emptied:
            return False
        try:
            stored = await self.events.ship(reading.file.id, reading.offset, batch.end, batch.events, reading.tries)
        except DatabaseError as error:
            reading.tries = reading.tries + 1 if error.fault is DatabaseFault.REJECTED else 0
            raise
        if not stored:
            record = await self.events.output_log(reading.file.id)
            if record is None:
                del self._readings[reading.file.id]
                return False
            reading.record, reading.skipping = record, False
            return True
        self._stored(reading, batch)
        if emptied and not reading.emptied:
            reading.emptied = True
            log.warning(f"sensor {reading.record.sensor_ref} {_EMPTIED}")
        return True

    def _stored(self, reading: _Reading, batch: _Batch) -> None:
        record = reading.record
        reading.file.forget(record.shipped, batch.end)
        reading.record = replace(record, shipped=batch.end)
        reading.line += batch.lines
        reading.skipping = batch.skipping
        reading.tries, reading.seen = 0, None
        for sentence in batch.bad[:_TOLD_LINES]:
            log.warning(f"sensor {record.sensor_ref}: {sentence}")
        if len(batch.bad) > _TOLD_LINES:
            log.warning(f"sensor {record.sensor_ref}: {len(batch.bad) - _TOLD_LINES} more lines are no events")
        if batch.bad:
            reading.bad += len(batch.bad)
            self.told_bad(reading.file.id, reading.bad)

    def _hold_back(self) -> None:
        """Stop the sensors of which too much waits, and let those go on of which little does."""
        for reading in self._readings.values():
            waiting = reading.file.size - reading.offset
            if waiting > _MOST_WAITING:
                self.throttle(reading.file.id, True)
            elif waiting < _MOST_WAITING / 2:
                self.throttle(reading.file.id, False)


def _is_rewritten(reading: _Reading, size: int, seen: int | None) -> bool:
    """Whether what was stored stands there no more, of a file that is as long as it was, or longer."""
    if not 0 < reading.offset < _SHORT:
        return False
    if size == reading.offset:
        return seen not in (None, reading.seen)
    return reading.file.read(reading.offset - 1, 1) != b"\n"


def _batch(reading: _Reading, chunk: bytes) -> _Batch:
    """The next events of *chunk*, which stands at the offset of *reading*."""
    batch = _Batch(reading.offset, skipping=reading.skipping)
    begin = 0
    while len(batch.events) < _MOST_EVENTS:
        end = chunk.find(b"\n", begin)
        if end < 0:
            if begin == 0 and len(chunk) == _CHUNK:  # longer than any event
                batch.end += len(chunk)
                if not batch.skipping:
                    batch.bad.append(f"line {reading.line + 1} is no event: expected at most {LONGEST_LINE} bytes")
                batch.skipping = True
            return batch
        line = chunk[begin:end]
        begin = end + 1
        batch.end = reading.offset + begin
        batch.lines += 1
        if batch.skipping:
            batch.skipping = False
        elif line.strip():
            _read(reading, batch, line)
    return batch


def _read(reading: _Reading, batch: _Batch, line: bytes) -> None:
    record = reading.record
    try:
        trigger, payload = parse_line(line, record.trigger_ref)
    except BadLineError as error:
        batch.bad.append(f"line {reading.line + batch.lines} is no event: {error}")
        return
    batch.events.append(NewEvent(trigger, payload, record.sensor, record.sensor_ref))


class EventLogLimiter:
    """A line for each sensor in ten seconds at most; the next line says how many were left out meanwhile."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, tell: Callable[[str], None] | None = None) -> None:
        self._clock = clock
        self._tell = tell or log.warning
        self._told: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def __call__(self, event: NewEvent, sentence: str) -> None:
        """Tell of *event*: it was refused, or a rule of its trigger could not be evaluated."""
        source = event.sensor_ref or event.trigger_ref
        now = self._clock()
        if source in self._told and now - self._told[source] < _QUIET_SECONDS:
            self._left_out[source] = self._left_out.get(source, 0) + 1
            return
        self._told[source] = now
        more = self._left_out.pop(source, 0)
        left_out = f" ({more} more since the last line on it)" if more else ""
        with bound_contextvars(sensor=event.sensor_ref):
            self._tell(f"{source}: an event has not led to what it should: {sentence}{left_out}")
