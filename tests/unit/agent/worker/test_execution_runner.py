"""The whole loop of a worker on fakes: what it takes, runs, gives back, retries, and leaves behind."""

from __future__ import annotations

import asyncio
import errno
import sys
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Any
from unittest.mock import AsyncMock

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from attune.agent.secrets import SecretResolver
from attune.agent.worker import classes, executions, suspect_runtimes
from attune.agent.worker.executions import ExecutionRunner
from attune.core.errors import DatabaseError, PlaceError
from attune.core.executions import execution
from attune.core.executions.action import Action, OnLost
from attune.core.executions.work import WorkEnding, WorkOutcome
from attune.core.matching.fleet import Capability, CapabilityInstance, Node, by_name
from attune.core.ports.executions import NewExecution
from attune.testing import FakeRunner, MemoryExecutions, MemoryPackFolders, MemorySecrets

pytestmark = pytest.mark.anyio

REF = "core.python"
ACTION = Action("acme.act", "acme", "", "/opt/act.py", runtime="python", runtime_ref=REF, retry_delay_seconds=0.0)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executions, "_TIDY_SECONDS", 0.01)
    monkeypatch.setattr(executions, "_RECOVER_SECONDS", 0.02)
    monkeypatch.setattr(executions, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(executions, "_LAST_SECONDS", 0.3)
    monkeypatch.setattr(executions, "_RETRY", replace(executions._RETRY, first=0.01, slowest=0.05))


class Worker:
    """A worker with Python, its store, and what it said of its runtimes."""

    def __init__(
        self,
        *,
        max_concurrent: int | None = 4,
        python: str = sys.executable,
        number: int = 1,
        labels: Mapping[str, str] = MappingProxyType({}),
        store: MemoryExecutions | None = None,
    ) -> None:
        python_there = Capability("python", instances=(CapabilityInstance("3.11.7", python),), ref="core.python")
        offer = by_name([python_there])
        self.node: Node | None = Node(number, f"w{number}", offer, labels, max_concurrent=max_concurrent)
        self.store = store or MemoryExecutions()
        self.runner = FakeRunner()
        self.secrets = MemorySecrets()
        self.suspected: list[str] = []
        self.unfit_for: list[str] = []
        self.looked_at: list[str] = []
        self.does_not_start: str | None = None
        self.most_given_back = 1000
        self.failing: list[str] | None = None  # what has changed and fails since it was verified
        self.work = ExecutionRunner(
            lambda: self.node,
            queue=self.store,
            routing=self.store,
            attempts=self.store,
            runner=self.runner,
            packs=MemoryPackFolders("abc"),
            secrets=SecretResolver(self.secrets, self.secrets.cipher),
            suspect=self.suspected.append,
            unfit=self.unfit,
            recheck=self.recheck,
            broken=self.broken,
            default_timeout=7.0,
        )
        self.stop = asyncio.Event()

    def unfit(self, reason: str) -> None:
        self.unfit_for.append(reason)
        self.node = None

    async def recheck(self, refs: Collection[str]) -> Collection[str] | None:
        return self.failing

    async def broken(self, ref: str, interpreter: str, ran_seconds: float, given_back: int) -> str | None:
        self.looked_at.append(interpreter)
        return None if given_back >= self.most_given_back else self.does_not_start

    async def ask(self, action: Action = ACTION, count: int = 1, **given: Any) -> list[int]:
        return await self.store.submit([NewExecution(action, given) for _ in range(count)])

    def statuses(self) -> list[str]:
        return [row.status for row in self.store.rows.values()]

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        keeping = asyncio.create_task(self.work.keep(self.stop))
        try:
            yield
        finally:
            self.stop.set()
            self.runner.goes_on.set()
            await asyncio.gather(keeping)
            await self.work.close()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(100):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


async def test_what_is_asked_for_is_taken_run_and_stored() -> None:
    worker = Worker()
    worker.runner.outcome = WorkOutcome(WorkEnding.EXITED, exit_code=0, result={"ok": True})
    worker.runner.prints = [("stdout", "one\n"), ("stderr", "two\n")]
    async with worker.at_work():
        before = await worker.ask(name="early")
        await until(lambda: worker.statuses() == ["completed"])
        (number,) = await worker.ask(replace(ACTION, pack_digest="abc", entrypoint="act.py"), name="late")
        await until(lambda: worker.statuses() == ["completed"] * 2)

    assert (before, worker.store.rows[number].result) == ([1], {"ok": True})
    assert [(chunk.number, chunk.stream, chunk.text) for chunk in worker.store.printed.values()] == [
        (1, "stdout", "one\n"),
        (2, "stderr", "two\n"),
    ] * 2
    first, second = worker.runner.ran
    assert (first.interpreter, first.parameters, first.timeout_seconds) == (sys.executable, {"name": "early"}, 7.0)
    assert first.entrypoint == PurePath("/opt/act.py")
    assert first.environment["ATTUNE_RUNTIME_PYTHON"] == sys.executable
    assert second.entrypoint == PurePath("/packs/abc/actions/act.py")
    assert (second.environment["ATTUNE_EXECUTION"], second.environment["ATTUNE_ATTEMPT"]) == (str(number), "1")
    assert second.environment["ATTUNE_PACK_FOLDER"] == "/packs/abc"


async def test_lines_about_an_execution_carry_its_number_and_its_action() -> None:
    worker = Worker()
    with capture_logs(processors=[merge_contextvars]) as lines:
        async with worker.at_work():
            await worker.ask()
            await until(lambda: worker.statuses() == ["completed"])

    (line,) = [line for line in lines if "completed after" in line["event"]]
    assert (line["execution"], line["action"]) == (1, "acme.act")


CHOOSY = replace(ACTION, prefers=("zone=eu *3", "gpu"))


@pytest.mark.parametrize(
    ("labels", "seconds"),
    [({"zone": "eu", "gpu": "true"}, 0), ({"zone": "eu"}, 0.25), ({"gpu": "true"}, 0.75), ({}, 1.0)],
)
async def test_a_worker_leaves_work_to_others_by_how_much_they_are_preferred(
    labels: Mapping[str, str], seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classes, "_PREFERRED_SECONDS", 1.0)
    worker = Worker(labels=labels)
    await worker.ask()
    await worker.ask(CHOOSY)
    known = classes.Classes(worker.store)
    await known.learn()

    assert len(known.satisfied_by(worker.node)) == 2
    assert list(known.waits.values()) == ([seconds] if seconds else [])
    assert known.satisfied_by(None) == frozenset()
    assert known.waits == {}


async def test_a_preferred_worker_that_is_free_gets_the_work_and_else_anybody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classes, "_PREFERRED_SECONDS", 60.0)
    other = Worker(number=1)
    preferred = Worker(number=2, labels={"zone": "eu", "gpu": "true"}, store=other.store)
    async with other.at_work(), preferred.at_work():
        await until(lambda: len(other.store._inboxes) == 2)
        await other.ask(CHOOSY, count=20)
        await until(lambda: other.statuses() == ["completed"] * 20)
        assert {row.worker_name for row in other.store.rows.values()} == {"w2"}
        await other.ask(count=1)
        await until(lambda: other.statuses() == ["completed"] * 21)

    monkeypatch.setattr(classes, "_PREFERRED_SECONDS", 0.05)
    alone = Worker(number=3)
    async with alone.at_work():
        await alone.ask(CHOOSY, count=6)
        await until(lambda: alone.statuses() == ["completed"] * 6)


