"""A history of executions under kills, outages, upgrades and vanishing runtimes, and the laws that it obeys."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from attune.composition.databases import migrate
from attune.core.executions.execution import FINAL, ExecutionStatus
from attune.postgres.embedded.server import EmbeddedServer
from execution_transitions import TRANSITIONS
from history_laws import (
    HistoryEntry,
    Snapshot,
    limit_faults,
    most_running,
    overlap_faults,
    priority_faults,
    snapshot_faults,
)
from history_pack import RULES, ask_some, load_version, send_ticks
from history_record import begin_record, recorded
from waiting import rows, wait_for
from worker_processes import WorkerFleet

OFFERS = {"w1": ("shell", "python"), "w2": ("shell", "ruby"), "w3": ("shell", "python", "ruby")}
STATUSES = {str(one) for one in FINAL}


@dataclass
class HistoryPlan:
    """What happens to a history of so many *executions*: each disaster as often, in an order that *seed* decides."""

    executions: int
    disasters: dict[str, int]
    seed: int
    wait_seconds: float


@dataclass
class HistorySummary:
    """What a history came to."""

    plan: HistoryPlan
    executions: int
    by_rules: int
    seconds: float
    statuses: dict[str, int]
    attempts: int
    again: int
    most: dict[str, int]

    def __str__(self) -> str:
        suffered = ", ".join(f"{count} x {what}" for what, count in self.plan.disasters.items())
        return (
            f"{self.executions} executions, {self.by_rules} of them asked by rules, in {self.seconds:.0f} s with"
            f" {suffered}: {self.statuses}, {self.attempts} attempts, {self.again} executions run more than once,"
            f" at once at most {self.most}"
        )


@dataclass
class History:
    """One that is under way: *asked* is as what each execution was asked for, *ticks* how many events were sent."""

    folder: Path
    plan: HistoryPlan
    server: EmbeddedServer
    url: str
    fleet: WorkerFleet
    chance: random.Random
    asked: dict[int, Snapshot] = field(default_factory=dict)
    tick_versions: list[int] = field(default_factory=list)
    version: int = 1

    def upgrade(self) -> None:
        load_version(self.url, self.folder / "pack", self.version, self.fleet.told)

    def ask(self, count: int) -> None:
        self.asked |= ask_some(self.url, self.chance, count, self.version, self.fleet.told)
        begin = len(self.tick_versions)
        self.tick_versions += [self.version] * 3
        send_ticks(self.url, range(begin, begin + 3))

    def suffer(self, what: str) -> None:
        chance, fleet = self.chance, self.fleet
        if what == "kill":
            victim = chance.choice(_at_work(fleet) or sorted(OFFERS))
            fleet.kill(victim)
            time.sleep(chance.choice((0, 0.2, chance.uniform(0, 5))))
            fleet.start(victim)
        elif what == "stop":
            pid = int(next(self.server.data_dir.rglob("postmaster.pid")).read_text().split()[0])
            os.kill(pid, signal.SIGQUIT)  # an immediate stop
            time.sleep(chance.uniform(0.1, 2))
            wait_for(self.server.ensure_running)
        elif what == "upgrade":
            self.version += 1
            self.upgrade()
        else:
            name = chance.choice(("w2", "w3"))
            (fleet.take if (fleet.machines[name].bin / "ruby").exists() else fleet.give)(name, "ruby")


def make_history(folder: Path, plan: HistoryPlan) -> HistorySummary:
    """Run the executions of *plan* on three workers, while all that happens to them. Raises `AssertionError`."""
    server = EmbeddedServer(folder / "server")
    url = server.acquire()
    fleet = WorkerFleet(folder, url, OFFERS, concurrency=6)
    history = History(folder, plan, server, url, fleet, random.Random(plan.seed))
    began = time.monotonic()
    try:
        migrate(url)
        begin_record(url)
        history.upgrade()
        fleet.start(*OFFERS)
        disasters = [what for what, count in plan.disasters.items() for _ in range(count)]
        history.chance.shuffle(disasters)
        waves = len(disasters) + 1
        for wave in range(waves):
            history.ask(plan.executions // waves + (1 if wave < plan.executions % waves else 0))
            if wave < len(disasters):
                time.sleep(history.chance.uniform(0.2, 1.0))
                history.suffer(disasters[wave])
        for name in ("w2", "w3"):
            if not (fleet.machines[name].bin / "ruby").exists():
                fleet.give(name, "ruby")
        try:
            wait_for(lambda: not {*fleet.counts()} - STATUSES, plan.wait_seconds)
        except AssertionError:
            raise AssertionError(_still_open(fleet)) from None
        return _laws(history, time.monotonic() - began)
    finally:
        fleet.close()
        server.release()


def _still_open(fleet: WorkerFleet) -> str:
    query = """
        SELECT e.id, e.action_ref, e.status::text, e.attempt, e.losses, e.job, j.status::text, e.worker_name,
               w.status::text, e.reason, e.updated, e.not_before, now(),
               array(SELECT c.worker FROM worker_class AS c WHERE c.queue = e.queue)
        FROM execution AS e LEFT JOIN procrastinate_jobs AS j ON j.id = e.job LEFT JOIN worker AS w ON w.id = e.worker
        WHERE e.finished_at IS NULL ORDER BY e.id LIMIT 10
    """
    nodes = rows(fleet.url, "SELECT id, name, status::text, last_heartbeat FROM worker")
    logs = {name: (fleet.folder / f"{name}.log").read_text()[-1500:] for name in fleet.machines}
    return "\n".join(map(str, [fleet.counts(), *rows(fleet.url, query), *nodes, *logs.items()])).replace("\\n", "\n")


def _at_work(fleet: WorkerFleet) -> list[str]:
    """Workers that run something now, looked for for a while."""
    query = "SELECT DISTINCT worker_name FROM execution WHERE status = 'running' ORDER BY 1"
    for _ in range(40):
        found = [str(name) for (name,) in rows(fleet.url, query)]
        if found:
            return found
        time.sleep(0.02)
    return []


def _laws(history: History, seconds: float) -> HistorySummary:
    fleet, entries = history.fleet, recorded(history.url)
    changes = [one for one in entries if one.kind == "execution" and one.before not in (None, one.after)]
    stories: dict[int, list[HistoryEntry]] = defaultdict(list)
    for change in changes:
        stories[change.execution or 0].append(change)
    kept = _kept(history)
    by_rules = {number: snapshot for number, snapshot in kept.items() if ":" in snapshot.key}
    ran = _runs(history)
    times = Counter(number for number, *_ in ran)
    for number in kept:
        story_is_right(number, stories[number], times[number])
    _timelines_tell(fleet, stories)
    asked = history.asked | _asked_by_rules(history, by_rules)
    assert asked.keys() == kept.keys()
    wrong = [
        *limit_faults(entries),
        *priority_faults(entries),
        *overlap_faults(entries, RULES, STATUSES),
        *snapshot_faults(asked, kept, [(number, snapshot) for number, _, snapshot, _ in ran]),
    ]
    assert not wrong, "\n".join([f"{len(wrong)} faults", *wrong[:20]])
    refs = dict(rows(fleet.url, "SELECT id, action_ref FROM execution"))
    for number, worker, _, interpreter in ran:
        name = refs[number].removeprefix("check.")
        assert name in OFFERS[worker], f"execution {number} needs {name} and ran on {worker}"
        assert Path(interpreter).parent == fleet.machines[worker].bin, f"{worker} used {interpreter}"
    completed = rows(fleet.url, "SELECT id FROM execution WHERE status = 'completed'")
    assert not [number for (number,) in completed if not times[number]], "completed, and never ran"
    return HistorySummary(
        history.plan,
        executions=len(kept),
        by_rules=len(by_rules),
        seconds=seconds,
        statuses={status: count for status, count in fleet.counts().items() if count},
        attempts=sum(change.after == "running" for change in changes),
        again=sum(count > 1 for count in times.values()),
        most=most_running(entries),
    )


def story_is_right(number: int, story: Sequence[HistoryEntry], runs: int) -> None:
    endings = [one for one in story if one.after in STATUSES]
    assert len(endings) == 1, f"execution {number} ended {len(endings)} times: {story}"
    assert story[-1] == endings[0], f"execution {number} went on after its end: {story}"
    attempts = [(one.attempt or 0, one.worker) for one in story if one.after == "running"]
    begun = [attempt for attempt, _ in dict.fromkeys(attempts)]  # one that was lost may go on where it is
    assert begun == sorted(set(begun)), f"execution {number}: an attempt began on two workers: {story}"
    assert runs <= len(begun), f"execution {number} ran {runs} times: {story}"
    for one in story:
        assert ExecutionStatus(one.after) in TRANSITIONS[ExecutionStatus(one.before)], f"execution {number}: {story}"


def _kept(history: History) -> dict[int, Snapshot]:
    """As what each execution is kept: by the entry point of the content that it refers to, and its parameters."""
    query = """
        SELECT e.id, split_part(split_part(v.content ->> 'entrypoint', '_', 2), '.', 1)::int, e.config ->> 'key'
        FROM execution AS e LEFT JOIN action_version AS v ON v.digest = e.action_version
    """
    return {number: Snapshot(version, key) for number, version, key in rows(history.url, query)}


def _asked_by_rules(history: History, by_rules: dict[int, Snapshot]) -> dict[int, Snapshot]:
    """As what each was asked for, by the event that its key names: once of each, or of none where a rule may skip."""
    found = {}
    keys = Counter(snapshot.key for snapshot in by_rules.values())
    assert not [key for key, count in keys.items() if count > 1]
    assert sum(key.startswith("each:") for key in keys) == len(history.tick_versions)
    for number, snapshot in by_rules.items():
        found[number] = Snapshot(history.tick_versions[int(snapshot.key.partition(":")[2])], snapshot.key)
    return found


def _runs(history: History) -> list[tuple[int, str, Snapshot, str]]:
    """What actions told: their execution, their worker, what they were of, and the interpreter that ran them."""
    lines = [line.split(maxsplit=4) for line in history.fleet.told.read_text().splitlines()]
    return [(int(one[0]), one[1], Snapshot(int(one[2]), one[3]), one[4]) for one in lines]


def _timelines_tell(fleet: WorkerFleet, stories: dict[int, list[HistoryEntry]]) -> None:
    """The timeline of each execution has every change that was recorded, and why an attempt is not the last."""
    for number, timeline in rows(fleet.url, "SELECT id, timeline FROM execution"):
        told = [(entry["attempt"], entry["status"]) for entry in timeline[1:]]
        changed = [(one.attempt, one.after) for one in stories[number]]
        left_out = timeline[-1]["number"] - len(timeline)
        assert left_out or set(changed) <= set(told), f"execution {number}: {told} of {changed}"
        for entry in timeline:
            assert entry["reason"] or entry["status"] != "scheduling", f"execution {number}: no reason in {timeline}"
