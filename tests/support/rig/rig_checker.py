"""What must be true of a rig's record whatever faults were put on it: nothing lost, nothing twice, nothing dead."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from attune.core.executions.execution import FINAL, ExecutionStatus
from attune.core.ports.nodes import Overdue
from execution_transitions import TRANSITIONS
from rig_losses import LostAttempt, lost_wrongly

OVERDUE = Overdue(2.5, 6.0)
Line = tuple[str, int, int]
"""Name of a sensor, process, and the number that this process gave its line."""


@dataclass(frozen=True)
class StatusChange:
    """One change of an execution's status, in the order in which the database made them. Times are in seconds."""

    execution: int
    attempt: int
    before: str
    after: str
    worker: str | None = None
    reason: str | None = None
    at: float = 0.0


@dataclass(frozen=True)
class Absence:
    """A time in which one worker alone could not work: it was killed, or it was cut off."""

    worker: str
    begin: float
    end: float
    was_killed: bool = False


@dataclass(frozen=True)
class Presence:
    """The life of one process of an action, as it told of it."""

    execution: int
    worker: str
    begin: float
    end: float


@dataclass
class RigRecord:
    """What a rig has seen.

    *asked* has each request's key and the execution that was promised for it, None where no answer came. *executed*
    has the keys of the executions that are there. *exits* are processes that ended and were not told to, *beats* the
    times of the heartbeats that were accepted of each node.
    """

    printed: Sequence[Line] = ()
    stored: Sequence[Line] = ()
    asked: Mapping[str, int | None] = field(default_factory=dict)
    executed: Sequence[tuple[int, str]] = ()
    changes: Sequence[StatusChange] = ()
    presences: Sequence[Presence] = ()
    absences: Sequence[Absence] = ()
    exits: Sequence[str] = ()
    beats: Mapping[str, Sequence[float]] = field(default_factory=dict)
    overdue: Overdue = OVERDUE


def faults_of(record: RigRecord) -> list[str]:
    """A sentence for everything that must not be; *record* is of a rig that rests."""
    return [
        *_line_faults(record.printed, record.stored),
        *_request_faults(record),
        *_execution_faults(record),
        *_overlaps(record),
        *(f"{name} ended without being told to" for name in record.exits),
    ]


def missing_lines(printed: Iterable[Line], stored: Iterable[Line]) -> list[Line]:
    """Lines that were printed and are no event yet."""
    return sorted(set(printed) - set(stored))


GIVEN_BACK = ("nothing can be run", "given back")
"""How the reason of an attempt begins that ended before any process was started."""


def lost_attempts(changes: Iterable[StatusChange]) -> list[StatusChange]:
    """Changes by which an attempt was given up that may have run, without its result."""
    running = {str(ExecutionStatus.RUNNING), str(ExecutionStatus.CANCELING)}
    again = {str(one) for one in (ExecutionStatus.REQUESTED, ExecutionStatus.SCHEDULING, ExecutionStatus.SCHEDULED)}
    ended = [one for one in changes if one.before in running and one.after in again | {str(ExecutionStatus.ABANDONED)}]
    return [one for one in ended if not (one.reason or "").startswith(GIVEN_BACK)]


def _line_faults(printed: Sequence[Line], stored: Sequence[Line]) -> Iterator[str]:
    for name, process, number in missing_lines(printed, stored):
        yield f"line {number} of {name}, process {process}, was printed and is no event"
    for (name, process, number), count in Counter(stored).items():
        if count > 1:
            yield f"line {number} of {name}, process {process}, is {count} events"
    last: dict[tuple[str, int], int] = {}
    for name, process, number in printed:
        last[name, process] = max(number, last.get((name, process), -1))
    before: dict[tuple[str, int], int] = {}
    for name, process, number in stored:
        # A process may have been killed between printing a line and telling so.
        if number > last.get((name, process), -1) + 1:
            yield f"line {number} of {name}, process {process}, is an event and was not printed"
        if number < before.get((name, process), -1):
            yield f"line {number} of {name}, process {process}, was stored after line {before[name, process]}"
        before[name, process] = number