async def test_what_was_requested_without_a_class_is_classified_and_run() -> None:
    worker = Worker()
    async with worker.at_work():
        worker.store.request(ACTION)
        await until(lambda: worker.statuses() == ["completed"])


@pytest.mark.parametrize(("limit", "expected"), [(0, 0), (1, 1), (3, 3), (None, 6)])
async def test_no_more_run_at_once_than_the_node_allows_and_none_where_it_allows_none(
    limit: int | None, expected: int
) -> None:
    worker = Worker(max_concurrent=limit)
    worker.runner.goes_on.clear()
    async with worker.at_work():
        await worker.ask(count=6)
        await until(lambda: len(worker.runner.ran) >= expected)
        await asyncio.sleep(0.05)
        assert len(worker.runner.ran) == expected
        if expected:
            worker.runner.goes_on.set()
            await until(lambda: worker.statuses() == ["completed"] * 6)


async def test_a_node_that_allows_nothing_any_more_takes_nothing_from_queues_that_it_still_reads() -> None:
    worker = Worker(max_concurrent=1)
    async with worker.at_work():
        await worker.ask()
        await until(lambda: worker.statuses() == ["completed"])
        object.__setattr__(worker.node, "max_concurrent", 0)  # the same node, so its classes are not looked at again
        for _ in range(100):  # what had begun to take while one was allowed has taken nothing by then
            await asyncio.sleep(0.001)
        await worker.ask()
        await until(lambda: worker.statuses() == ["completed", "scheduled"])
        await asyncio.sleep(0.1)
        assert worker.statuses() == ["completed", "scheduled"]
        assert len(await worker.store.filled([row.queue or "" for row in worker.store.rows.values()])) == 1
        assert (worker.suspected, len(worker.runner.ran)) == ([], 1)


