"""`WorkQueue`, `WorkRouting`, `WorkerInbox` and `AttemptStore`: one suite for memory and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest

from attune.core.executions.action import Action
from attune.core.matching.fleet import Capability, Node
from attune.core.ports.executions import NewExecution
from attune.core.ports.worker import AttemptResult, AttemptStart, OutputChunk, QueuedJob, Signal, WorkerNotice
from attune.core.runtimes.verdict import Status
from attune.postgres.connection import Pool, open_pool
from attune.postgres.executions.actions import PostgresActions
from attune.postgres.executions.routing import PostgresRouting
from attune.postgres.executions.store import PostgresExecutions
from attune.postgres.nodes.capabilities import write_capabilities
from attune.postgres.rows import read_all
from attune.queue.jobs import ProcrastinateQueue
from attune.testing import MemoryExecutions

pytestmark = pytest.mark.anyio

PYTHON = NewExecution(Action("acme.act", "acme", "", "act.sh", runtime_ref="core.python")).requirement.queue


@dataclass
class Ports:
    """The three ports, two workers, and what a test must be able to do beside them."""

    queue: Any
    routing: Any
    attempts: Any
    action: Action
    workers: tuple[int, int]
    request: Callable[[], Awaitable[int]]
    die: Callable[[int], Awaitable[None]]
    status: Callable[[int], Awaitable[tuple[str, int]]]
    offer: Callable[[Mapping[str, bool], Mapping[str, str]], Awaitable[None]]
    limit: Callable[[int], Awaitable[Action]]

    async def ask(self, *extra: str, priority: int | None = None) -> int:
        (number,) = await self.attempts.submit([NewExecution(self.action, {"a": 1}, extra, priority=priority)])
        return int(number)

    async def offered(self) -> QueuedJob:
        """An execution that the first worker can take, taken."""
        await self.ask()
        await self.routing.subscribe(self.workers[0], [PYTHON])
        (job,) = await self.queue.take([PYTHON], 1)
        return job  # type: ignore[no-any-return]

    async def start(self, job: QueuedJob) -> int | None:
        """Begin *job* on the first worker; the number of the attempt."""
        wanted = [AttemptStart(job, {"python": {"path": "/bin/sh"}})]
        started = await self.attempts.start(wanted, worker=self.workers[0], name="w1", running=1)
        return started[job.execution].attempt if job.execution in started else None


def in_memory() -> Ports:
    store = MemoryExecutions()
    action = Action("acme.act", "acme", "", "act.sh", runtime_ref="core.python")

    async def request() -> int:
        return store.request(action)

    async def die(worker: int) -> None:
        store.dead.add(worker)

    async def status(number: int) -> tuple[str, int]:
        return store.rows[number].status, store.rows[number].attempt

    async def offer(runtimes: Mapping[str, bool], labels: Mapping[str, str]) -> None:
        store.labels |= {*labels} - {*runtimes}

    async def limit(most: int) -> Action:
        return replace(action, concurrency=most)

    return Ports(store, store, store, action, (1, 2), request, die, status, offer, limit)


async def on_postgres(pool: Pool) -> Ports:
    async with pool.connection() as connection:

        async def value(query: str, *given: Any) -> Any:
            row = await (await connection.execute(query.encode(), given)).fetchone()
            return row[0] if row else None

        await connection.execute("INSERT INTO pack (ref, label, version) VALUES ('acme', '', '1.0.0')")
        await connection.execute(
            "INSERT INTO action (ref, pack, pack_ref, label, description, entrypoint, runtime)"
            " SELECT 'acme.act', p.id, 'acme', '', '', 'act.sh', r.id FROM pack AS p, runtime AS r"
            " WHERE p.ref = 'acme' AND r.ref = 'core.python'"
        )
        added = (
            "INSERT INTO worker (name, worker_type, worker_role, status, last_heartbeat)"
            " VALUES (%s, 'local', 'action', 'active', now()) RETURNING id"
        )
        workers = (await value(added, "w1"), await value(added, "w2"))

    async def one(query: str, *given: Any) -> Any:
        async with pool.connection() as connection:
            return await (await connection.execute(query.encode(), given)).fetchone()

    async def request() -> int:
        row = await one("INSERT INTO execution (action_ref) VALUES ('acme.act') RETURNING id")
        return int(row[0])

    async def die(worker: int) -> None:
        await one("UPDATE worker SET status = 'lost' WHERE id = %s RETURNING id", worker)

    async def status(number: int) -> tuple[str, int]:
        row = await one("SELECT status::text, attempt FROM execution WHERE id = %s", number)
        return row[0], row[1]

    async def offer(runtimes: Mapping[str, bool], labels: Mapping[str, str]) -> None:
        statuses = {name: Status.AVAILABLE if there else Status.UNAVAILABLE for name, there in runtimes.items()}
        held = {name: Capability(name, status) for name, status in statuses.items()}
        async with pool.connection() as connection:
            await write_capabilities(connection, workers[0], Node(workers[0], "w1", held, labels))

    async def limit(most: int) -> Action:
        await one("UPDATE action SET concurrency = %s RETURNING id", most)
        return await PostgresActions(pool).get("acme.act")

    action = await PostgresActions(pool).get("acme.act")
    queue, executions = ProcrastinateQueue(partial(read_all, pool, dict)), PostgresExecutions(pool)
    return Ports(queue, PostgresRouting(pool), executions, action, workers, request, die, status, offer, limit)


@pytest.fixture(params=["memory", "postgres"])
async def ports(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Ports]:
    if request.param == "memory":
        yield in_memory()
        return
    async with open_pool(request.getfixturevalue("migrated_database")) as pool:
        yield await on_postgres(pool)


async def test_what_nobody_reads_waits_and_is_offered_to_its_first_reader(ports: Ports) -> None:
    number = await ports.ask()
    assert await ports.status(number) == ("requested", 0)
    assert await ports.queue.filled([PYTHON]) == []

    await ports.routing.subscribe(ports.workers[0], [PYTHON])

    assert await ports.status(number) == ("scheduled", 0)
    assert await ports.queue.filled([PYTHON, "cap-other"]) == [PYTHON]


async def test_jobs_are_taken_once_the_oldest_first_and_no_more_than_asked_for(ports: Ports) -> None:
    await ports.ask()
    await ports.routing.subscribe(ports.workers[0], [PYTHON])
    numbers = [await ports.ask() for _ in range(3)]

    first = await ports.queue.take([PYTHON], 3)
    assert await ports.queue.take(["cap-other"], 9) == await ports.queue.take([PYTHON], 0) == []
    second = await ports.queue.take([PYTHON], 9)

    assert [job.execution for job in (*first, *second)] == [numbers[0] - 1, *numbers]
    assert len(first) == 3
    await ports.queue.give_back(second)
    assert list(await ports.queue.take([PYTHON], 9)) == list(second)


async def test_the_highest_priority_is_taken_first_and_of_equal_ones_the_oldest(ports: Ports) -> None:
    wanted = [await ports.ask(priority=priority) for priority in (None, 9, 0, 9, 6)]
    await ports.routing.subscribe(ports.workers[0], [PYTHON])

    jobs = [*await ports.queue.take([PYTHON], 3), *await ports.queue.take([PYTHON], 3)]

    assert [job.execution for job in jobs] == [wanted[place] for place in (1, 3, 4, 0, 2)]


async def test_no_more_run_at_once_than_the_action_allows_and_the_next_is_offered_when_one_ends(ports: Ports) -> None:
    ports.action = await ports.limit(2)
    numbers = [await ports.ask() for _ in range(4)]
    await ports.routing.subscribe(ports.workers[0], [PYTHON])
    jobs = await ports.queue.take([PYTHON], 9)
    assert [job.execution for job in jobs] == numbers[:2]
    assert [await ports.start(job) for job in jobs] == [1, 1]
    await ports.routing.promote([PYTHON])
    assert await ports.queue.take([PYTHON], 9) == []

    await ports.attempts.settle([AttemptResult(numbers[1], 1, "completed")])

    (job,) = await ports.queue.take([PYTHON], 9)
    assert job.execution == numbers[2]
    assert await ports.start(job) == 1


async def test_what_was_offered_before_the_limit_was_lowered_waits(ports: Ports) -> None:
    ports.action = await ports.limit(2)
    numbers = [await ports.ask() for _ in range(2)]
    await ports.routing.subscribe(ports.workers[0], [PYTHON])
    first, second = await ports.queue.take([PYTHON], 9)
    lowered = await ports.limit(1)
    if isinstance(ports.attempts, MemoryExecutions):
        for row in ports.attempts.rows.values():
            row.asked = replace(row.asked, action=lowered)

    assert [await ports.start(first), await ports.start(second)] == [1, None]
    assert [await ports.status(number) for number in numbers] == [("running", 1), ("requested", 0)]
    assert await ports.queue.filled([PYTHON]) == []


async def test_one_attempt_begins_once(ports: Ports) -> None:
    job = await ports.offered()

    assert await ports.start(job) == 1
    assert await ports.start(job) is None
    assert await ports.status(job.execution) == ("running", 1)
    assert await ports.queue.filled([PYTHON]) == []


async def test_only_the_present_attempt_can_print_and_end(ports: Ports) -> None:
    job = await ports.offered()
    await ports.start(job)
    number = job.execution
    assert await ports.attempts.print([OutputChunk(number, 1, 1, "stdout", "on time")]) == {number}
    again = AttemptResult(number, 1, "scheduling", lost=True)
    assert set(await ports.attempts.settle([again])) == {number}
    await ports.routing.tidy()
    (job,) = await ports.queue.take([PYTHON], 1)
    assert await ports.start(job) == 2

    assert await ports.attempts.print([OutputChunk(number, 1, 2, "stdout", "late")]) == set()
    assert set(await ports.attempts.settle([AttemptResult(number, 1, "completed")])) == set()
    assert await ports.status(number) == ("running", 2)
    assert set(await ports.attempts.settle([AttemptResult(number, 2, "completed")])) == {number}
    assert await ports.status(number) == ("completed", 2)


async def test_jobs_that_are_left_to_others_are_taken_once_the_oldest_was_left_so_long(ports: Ports) -> None:
    first, second = await ports.ask(), await ports.ask()
    await ports.routing.subscribe(ports.workers[0], [PYTHON])

    assert await ports.queue.take([PYTHON], 5, {PYTHON: 3600.0, "cap-other": 0.0}) == []
    taken: Sequence[QueuedJob] = []
    async with asyncio.timeout(100):
        while not taken:
            taken = await ports.queue.take([PYTHON], 5, {PYTHON: 0.001})
    assert [job.execution for job in taken] == [first, second]
    assert await ports.queue.take([PYTHON], 5, {PYTHON: 0.001}) == []
    await ports.ask()
    assert len(await ports.queue.take([PYTHON], 5, {"cap-other": 3600.0})) == 1


async def test_a_cancel_is_told_to_whom_it_concerns_and_is_not_forgotten_by_a_retry(ports: Ports) -> None:
    job = await ports.offered()
    await ports.start(job)
    async with ports.routing.listening() as inbox:
        assert await ports.attempts.cancel([job.execution]) == {job.execution: "canceling"}
        assert list(await inbox.receive(5)) == [WorkerNotice(Signal.CANCEL, str(job.execution))]

    await ports.attempts.settle([AttemptResult(job.execution, 1, "scheduling")])

    assert (await ports.status(job.execution))[0] == "cancelled"
    assert await ports.attempts.cancel([job.execution]) == {}


async def test_what_is_cancelled_before_it_begins_is_never_begun(ports: Ports) -> None:
    job = await ports.offered()

    assert await ports.attempts.cancel([job.execution]) == {job.execution: "cancelled"}
    assert await ports.start(job) is None


async def test_new_jobs_classes_and_requests_are_told(ports: Ports) -> None:
    await ports.ask()
    await ports.routing.subscribe(ports.workers[0], [PYTHON])
    async with ports.routing.listening() as inbox:
        await inbox.follow_queues([PYTHON])
        assert list(await inbox.receive(0.01)) == []
        await ports.ask()
        assert list(await inbox.receive(5)) == [WorkerNotice(Signal.JOB, PYTHON)]
        await ports.ask("ruby")
        ((queue, text),) = [one for one in (await ports.routing.classes()).items() if one[0] != PYTHON]
        assert list(await inbox.receive(5)) == [WorkerNotice(Signal.CLASS, queue)]
        assert await ports.routing.classes(queue) == {queue: text}
        number = await ports.request()
        assert list(await inbox.receive(5)) == [WorkerNotice(Signal.REQUEST, "")]
    assert list(await ports.routing.classify()) == [PYTHON]
    assert await ports.routing.promote([PYTHON]) == 1
    assert await ports.status(number) == ("scheduled", 0)


async def test_names_of_labels_are_those_that_no_node_has_looked_for_as_a_runtime(ports: Ports) -> None:
    assert set(await ports.routing.label_names(["docker", "gpu", "zone"])) == set()
    await ports.offer({"docker": False, "python": True}, {"gpu": "", "docker": "28"})

    assert set(await ports.routing.label_names(["docker", "python", "gpu", "zone"])) == {"gpu"}


async def test_attempts_of_a_worker_are_found_and_are_lost_when_it_is(ports: Ports) -> None:
    job = await ports.offered()
    await ports.start(job)
    (held,) = await ports.routing.held(ports.workers[0])
    assert (held.execution, held.attempt, held.status, held.worker_name) == (job.execution, 1, "running", "w1")
    assert (list(await ports.routing.held(ports.workers[1])), await ports.routing.settle_lost()) == ([], 0)

    await ports.die(ports.workers[0])

    assert await ports.routing.settle_lost() == 1
    assert list(await ports.routing.held(ports.workers[0])) == []


async def test_a_lost_attempt_that_went_on_is_owned_again_unless_another_was_begun(ports: Ports) -> None:
    job = await ports.offered()
    await ports.start(job)
    assert list(await ports.attempts.resume({job.execution: 1})) == []  # nobody has taken it
    await ports.die(ports.workers[0])
    await ports.routing.settle_lost()
    await ports.routing.subscribe(ports.workers[1], [PYTHON])
    await ports.routing.tidy()
    assert (await ports.status(job.execution))[0] == "scheduled"
    assert list(await ports.attempts.resume({job.execution: 2})) == []
    assert list(await ports.attempts.print([OutputChunk(job.execution, 1, 1, "stdout", "x")])) == [job.execution]
    assert await ports.status(job.execution) == ("running", 1)
    assert await ports.queue.take([PYTHON], 1) == []

    await ports.routing.settle_lost()
    await ports.routing.tidy()
    ended = AttemptResult(job.execution, 1, "completed")
    assert list(await ports.attempts.settle([ended])) == [job.execution]
    assert await ports.status(job.execution) == ("completed", 1)
    assert list(await ports.attempts.settle([ended])) == []


async def test_what_the_last_reader_leaves_is_set_aside(ports: Ports) -> None:
    number = await ports.ask()
    await ports.routing.subscribe(ports.workers[0], [PYTHON])
    await ports.die(ports.workers[0])

    await ports.routing.tidy()

    assert (await ports.status(number))[0] == "requested"
    assert await ports.queue.take([PYTHON], 1) == []