def _request_faults(record: RigRecord) -> Iterator[str]:
    found: dict[str, list[int]] = defaultdict(list)
    for execution, key in record.executed:
        found[key].append(execution)
    wanted = dict(record.asked) | {":".join(map(str, line)): None for line in record.stored}
    for key, executions in found.items():
        if len(executions) > 1:
            yield f"{key} was asked once, and is the executions {', '.join(map(str, executions))}"
        if key not in wanted:
            yield f"execution {executions[0]} was never asked: {key}"
    for key, promised in record.asked.items():
        if promised is not None and promised not in found[key]:
            yield f"execution {promised} was promised to {key} and is not there"
    for line in record.stored:
        if not found[":".join(map(str, line))]:
            yield f"the event of line {line[2]} of {line[0]}, process {line[1]}, led to no execution"


def _execution_faults(record: RigRecord) -> Iterator[str]:
    final = {str(one) for one in FINAL}
    stories: dict[int, list[StatusChange]] = {execution: [] for execution, _ in record.executed}
    for change in record.changes:
        stories.setdefault(change.execution, []).append(change)
    for execution, story in stories.items():
        endings = [change.after for change in story if change.after in final]
        if len(endings) != 1:
            yield f"execution {execution} ended {len(endings)} times: {' '.join(endings)}"
        elif endings != [ExecutionStatus.COMPLETED]:
            yield f"execution {execution} is {endings[0]}: {story[-1].reason}"
        for change in story:
            if ExecutionStatus(change.after) not in TRANSITIONS[ExecutionStatus(change.before)]:
                yield f"execution {execution} became {change.after} after {change.before}"
        for earlier, later in itertools.pairwise(story):
            if later.before != earlier.after:
                yield f"execution {execution} was {earlier.after}, and then became {later.after} after {later.before}"
        starts = [(change.attempt, change.worker) for change in story if change.after == ExecutionStatus.RUNNING]
        begun = [attempt for attempt, _ in dict.fromkeys(starts)]  # one that was lost may go on where it is
        if begun != sorted(set(begun)):
            yield f"execution {execution} began an attempt twice: {begun}"
        yield from _loss_faults(record, story)


def _loss_faults(record: RigRecord, story: Sequence[StatusChange]) -> Iterator[str]:
    for change in lost_attempts(story):
        if not change.reason:
            yield f"attempt {change.attempt} of execution {change.execution} was given up, and nothing says why"
        began = [one.at for one in story if one.after == ExecutionStatus.RUNNING and one.at <= change.at][-1]
        worker = next((one.worker for one in reversed(story) if one.worker and one.at <= change.at), None)
        if any(_explains(one, worker, began, change.at, record.overdue.lost_after) for one in record.absences):
            continue
        lost = LostAttempt(change.execution, worker or "", change.at)
        if why := lost_wrongly(lost, record.beats, record.overdue):
            yield (
                f"attempt {change.attempt} of execution {change.execution} was given up, and its worker {worker} was"
                f" not away alone: {change.reason}; {why}"
            )


def _explains(absence: Absence, worker: str | None, began: float, lost: float, lost_after: float) -> bool:
    if absence.worker != worker or absence.begin > lost or absence.end < began:
        return False
    return absence.was_killed or lost - absence.begin >= lost_after


def _overlaps(record: RigRecord) -> Iterator[str]:
    """Attempts of an execution whose processes lived at the same time, where the first one's worker was not cut off."""
    lives: dict[int, list[Presence]] = defaultdict(list)
    for presence in record.presences:
        lives[presence.execution].append(presence)
    for execution, attempts in lives.items():
        for one, other in itertools.pairwise(sorted(attempts, key=lambda life: life.begin)):
            absences = [gone for gone in record.absences if gone.worker == one.worker and not gone.was_killed]
            allowed = any(gone.begin <= other.begin and gone.end >= one.begin for gone in absences)
            if other.begin < one.end and not allowed:
                yield f"execution {execution} ran on {one.worker} and on {other.worker} at the same time"