async def test_work_that_the_node_does_not_satisfy_is_left_alone() -> None:
    worker = Worker()
    async with worker.at_work():
        await worker.ask(replace(ACTION, requires=("ruby",)))
        await worker.ask()
        await until(lambda: worker.statuses() == ["requested", "completed"])


async def test_work_that_excludes_what_this_node_has_not_looked_for_waits_unless_it_is_a_label() -> None:
    worker = Worker()
    async with worker.at_work():
        await worker.ask(replace(ACTION, requires=("!docker",)))
        await worker.ask()
        await until(lambda: worker.statuses() == ["requested", "completed"])
        worker.store.labels.add("docker")
        await until(lambda: worker.statuses() == ["completed", "completed"])


async def test_work_whose_interpreter_is_gone_is_given_back_and_its_runtime_suspected(tmp_path: Path) -> None:
    python = tmp_path / "python"
    worker = Worker(python=str(python))
    async with worker.at_work():
        await worker.ask()
        await until(lambda: worker.suspected)
        await until(lambda: worker.statuses() == ["requested"])
        assert worker.suspected == ["core.python"]
        reason = "given back by worker w1: the interpreter of python is not there"
        assert worker.store.rows[1].reason == reason
        assert (worker.store.rows[1].attempt, worker.runner.ran) == (0, [])


async def test_what_has_changed_since_it_was_verified_and_fails_runs_nothing_and_is_not_offered() -> None:
    worker = Worker()
    worker.failing = ["core.python"]
    async with worker.at_work():
        await worker.ask()
        await until(lambda: worker.suspected == [REF])
        await until(lambda: worker.statuses() == ["requested"])
        why = "the interpreter of python has changed since it was verified, and fails now"
        assert worker.store.rows[1].reason == f"given back by worker w1: {why}"
        assert (worker.store.rows[1].attempt, worker.runner.ran) == (0, [])


async def test_what_has_changed_and_is_verified_again_is_used_as_it_is_now(tmp_path: Path) -> None:
    worker = Worker()
    newer = tmp_path / "newer"
    newer.symlink_to(sys.executable)

    async def recheck(refs: Collection[str]) -> Collection[str]:
        instances = (CapabilityInstance("3.12.0", str(newer)),)
        worker.node = replace(worker.node, capabilities=by_name([Capability("python", instances=instances, ref=REF)]))
        return []

    worker.work.recheck = recheck
    async with worker.at_work():
        await worker.ask()
        await until(lambda: worker.statuses() == ["completed"])

    assert [ran.interpreter for ran in worker.runner.ran] == [str(newer)]


async def test_an_action_never_runs_in_another_runtime_of_that_name(tmp_path: Path) -> None:
    worker = Worker()
    theirs = (CapabilityInstance("3.14.0", str(tmp_path)),)
    worker.node = replace(
        worker.node,
        capabilities=worker.node.capabilities | by_name([Capability("python", instances=theirs, ref="x.y")]),
    )
    async with worker.at_work():
        await worker.ask(replace(ACTION, requires=("python >=3",)))
        await worker.ask(replace(ACTION, runtime_ref="other.python"))
        await until(lambda: worker.statuses() == ["completed", "requested"])

    (ran,) = worker.runner.ran
    assert (ran.interpreter, ran.environment["ATTUNE_RUNTIME_PYTHON"]) == (sys.executable, sys.executable)


