"""`ExecutionStore` on `ActionReader`, `ExecutionWriter`, `ExecutionReader`, `ExecutionLists`: all three of it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from attune.client.executions import HttpExecutions
from attune.composition.executions import execution_service
from attune.core.access.tokens import Scope
from attune.core.errors import AttuneError
from attune.core.executions.action import Action
from attune.core.executions.execution import Policy
from attune.core.matching.fleet import Node
from attune.core.ports.executions import ExecutionFilter, ExecutionRecord, NewExecution
from attune.core.ports.worker import AttemptResult, AttemptStart, OutputChunk
from attune.operations.executions.execute import ExecutionService
from attune.postgres.connection import open_pool
from attune.postgres.executions.routing import PostgresRouting
from attune.postgres.executions.store import PostgresExecutions
from attune.postgres.nodes.registry import PostgresNodes
from attune.postgres.rows import read_all
from attune.queue.jobs import ProcrastinateQueue
from attune.testing import MemoryActions, MemoryCipher, MemoryExecutionPages, MemoryExecutions
from web_client import serving

pytestmark = pytest.mark.anyio
SCHEMA = {
    "type": "object",
    "required": ["width"],
    "properties": {"width": {"type": "integer"}, "key": {"type": "string", "secret": True}},
}
ACT = Action("acme.act", "acme", "Act", "act.sh", runtime_ref="core.python", param_schema=SCHEMA)
OTHER = Action("acme.other", "acme", "Other", "other.sh", runtime_ref="core.python")


@dataclass
class Store:
    """What people use, and the worker's side of it."""

    store: Any
    queue: Any
    routing: Any
    attempts: Any
    worker: int

    async def run(self, ref: str = "acme.act", **keys: Any) -> ExecutionRecord:
        action = await self.store.action(ref)
        record: ExecutionRecord = await self.store.run(
            NewExecution(action, keys.pop("parameters", {"width": 3}) if ref == "acme.act" else {}, **keys)
        )
        return record

    async def start(self, record: ExecutionRecord) -> None:
        """Begin *record* on the worker."""
        queue = NewExecution(ACT).requirement.queue
        await self.routing.subscribe(self.worker, [queue])
        (job,) = await self.queue.take([queue], 1)
        started = await self.attempts.start([AttemptStart(job)], worker=self.worker, name="w1", running=1)
        assert [*started] == [record.id]


def in_memory() -> Store:
    tables = MemoryExecutions()

    async def fleet() -> Sequence[Node]:
        return []

    service = ExecutionService(MemoryActions([OTHER, ACT]), tables, MemoryExecutionPages(tables), fleet)
    return Store(service, tables, tables, tables, 1)


