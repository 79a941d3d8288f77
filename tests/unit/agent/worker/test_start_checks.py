"""When an interpreter is started to see whether it still does, and which failures one check answers."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from attune.agent.worker import start_checks
from attune.agent.worker.start_checks import StartChecks
from attune.core.runtimes.command import Ending, Outcome
from attune.core.runtimes.definition import Definition
from attune.operations.runtimes.examine import Examiner
from attune.testing import FakeHost, printed
from factories import make_definition

pytestmark = pytest.mark.anyio

PATH = "/opt/python3"
PYTHON = make_definition(smoke={"args": ["-c", "print", "{nonce}"]})


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Checked:
    """An interpreter that prints what it is told to, and what was said of it."""

    def __init__(self, definition: Definition | None = PYTHON, *, own: bool = True) -> None:
        self.host = FakeHost({PATH: self._answer})
        self.starts = True
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.broken: list[str] = []
        found = lambda one: self.broken.append(one.ref)  # noqa: E731
        self.checks = StartChecks(Examiner(self.host, self.host), lambda ref: definition and (definition, own), found)

    def _answer(self, argv: tuple[str, ...]) -> Outcome:
        starts = self.starts
        assert self.goes_on.wait(100)
        time.sleep(0.01)
        return printed(argv[-1]) if starts else printed("no module named encodings", exit_code=1)

    async def problem(self, seconds: float = 0.0, given_back: int = 0) -> str | None:
        return await self.checks.problem("core.python", PATH, seconds, given_back)


async def test_an_interpreter_that_does_not_start_is_told_with_the_reason() -> None:
    checked = Checked()
    assert await checked.problem() is None
    checked.starts = False
    problem = await checked.problem()
    assert problem is not None
    assert "could not be started for real: expected exit code 0, got 1: 'no module named encodings'" in problem
    assert checked.broken == ["core.python"]


async def test_failures_at_the_same_time_share_a_check_that_began_after_all_of_them() -> None:
    checked = Checked()
    checked.starts = False
    checked.goes_on.clear()
    waiting = [asyncio.create_task(checked.problem()) for _ in range(5)]
    await asyncio.sleep(0.05)
    late = [asyncio.create_task(checked.problem()) for _ in range(5)]  # while the first check runs
    await asyncio.sleep(0.05)
    assert len(checked.host.ran) == 1
    checked.goes_on.set()

    assert all(await asyncio.gather(*waiting, *late))
    assert len(checked.host.ran) == 2


async def test_one_that_passed_answers_all_work_that_began_before_it() -> None:
    checked = Checked()
    before = time.monotonic()
    assert await checked.problem() is None
    checked.starts = False
    assert await checked.problem(time.monotonic() - before + 1) is None
    assert len(checked.host.ran) == 1
    assert await checked.problem() is not None


async def test_a_stream_of_failures_pays_for_few_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start_checks, "_LONGEST", 0.2)
    monkeypatch.setattr(start_checks, "_PART", 1000)
    checked = Checked()
    ends = time.monotonic() + 1
    count = 0
    while time.monotonic() < ends:
        await asyncio.gather(*(checked.problem() for _ in range(4)))
        count += 4
    assert len(checked.host.ran) <= 6
    assert count == 4 * len(checked.host.ran)


async def test_work_that_is_ended_meanwhile_leaves_the_check_to_the_others() -> None:
    checked = Checked()
    checked.starts = False
    checked.goes_on.clear()
    first, second = (asyncio.create_task(checked.problem()) for _ in range(2))
    await asyncio.sleep(0.05)
    first.cancel()
    await asyncio.sleep(0.05)
    checked.goes_on.set()

    assert await second is not None
    assert first.cancelled()
    assert len(checked.host.ran) == 1


@pytest.mark.parametrize(("own", "most"), [(False, 2), (True, 100)])
async def test_a_check_that_is_not_the_definitions_own_gives_work_back_twice_at_most(own: bool, most: int) -> None:
    checked = Checked(own=own)
    checked.starts = False
    assert await checked.problem(given_back=most - 1) is not None
    assert (await checked.problem(given_back=most) is None) != own


@pytest.mark.parametrize("definition", [None, make_definition()])
async def test_without_a_smoke_check_nothing_is_run(definition: Definition | None) -> None:
    checked = Checked(definition)
    assert await checked.problem() is None
    assert checked.host.ran == []


async def test_what_cannot_be_decided_says_nothing_of_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    checked = Checked()
    checked.host.commands[PATH] = Outcome(Ending.TIMED_OUT, detail="no answer within 10 s")
    assert await checked.problem() is None

    def fails(*_: object) -> None:
        raise OSError("too many open files")

    monkeypatch.setattr(checked.host, "run", fails)
    assert await checked.problem() is None
    assert checked.broken == []