async def test_a_suspected_runtime_is_offered_again_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suspect_runtimes, "_SUSPECT_SECONDS", 0.1)
    python = tmp_path / "python"
    worker = Worker(python=str(python))
    async with worker.at_work():
        await worker.ask()
        await until(lambda: worker.suspected)
        python.symlink_to(sys.executable)
        await until(lambda: worker.statuses() == ["completed"])


async def test_what_fails_is_tried_again_as_often_as_its_action_says() -> None:
    worker = Worker()
    worker.runner.outcome = WorkOutcome(WorkEnding.EXITED, exit_code=3, reason="ended with exit code 3")
    async with worker.at_work():
        await worker.ask(replace(ACTION, retries=2))
        await until(lambda: worker.statuses() == ["failed"])

    row = worker.store.rows[1]
    assert (row.attempt, row.failures, row.reason) == (3, 3, "ended with exit code 3")


@pytest.mark.parametrize("digest", [None, "gone"])
async def test_what_this_node_cannot_start_is_given_back_and_fails_after_six_nodes(
    digest: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attune.core.executions.execution._GIVEN_BACK_SECONDS", 0.0)
    worker = Worker()
    if digest is None:
        worker.runner.outcome = ValueError("inner detail")
    async with worker.at_work():
        await worker.ask(replace(ACTION, pack_digest=digest))
        await until(lambda: worker.statuses() == ["failed"])

    row = worker.store.rows[1]
    assert (row.attempt, row.not_started, row.losses) == (6, 6, 0)
    assert row.reason == (
        "worker w1 failed to run it, and its log says why"
        if digest is None
        else "pack version gone: expected one that the database has, got none"
    )
    assert set(worker.suspected) == {REF}


async def test_a_cancel_ends_what_runs() -> None:
    worker = Worker()
    worker.runner.goes_on.clear()
    async with worker.at_work():
        (number,) = await worker.ask(replace(ACTION, retries=5))
        await until(lambda: worker.runner.ran)
        await worker.store.cancel([number])
        await until(lambda: worker.statuses() == ["cancelled"])

    assert len(worker.runner.ran) == 1


async def test_what_another_node_has_got_meanwhile_is_ended_and_its_result_dropped() -> None:
    worker = Worker()
    worker.runner.goes_on.clear()
    worker.runner.prints = [("stdout", "late")]
    async with worker.at_work():
        await worker.ask()
        row = None
        await until(lambda: worker.runner.ran)
        row = worker.store.rows[1]
        row.attempt, row.worker, row.worker_name = 2, 2, "w2"
        await until(lambda: not worker.work._runs.known)
        assert (row.status, row.attempt, row.result) == ("running", 2, None)


async def test_an_outage_costs_nothing_that_runs() -> None:
    worker = Worker()
    worker.runner.goes_on.clear()
    async with worker.at_work():
        await worker.ask()
        await until(lambda: worker.runner.ran)
        worker.store.away = True
        worker.runner.goes_on.set()
        await asyncio.sleep(0.1)
        assert worker.statuses() == ["running"]
        worker.store.away = False
        await until(lambda: worker.statuses() == ["completed"])
        await worker.ask()
        await until(lambda: worker.statuses() == ["completed"] * 2)

    assert worker.store.rows[1].attempt == 1


async def test_attempts_that_this_node_does_not_know_of_and_those_of_dead_nodes_are_settled() -> None:
    worker = Worker()
    for number, owner, on_lost in ((1, 1, OnLost.RETRY), (2, 2, OnLost.ABANDON), (3, 3, OnLost.RETRY)):
        await worker.ask(replace(ACTION, on_lost=on_lost))
        row = worker.store.rows[number]
        row.status, row.attempt, row.worker, row.worker_name = "running", 1, owner, f"w{owner}"
    worker.store.dead.add(2)
    async with worker.at_work():
        await until(lambda: worker.statuses() == ["completed", "abandoned", "running"])

    assert worker.store.rows[1].attempt == 2
    assert worker.store.rows[2].reason == "worker w2 was lost while it ran"


async def test_what_was_begun_without_this_node_being_told_is_no_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    worker, failures = Worker(), iter([DatabaseError("the connection was cut")])
    start = worker.store.start

    async def unanswered(*args: Any, **options: Any) -> Any:
        started = await start(*args, **options)
        for failure in failures:
            raise failure
        return started

    monkeypatch.setattr(worker.store, "start", unanswered)
    async with worker.at_work():
        await worker.ask(replace(ACTION, on_lost=OnLost.ABANDON))
        await until(lambda: worker.statuses() == ["completed"])

    row = worker.store.rows[1]
    assert (row.attempt, row.losses, len(worker.runner.ran)) == (2, 0, 1)
    why = "given back by worker w1: the database did not answer when it was to begin"
    assert why in [entry.reason for entry in row.timeline]


async def test_a_node_that_drains_finishes_what_runs_and_takes_nothing_new() -> None:
    worker = Worker()
    worker.runner.goes_on.clear()
    async with worker.at_work():
        await worker.ask()
        await until(lambda: worker.runner.ran)
        worker.stop.set()
        finishing = asyncio.create_task(worker.work.finish())
        await asyncio.sleep(0.05)
        assert not finishing.done()
        await worker.ask()
        worker.runner.goes_on.set()
        await finishing
        assert worker.statuses()[0] == "completed"
        assert (worker.statuses()[1], len(worker.runner.ran)) == ("requested", 1)


async def test_a_node_that_is_closed_gives_up_what_runs_for_others_to_try_again() -> None:
    worker = Worker()
    worker.runner.goes_on.clear()
    async with worker.at_work():
        await worker.ask()
        await worker.ask(replace(ACTION, on_lost=OnLost.ABANDON))
        await until(lambda: len(worker.runner.ran) == 2)
        worker.stop.set()
        await worker.work.close()

    assert worker.statuses() == ["scheduling", "abandoned"]
    assert worker.store.rows[1].losses == 1
    assert worker.store.rows[2].reason == "worker w1 was stopped while it ran"


async def test_a_node_can_be_closed_while_the_database_is_away() -> None:
    worker = Worker()
    worker.runner.goes_on.clear()
    async with worker.at_work():
        await worker.ask()
        await until(lambda: worker.runner.ran)
        worker.store.away = True
        worker.stop.set()
        async with asyncio.timeout(100):
            await worker.work.close()

    assert worker.statuses() == ["running"]


KEEPS = replace(ACTION, param_schema={"properties": {"key": {"type": "string", "secret": True}}}, retries=3)


async def test_a_named_secret_is_given_to_the_work_that_refers_to_it() -> None:
    worker = Worker()
    await worker.secrets.set_secret("db", "correct horse", changed_by="ann")
    async with worker.at_work():
        await worker.ask(KEEPS, key="hunter22", name="secret:db", other="secret: none")
        await until(lambda: worker.statuses() == ["completed"])

    (work,) = worker.runner.ran
    assert work.parameters == {"key": "hunter22", "name": "correct horse", "other": "secret: none"}
    assert work.secrets == {"key", "name"}
    assert sorted(work.masked) == ["correct horse", "hunter22"]


async def test_an_execution_whose_secret_does_not_exist_fails_once() -> None:
    worker = Worker()
    async with worker.at_work():
        (number,) = await worker.ask(KEEPS, key="secret:gone")
        await until(lambda: worker.statuses() == ["failed"])

    row = worker.store.rows[number]
    assert (row.reason, row.attempt, worker.suspected) == ("parameters.key: secret gone does not exist", 1, [])


async def test_a_node_without_the_key_gives_the_work_back_as_often_as_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "_NO_KEY_SECONDS", 0.0)
    worker = Worker()
    await worker.secrets.set_secret("db", "correct horse", changed_by="ann")
    worker.secrets.cipher.lost = True
    async with worker.at_work():
        (number,) = await worker.ask(KEEPS, key="secret:db")
        await until(lambda: worker.store.rows[number].attempt > 7)
        row = worker.store.rows[number]
        assert (row.losses, row.failures, worker.suspected) == (0, 0, [])
        worker.secrets.cipher.lost = False
        await until(lambda: worker.statuses() == ["completed"])