@pytest.fixture(params=["memory", "postgres", "http"])
async def executions(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield in_memory()
        return
    url = request.getfixturevalue("migrated_database")
    async with open_pool(url) as pool:
        async with pool.connection() as connection:
            await connection.execute("INSERT INTO pack (ref, label, version) VALUES ('acme', '', '1.0.0')")
            for action in (ACT, OTHER):
                await connection.execute(
                    "INSERT INTO action (ref, pack, pack_ref, label, description, entrypoint, runtime, param_schema)"
                    " SELECT %s, p.id, 'acme', %s, '', %s, r.id, %s FROM pack AS p, runtime AS r"
                    " WHERE p.ref = 'acme' AND r.ref = 'core.python'",
                    (action.ref, action.label, action.entrypoint, Jsonb(dict(action.param_schema))),
                )
            row = await connection.execute(
                "INSERT INTO worker (name, worker_type, worker_role, status, last_heartbeat)"
                " VALUES ('w1', 'local', 'action', 'active', now()) RETURNING id"
            )
            ((worker,),) = await row.fetchall()

        async def rows(*arguments: Any) -> Any:
            return await read_all(pool, dict, *arguments)

        service = execution_service(pool, PostgresNodes(pool), MemoryCipher())
        store = Store(service, ProcrastinateQueue(rows), PostgresRouting(pool), PostgresExecutions(pool), worker)
        if request.param == "postgres":
            yield store
            return
        async with serving(url) as api, api.wire(api.tokens[Scope.OPERATE]) as wire:
            yield replace(store, store=HttpExecutions(wire))


async def test_actions_are_listed_by_ref_and_the_nearest_is_named(executions: Store) -> None:
    assert [one.ref for one in await executions.store.actions()] == ["acme.act", "acme.other"]
    assert [one.ref for one in await executions.store.actions("acme")] == ["acme.act", "acme.other"]
    assert list(await executions.store.actions("other")) == []
    with pytest.raises(AttuneError, match=r"expected one that exists, got 'acme\.actt'") as caught:
        await executions.store.action("acme.actt")
    assert "acme.act" in str(caught.value.hint)


async def test_what_is_run_is_recorded_with_what_it_needs_and_without_its_secrets(executions: Store) -> None:
    made = await executions.run(parameters={"width": 3, "key": "s3cret"})

    assert (made.action_ref, made.status, made.policy) == ("acme.act", "requested", "wait")
    assert (made.requirement, made.pack_digest) == ("core.python", None)
    assert made.parameters == {"width": 3, "key": "***"}
    assert (await executions.store.get(made.id)).created == made.created
    assert (await executions.store.explanation(made))["text"]


async def test_what_waits_says_when_and_where_such_work_was_last_begun(executions: Store) -> None:
    first = await executions.run()
    before = await executions.store.explanation(first)
    await executions.start(first)
    await executions.attempts.settle([AttemptResult(first.id, 1, "completed")])
    await executions.routing.subscribe(executions.worker, [])
    waiting, other = await executions.run(), await executions.run("acme.other", extra=("gpu",))
    after = await executions.store.explanation(waiting)

    assert before["explanation"]["history"] is None
    assert re.fullmatch(r"last placeable \d+s ago, on w1", after["explanation"]["history"])
    assert after["text"].splitlines()[-1].startswith("history   last placeable")
    assert (await executions.store.explanation(other))["explanation"]["history"] is None


async def test_what_starts_later_waits_for_its_time(executions: Store) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    at, after = await executions.run(not_before=later), await executions.run(delay_seconds=3600.0)
    await executions.routing.subscribe(executions.worker, [NewExecution(ACT).requirement.queue])

    assert (at.status, at.not_before, after.status) == ("scheduling", later, "scheduling")
    assert await executions.routing.tidy() == 0
    assert (await executions.store.cancel(at.id)).status == "cancelled"


async def test_many_are_cancelled_once_it_is_known_which(executions: Store) -> None:
    running = await executions.run()
    await executions.start(running)
    waiting = [await executions.run(priority=1) for _ in range(12)]
    other = await executions.run("acme.other")
    wanted = ExecutionFilter("scheduled", "acme.act", limit=10)

    preview = await executions.store.cancel_all(wanted, preview=True)
    assert (preview.count, [one.id for one in preview.executions]) == (12, [one.id for one in waiting[:1:-1]])
    assert {one.status for one in await executions.store.list(ExecutionFilter(limit=50))} == {"running", "scheduled"}
    assert (await executions.store.cancel_all(replace(wanted, older_than=3600.0), preview=False)).count == 0
    assert (await executions.store.cancel_all(wanted, preview=False)).count == 12
    assert (await executions.store.get(waiting[0].id)).reason == "cancelled by an operator"
    assert (await executions.store.get(other.id)).status == "scheduled"
    assert (await executions.store.cancel_all(ExecutionFilter(worker_name="w1"), preview=False)).count == 1
    assert (await executions.store.get(running.id)).status == "canceling"
    assert (await executions.store.cancel_all(ExecutionFilter(action_ref="acme.act"), preview=True)).count == 1
    with pytest.raises(AttuneError, match="expected which executions to cancel: an action, a status"):
        await executions.store.cancel_all(ExecutionFilter(limit=10), preview=False)
    with pytest.raises(AttuneError, match="status: expected one that is not final, got completed"):
        await executions.store.cancel_all(ExecutionFilter("completed"), preview=True)


@pytest.mark.parametrize("ref", ["acme.act", None])
async def test_what_is_paused_does_not_begin_until_it_is_resumed(executions: Store, ref: str | None) -> None:
    queue = NewExecution(ACT).requirement.queue
    first = await executions.run()
    await executions.routing.subscribe(executions.worker, [queue])
    (job,) = await executions.queue.take([queue], 1)
    assert await executions.store.set_paused(ref, "ada") is True
    assert await executions.store.set_paused(ref, "eve") is False
    (pause,) = await executions.store.pauses()
    assert pause.action_ref == ref

    begun = await executions.attempts.start([AttemptStart(job)], worker=executions.worker, name="w1", running=1)
    await executions.run()
    await executions.routing.promote([queue])
    assert begun == {}
    assert await executions.queue.take([queue], 9) == []

    assert await executions.store.set_paused(ref, None) is True
    assert await executions.store.set_paused(ref, None) is False
    assert list(await executions.store.pauses()) == []
    await executions.routing.promote([queue])
    assert len(await executions.queue.take([queue], 9)) == 2
    with pytest.raises(AttuneError, match="acct"):
        await executions.store.set_paused("acme.acct", "ada")
    assert (await executions.store.get(first.id)).held_back is None


async def test_parameters_that_do_not_fit_and_unknown_numbers_are_refused(executions: Store) -> None:
    with pytest.raises(AttuneError, match="width"):
        await executions.run(parameters={"width": "wide"})
    assert list(await executions.store.list(ExecutionFilter())) == []
    with pytest.raises(AttuneError, match=str(10**6)):
        await executions.store.get(10**6)
    with pytest.raises(AttuneError, match=str(10**6)):
        await executions.store.cancel(10**6)


async def test_what_no_node_can_take_ends_at_once_where_it_is_not_to_wait(executions: Store) -> None:
    made = await executions.run(policy=Policy.CANCEL, extra=("cobol",))

    assert (made.status, made.is_final) == ("cancelled", True)
    assert str(made.reason).startswith("no node can take it, which needs ")


async def test_lists_are_filtered_and_read_in_pages_newest_first(executions: Store) -> None:
    first, other, last = await executions.run(), await executions.run("acme.other"), await executions.run()
    await executions.store.cancel(other.id)

    async def numbers(**keys: Any) -> list[int]:
        return [one.id for one in await executions.store.list(ExecutionFilter(**keys))]

    assert await numbers() == [last.id, other.id, first.id]
    assert await numbers(limit=2) == [last.id, other.id]
    if not isinstance(executions.store, HttpExecutions):  # the API reads pages by its own cursor
        assert await numbers(before=other.id) == [first.id]
    assert await numbers(action_ref="acme.other") == await numbers(status="cancelled") == [other.id]


async def test_only_what_has_ended_is_run_once_more_and_only_what_has_not_is_cancelled(executions: Store) -> None:
    made = await executions.run(parameters={"width": 3, "key": "s3cret"})
    with pytest.raises(AttuneError, match="expected one that has ended, got requested"):
        await executions.store.retry(made.id)
    assert (await executions.store.cancel(made.id)).status == "cancelled"
    with pytest.raises(AttuneError, match="expected one that has not ended, got cancelled"):
        await executions.store.cancel(made.id)

    again = await executions.store.retry(made.id)
    assert (again.retry_of, again.status, again.parameters) == (made.id, "requested", made.parameters)
    assert again.id > made.id


async def test_what_a_worker_writes_is_read(executions: Store) -> None:
    made = await executions.run()
    await executions.start(made)
    assert [one.id for one in await executions.store.list(ExecutionFilter(worker_name="w1"))] == [made.id]
    chunks = [OutputChunk(made.id, 1, number, "stdout", f"line {number}\n") for number in (1, 2)]
    await executions.attempts.print(chunks)
    output = await executions.store.output(made.id)
    await executions.attempts.print([OutputChunk(made.id, 1, 3, "stderr", "line 3\n")])
    await executions.attempts.settle([AttemptResult(made.id, 1, "completed", result={"a": 1})])

    record = await executions.store.get(made.id)
    assert (record.status, record.result, record.attempt, record.succeeded) == ("completed", {"a": 1}, 1, True)
    assert record.worker_name == "w1"
    assert [(one.number, one.stream, one.text) for one in output] == [
        (1, "stdout", "line 1\n"),
        (2, "stdout", "line 2\n"),
    ]
    assert [one.number for one in await executions.store.output(made.id, (1, 2))] == [3]


async def test_everything_that_happens_to_an_execution_is_in_its_timeline(executions: Store) -> None:
    made = await executions.run()
    await executions.start(made)
    lost = AttemptResult(made.id, 1, "scheduling", reason="worker w1 was lost while it ran", lost=True)
    await executions.attempts.settle([lost])
    waits = await executions.store.get(made.id)
    await executions.store.cancel(made.id)

    assert (waits.started_at, waits.ran, waits.attempts) == (None, None, "1, lost 1 time")
    record = await executions.store.get(made.id)
    assert [(one.number, one.status, one.attempt, one.worker, one.reason) for one in record.timeline] == [
        (1, "requested", 0, None, None),
        (2, "requested", 0, None, None),
        (3, "scheduled", 0, None, None),
        (4, "running", 1, "w1", None),
        (5, "scheduling", 1, "w1", "worker w1 was lost while it ran"),
        (6, "cancelled", 1, "w1", "cancelled by an operator"),
    ]
    assert [text for _, text in record.history][1:4] == [
        "waits for a worker with core.python",
        "offered to workers that can run it",
        "started on w1",
    ]
    times = [one.at for one in record.timeline]
    assert times == sorted(times) and times[0] == record.created
    (listed,) = await executions.store.list(ExecutionFilter())
    assert listed.timeline == ()
