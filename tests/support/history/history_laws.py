"""Laws of order for a recorded history of executions: limits, priorities, overlap, snapshots, turns."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

RUNNING = {"running", "canceling"}
TAKEABLE_SECONDS = 1.0
"""For so long a worker may not know of what it could take."""
AGED_SECONDS = 29.0
"""What has been offered for so long may go before what is urgent."""
BEING_TAKEN_SECONDS = 0.5
"""What leaves the queue so soon may have been in another worker's hands."""
READ_ON_SECONDS = 5.0
"""A worker that reads a queue no longer has known so for up to this time."""


@dataclass(frozen=True)
class HistoryEntry:
    """One recorded change, in the order in which the database made them; `at` is in seconds.

    `kind` is "execution" (*before* is None where it is new), "job" (its row in the queue, *after* is None where it is
    gone), "reads" (*worker* reads *queue*, or *after* is None) or "limit" (that of *action*).
    """

    number: int
    kind: str
    at: float
    execution: int | None = None
    before: str | None = None
    after: str | None = None
    worker: str | None = None
    action: str | None = None
    queue: str | None = None
    priority: int | None = None
    limit: int | None = None
    rule: str | None = None
    attempt: int | None = None


@dataclass(frozen=True)
class RuleLaw:
    """What a rule promises: no second execution while one has not ended, or none sooner than `every` seconds."""

    skips: bool = False
    every: float | None = None


@dataclass(frozen=True)
class Snapshot:
    """With which content of its action, and with which key among its parameters, something was asked for."""

    version: int
    key: str


@dataclass(frozen=True)
class Served:
    """An execution that ran once: when it was asked for and begun, how long it ran, and which workers could take it."""

    execution: int
    asked: float
    began: float
    seconds: float
    workers: frozenset[str]
    action: str = ""


@dataclass(frozen=True)
class Offer:
    """A time in which an execution could be taken from its queue."""

    execution: int
    queue: str
    priority: int
    begin: float
    end: float


def limit_faults(entries: Iterable[HistoryEntry]) -> Iterator[str]:
    """An execution that began when as many of its action ran as its limit allows. A limit may be lowered meanwhile."""
    limits: dict[str, int | None] = {}
    running: Counter[str] = Counter()
    for entry in entries:
        action = entry.action or ""
        if entry.kind == "limit":
            limits[action] = entry.limit
        elif entry.kind == "execution":
            ran, runs = entry.before in RUNNING, entry.after in RUNNING
            running[action] += runs - ran
            limit = limits.get(action)
            if runs and not ran and limit is not None and running[action] > limit:
                yield f"execution {entry.execution} of {action} began as number {running[action]}, its limit is {limit}"


def most_running(entries: Iterable[HistoryEntry]) -> dict[str, int]:
    """How many executions of each action ran at once at most."""
    running: Counter[str] = Counter()
    most: dict[str, int] = {}
    for entry in entries:
        if entry.kind == "execution":
            action = entry.action or ""
            running[action] += (entry.after in RUNNING) - (entry.before in RUNNING)
            most[action] = max(most.get(action, 0), running[action])
    return most


def offers_of(entries: Iterable[HistoryEntry]) -> list[Offer]:
    """When each execution stood in its queue, by the priority that it had then."""
    found: list[Offer] = []
    since: dict[int, tuple[float, str]] = {}
    priorities: dict[int, int] = {}
    for entry in entries:
        number = entry.execution or 0
        if entry.kind not in ("job", "execution"):
            continue
        ends = entry.after != "todo" if entry.kind == "job" else entry.priority != priorities.get(number)
        if ends and number in since:
            begin, queue = since.pop(number)
            found.append(Offer(number, queue, priorities.get(number, 0), begin, entry.at))
            if entry.kind == "execution":
                since[number] = entry.at, queue
        if entry.kind == "execution":
            priorities[number] = entry.priority or 0
        elif entry.after == "todo":
            since[number] = entry.at, entry.queue or ""
    for number, (begin, queue) in since.items():
        found.append(Offer(number, queue, priorities.get(number, 0), begin, float("inf")))
    return found


def priority_faults(entries: Sequence[HistoryEntry]) -> Iterator[str]:
    """A lower priority that a worker took while it could have taken a higher one, takeable for over a second."""
    offers = sorted(offers_of(entries), key=lambda offer: offer.begin)
    begins = [offer.begin for offer in offers]
    longest = max((offer.end - offer.begin for offer in offers), default=0.0)
    reads = _reading(entries)
    for entry, taken, offered in _taken(entries):
        if taken - offered >= AGED_SECONDS:
            continue
        until = bisect_right(begins, taken - TAKEABLE_SECONDS)
        since = bisect_right(begins, taken - longest - TAKEABLE_SECONDS)
        for other in offers[since:until]:
            if (
                other.priority > (entry.priority or 0)
                and other.end >= taken + BEING_TAKEN_SECONDS
                and any(
                    begin <= taken - TAKEABLE_SECONDS and end >= taken + READ_ON_SECONDS
                    for begin, end in reads[entry.worker or "", other.queue]
                )
            ):
                yield (
                    f"{entry.worker} took execution {entry.execution} of priority {entry.priority} when execution"
                    f" {other.execution} of priority {other.priority} was takeable for {taken - other.begin:.1f} s"
                )
                break