async def test_work_for_which_there_is_no_place_goes_back_unharmed_and_nothing_more_is_taken() -> None:
    worker = Worker(max_concurrent=2)
    worker.runner.outcome = WorkOutcome(WorkEnding.NO_PLACE, reason="nothing can be run: /run: no space left on device")
    async with worker.at_work():
        await worker.ask(count=20)
        await until(lambda: worker.unfit_for and "running" not in worker.statuses())

    rows = list(worker.store.rows.values())
    assert len(worker.runner.ran) <= 2
    assert {(row.failures, row.losses) for row in rows} == {(0, 0)}
    assert {row.status for row in rows} <= {"scheduling", "scheduled", "requested"}
    assert worker.suspected == []


@pytest.mark.parametrize("on_lost", list(OnLost))
async def test_work_that_a_broken_interpreter_failed_goes_back_unharmed_and_its_runtime_is_not_used(
    on_lost: OnLost,
) -> None:
    worker = Worker(max_concurrent=2)
    worker.runner.outcome = WorkOutcome(WorkEnding.EXITED, exit_code=1, reason="ended with exit code 1")
    worker.does_not_start = "python3 3.11.7: could not be started for real"
    async with worker.at_work():
        await worker.ask(replace(ACTION, on_lost=on_lost), count=20)
        await until(lambda: worker.looked_at and "running" not in worker.statuses())
        await asyncio.sleep(0.05)

    rows = list(worker.store.rows.values())
    assert len(worker.runner.ran) <= 2
    assert {(row.failures, row.losses) for row in rows} == {(0, 0)}
    assert {row.status for row in rows} <= {"scheduling", "scheduled", "requested"}
    assert "given back by worker w1: python3 3.11.7: could not be started for real" in {row.reason for row in rows}


