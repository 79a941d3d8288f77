"""A history of executions under kills, outages and vanishing runtimes, recorded by the database, and its laws."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import psycopg

from attune.composition.databases import migrate
from attune.core.executions.execution import FINAL, ExecutionStatus
from attune.postgres.embedded.server import EmbeddedServer
from execution_transitions import TRANSITIONS
from waiting import rows, wait_for
from worker_processes import WorkerFleet, ask, load_pack, write_pack

OFFERS = {"w1": ("shell", "python"), "w2": ("shell", "ruby"), "w3": ("shell", "python", "ruby")}
# Every change of an execution, as it happened; the test's own.
RECORD = """
    CREATE TABLE history (id bigserial PRIMARY KEY, execution bigint, attempt integer, before text, after text,
                          worker text, at timestamptz DEFAULT clock_timestamp());
    CREATE FUNCTION record_history() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        IF OLD.status IS DISTINCT FROM NEW.status THEN
            INSERT INTO public.history (execution, attempt, before, after, worker)
            VALUES (NEW.id, NEW.attempt, OLD.status, NEW.status, NEW.worker_name);
        END IF;
        RETURN NULL;
    END;
    $$;
    CREATE TRIGGER record_history AFTER UPDATE ON execution FOR EACH ROW EXECUTE FUNCTION record_history();
"""


@dataclass
class StreamEvent:
    """What a history came to."""

    executions: int
    seconds: float
    kills: int
    stops: int
    removals: int
    statuses: dict[str, int]
    attempts: int
    again: int

    def __str__(self) -> str:
        return (
            f"{self.executions} executions in {self.seconds:.0f} s with {self.kills} kills of workers, {self.stops}"
            f" stops of PostgreSQL, {self.removals} removals of a runtime: {self.statuses}, {self.attempts} attempts,"
            f" {self.again} executions run more than once"
        )


def make_history(
    folder: Path, *, executions: int, kills: int, stops: int, removals: int, seed: int, wait_seconds: float
) -> StreamEvent:
    """Run *executions* of three actions on three workers, while that happens to them. Raises `AssertionError`."""
    chance = random.Random(seed)
    server = EmbeddedServer(folder / "server")
    url = server.acquire()
    fleet = WorkerFleet(folder, url, OFFERS, concurrency=6)
    began = time.monotonic()
    try:
        migrate(url)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(RECORD.encode())
        load_pack(url, write_pack(folder / "pack", retries=3))
        fleet.start(*OFFERS)
        numbers: list[int] = []
        disasters = ["kill"] * kills + ["stop"] * stops + ["remove"] * removals
        chance.shuffle(disasters)
        waves = len(disasters) + 1
        for wave in range(waves):
            numbers += _ask(fleet, chance, executions // waves + (1 if wave < executions % waves else 0))
            if wave < len(disasters):
                time.sleep(chance.uniform(0.2, 1.0))
                _suffer(fleet, server, disasters[wave], chance)
        for name in ("w2", "w3"):
            if not (fleet.machines[name].bin / "ruby").exists():
                fleet.give(name, "ruby")
        final = {str(one) for one in FINAL}
        try:
            wait_for(lambda: len(numbers) == sum(n for s, n in fleet.counts().items() if s in final), wait_seconds)
        except AssertionError:
            raise AssertionError(_still_open(fleet)) from None
        return _laws(fleet, numbers, time.monotonic() - began, kills, stops, removals)
    finally:
        fleet.close()
        server.release()


def _ask(fleet: WorkerFleet, chance: random.Random, count: int) -> list[int]:
    def one() -> tuple[str, dict[str, object]]:
        name = chance.choices(("shell", "ruby", "python"), (6, 3, 1))[0]
        return f"check.{name}", {
            "told": str(fleet.told),
            "seconds": round(chance.uniform(0, chance.choice((0.02, 0.3))), 3),
        }

    return ask(fleet.url, [one() for _ in range(count)]) if count else []


def _suffer(fleet: WorkerFleet, server: EmbeddedServer, what: str, chance: random.Random) -> None:
    if what == "kill":
        victim = chance.choice(_at_work(fleet) or sorted(OFFERS))
        fleet.kill(victim)
        time.sleep(chance.choice((0, 0.2, chance.uniform(0, 5))))
        fleet.start(victim)
    elif what == "stop":
        pid = int(next(server.data_dir.rglob("postmaster.pid")).read_text().split()[0])
        os.kill(pid, signal.SIGQUIT)  # an immediate stop
        time.sleep(chance.uniform(0.1, 2))
        wait_for(server.ensure_running)
    else:
        name = chance.choice(("w2", "w3"))
        if (fleet.machines[name].bin / "ruby").exists():
            fleet.take(name, "ruby")
        else:
            fleet.give(name, "ruby")


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


def _laws(fleet: WorkerFleet, numbers: list[int], seconds: float, kills: int, stops: int, removals: int) -> StreamEvent:
    changes = rows(fleet.url, "SELECT execution, attempt, before, after, worker FROM history ORDER BY id")
    stories: dict[int, list[tuple[int, str, str, str | None]]] = defaultdict(list)
    for number, attempt, before, after, worker in changes:
        stories[number].append((attempt, before, after, worker))
    final = {str(one) for one in FINAL}
    assert len(set(numbers)) == len(numbers)
    for number in numbers:
        story = stories[number]
        endings = [one for one in story if one[2] in final]
        assert len(endings) == 1, f"execution {number} ended {len(endings)} times: {story}"
        assert story[-1] == endings[0], f"execution {number} went on after its end: {story}"
        attempts = [attempt for attempt, _, after, _ in story if after == "running"]
        assert attempts == sorted(set(attempts)), f"execution {number}: an attempt began twice: {story}"
        for _, before, after, _ in story:
            assert ExecutionStatus(after) in TRANSITIONS[ExecutionStatus(before)], f"execution {number}: {story}"
    _timelines_tell(fleet, stories)
    _ran_where_it_could(fleet, dict(rows(fleet.url, "SELECT id, action_ref FROM execution")))
    statuses = {status: count for status, count in fleet.counts().items() if count}
    ran = Counter(number for number, _, _ in fleet.runs())
    completed = rows(fleet.url, "SELECT id FROM execution WHERE status = 'completed'")
    assert not [number for (number,) in completed if not ran[number]], "completed, and never ran"
    total = sum(1 for one in changes if one[3] == "running")
    again = sum(1 for count in ran.values() if count > 1)
    return StreamEvent(len(numbers), seconds, kills, stops, removals, statuses, total, again)


def _timelines_tell(fleet: WorkerFleet, stories: dict[int, list[tuple[int, str, str, str | None]]]) -> None:
    """The timeline of each execution has every change that was recorded, and why an attempt is not the last."""
    for number, timeline in rows(fleet.url, "SELECT id, timeline FROM execution"):
        told = [(entry["attempt"], entry["status"]) for entry in timeline[1:]]
        changed = [(attempt, after) for attempt, _, after, _ in stories[number]]
        left_out = timeline[-1]["number"] - len(timeline)
        assert left_out or set(changed) <= set(told), f"execution {number}: {told} of {changed}"
        for entry in timeline:
            assert entry["reason"] or entry["status"] != "scheduling", f"execution {number}: no reason in {timeline}"


def _ran_where_it_could(fleet: WorkerFleet, refs: dict[int, str]) -> None:
    for number, worker, interpreter in fleet.runs():
        name = refs[number].removeprefix("check.")
        assert name in OFFERS[worker], f"execution {number} needs {name} and ran on {worker}"
        assert Path(interpreter).parent == fleet.machines[worker].bin, f"{worker} used {interpreter}"