def _taken(entries: Iterable[HistoryEntry]) -> Iterator[tuple[HistoryEntry, float, float]]:
    """Each beginning, when its job was taken, and since when that had been offered."""
    taken: dict[int, float] = {}
    offered: dict[int, float] = {}
    for entry in entries:
        number = entry.execution or 0
        if entry.kind == "job" and entry.after == "doing":
            taken[number] = entry.at
        elif entry.kind == "execution" and entry.after == "scheduled" != entry.before:
            offered[number] = entry.at
        elif entry.kind == "execution" and entry.after == "running" and entry.before == "scheduled":
            yield entry, taken.get(number, entry.at), offered.get(number, entry.at)


def _reading(entries: Iterable[HistoryEntry]) -> Mapping[tuple[str, str], list[tuple[float, float]]]:
    found: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    since: dict[tuple[str, str], float] = {}
    for entry in entries:
        key = entry.worker or "", entry.queue or ""
        if entry.kind == "reads" and entry.after is not None:
            since.setdefault(key, entry.at)
        elif entry.kind == "reads" and key in since:
            found[key].append((since.pop(key), entry.at))
    for key, begin in since.items():
        found[key].append((begin, float("inf")))
    return found


def overlap_faults(entries: Iterable[HistoryEntry], rules: Mapping[str, RuleLaw], final: set[str]) -> Iterator[str]:
    """A rule that asked for what it must not ask for yet."""
    active: dict[str, set[int]] = defaultdict(set)
    last: dict[str, float] = {}
    rule_of: dict[int, str] = {}
    for entry in entries:
        number = entry.execution or 0
        if entry.kind != "execution":
            continue
        if entry.before is None and entry.rule is not None:
            rule, law = entry.rule, rules.get(entry.rule, RuleLaw())
            if law.skips and active[rule]:
                yield f"rule {rule} asked for execution {number} while {min(active[rule])} had not ended"
            if law.every is not None and entry.at - last.get(rule, float("-inf")) < law.every:
                yield f"rule {rule} asked for execution {number} {entry.at - last[rule]:.2f} s after the one before"
            last[rule], rule_of[number] = entry.at, rule
            active[rule].add(number)
        if entry.after in final and number in rule_of:
            active[rule_of[number]].discard(number)


def snapshot_faults(
    asked: Mapping[int, Snapshot], kept: Mapping[int, Snapshot], ran: Iterable[tuple[int, Snapshot]]
) -> Iterator[str]:
    """An execution that is kept with something else than what was asked for, or that ran something else."""
    for number, snapshot in asked.items():
        if kept.get(number) != snapshot:
            yield f"execution {number} was asked as {snapshot}, and is kept as {kept.get(number)}"
    for number, snapshot in ran:
        if number in asked and snapshot != asked[number]:
            yield f"execution {number} was asked as {asked[number]}, and ran as {snapshot}"


def first_in_first_out(
    served: Iterable[Served], slots: Mapping[str, int], limits: Mapping[str, int]
) -> dict[int, float]:
    """When each would begin if whoever has a free place always began the oldest that it can take."""
    coming = sorted(served, key=lambda one: (one.asked, one.execution), reverse=True)
    waiting: list[Served] = []
    free, running = Counter(slots), Counter[str]()
    ending: list[tuple[float, int, Any]] = []
    begun: dict[int, float] = {}
    while coming or ending:
        if coming and (not ending or coming[-1].asked <= ending[0][0]):
            now = coming[-1].asked
            waiting.append(coming.pop())
        else:
            now, _, (worker, action) = heapq.heappop(ending)
            free[worker] += 1
            running[action] -= 1
        for one in list(waiting):
            worker = max(sorted(one.workers), key=lambda name: free[name])
            if free[worker] > 0 and running[one.action] < limits.get(one.action, 1_000_000):
                waiting.remove(one)
                free[worker] -= 1
                running[one.action] += 1
                begun[one.execution] = now
                heapq.heappush(ending, (now + one.seconds, one.execution, (worker, one.action)))
    return begun


def late_faults(
    served: Sequence[Served], slots: Mapping[str, int], limits: Mapping[str, int], most: float
) -> Iterator[str]:
    """An execution that began over *most* seconds later than first in, first out would have begun it."""
    fair = first_in_first_out(served, slots, limits)
    for one in served:
        if (late := one.began - fair[one.execution]) > most:
            yield f"execution {one.execution} began {late:.1f} s later than first in, first out would have begun it"