async def test_work_that_was_given_back_often_enough_fails_by_what_it_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suspect_runtimes, "_SUSPECT_SECONDS", 0.2)
    worker = Worker()
    worker.runner.outcome = WorkOutcome(WorkEnding.EXITED, exit_code=1, reason="ended with exit code 1")
    worker.does_not_start, worker.most_given_back = "its wrapper takes no arguments", 2
    async with worker.at_work():
        (number,) = await worker.ask()
        await until(lambda: worker.statuses() == ["failed"])
    row = worker.store.rows[number]
    assert (row.attempt, row.losses, row.reason) == (3, 0, "ended with exit code 1")


@pytest.mark.parametrize(
    ("ending", "code", "status", "looked_at"),
    [
        (WorkEnding.EXITED, 1, "failed", 1),
        (WorkEnding.SIGNALED, None, "failed", 1),
        (WorkEnding.EXITED, 0, "completed", 0),
        (WorkEnding.TIMED_OUT, None, "timeout", 0),
    ],
)
async def test_an_interpreter_is_looked_at_where_what_it_ran_ended_badly_by_itself(
    ending: WorkEnding, code: int | None, status: str, looked_at: int
) -> None:
    worker = Worker()
    worker.runner.outcome = WorkOutcome(ending, exit_code=code, reason="it ended")
    async with worker.at_work():
        await worker.ask()
        await until(lambda: worker.statuses() == [status])
    assert worker.looked_at == [sys.executable] * looked_at


async def test_pack_files_that_cannot_be_written_are_a_fault_of_the_place() -> None:
    for error in (PlaceError("no space"), OSError(errno.EROFS, "", "/packs/abc")):
        worker = Worker()
        worker.work._runs.packs.folder = AsyncMock(side_effect=error)  # type: ignore[method-assign]
        async with worker.at_work():
            await worker.ask(replace(ACTION, pack_digest="abc"))
            await until(lambda: worker.unfit_for)  # noqa: B023 - awaited within the round

        assert "OSError" not in worker.unfit_for[0]
