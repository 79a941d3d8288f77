"""`WorkRunner`: one suite for the fake, which starts nothing, and this host."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from attune.core.executions.work import Work, WorkEnding, WorkOutcome
from attune.host.contract.execution_contract import default_contract
from attune.host.executions.runner import HostWorkRunner
from attune.testing import FakeRunner

pytestmark = pytest.mark.anyio


@dataclass
class Runs:
    """A runner of shell scripts, and what they print. *meant* says what the fake is to do instead."""

    runner_for: Callable[[str, FakeRunner], Any]
    folder: Path
    printed: list[tuple[str, str]]

    async def run(self, script: str, meant: FakeRunner) -> WorkOutcome:
        entrypoint = self.folder / "script.sh"
        entrypoint.write_text(script)

        async def output(stream: str, text: str) -> None:
            self.printed.append((stream, text))

        outcome: WorkOutcome = await self.runner_for(script, meant).run(Work(entrypoint, "/bin/sh"), output)
        return outcome


@pytest.fixture(params=["fake", "host"])
def runs(request: pytest.FixtureRequest, tmp_path: Path) -> Runs:
    host = request.param == "host"
    return Runs(
        lambda script, meant: HostWorkRunner(default_contract({"PATH": os.environ["PATH"]})) if host else meant,
        tmp_path,
        [],
    )


async def test_what_is_printed_is_told_by_stream_before_the_end(runs: Runs) -> None:
    outcome = await runs.run("echo out; echo err >&2", FakeRunner(prints=[("stdout", "out\n"), ("stderr", "err\n")]))

    assert sorted(runs.printed) == [("stderr", "err\n"), ("stdout", "out\n")]
    assert (outcome.ending, outcome.exit_code, outcome.succeeded) == (WorkEnding.EXITED, 0, True)


async def test_another_exit_code_is_an_outcome(runs: Runs) -> None:
    outcome = await runs.run("exit 3", FakeRunner(WorkOutcome(WorkEnding.EXITED, exit_code=3)))

    assert (outcome.exit_code, outcome.succeeded) == (3, False)


async def test_a_call_that_is_cancelled_ends_the_work(runs: Runs) -> None:
    endless = FakeRunner()
    endless.goes_on.clear()
    task = asyncio.create_task(runs.run("sleep 60", endless))
    await asyncio.sleep(0.2)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 20)
