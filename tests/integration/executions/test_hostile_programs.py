"""Programs that misbehave, as checks, actions and sensors: each is ended in time, and nothing is left of it.

Twenty rounds are `make soak`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from uuid import uuid4

import pytest

from attune.core.executions.work import Work, WorkEnding
from attune.core.ports.sensors import SensorProgram
from attune.core.runtimes.command import Command
from attune.host.contract.execution_contract import ExecutionContract, default_contract
from attune.host.contract.supervisors import boottime
from attune.host.executions.runner import HostWorkRunner
from attune.host.probing.assemble import HostOptions, assemble
from attune.host.sensors.output_log import SensorFolder
from attune.host.sensors.process import HostSensorStarter
from effort import is_soak
from host_checks import run_all

pytestmark = pytest.mark.anyio

SECONDS = 0.5
LATEST = 0.5
AT_ONCE = 6
PATH = "/usr/local/bin:/usr/bin:/bin"
SHELL = {
    "hangs": "sleep 300",
    "ignores the polite signals": "trap '' TERM INT HUP QUIT; while :; do sleep 1; done",
    "stops itself": "kill -STOP $$",
    "ends with a child behind": "sleep 300 & exit 0",
    "ends with a session behind": "setsid sleep 300 & exit 0",
    "ends with a daemon behind": "(setsid setsid sleep 300 &) ; exit 0",
    "ends with a deaf daemon behind": "(trap '' TERM HUP; setsid sh -c 'trap \"\" TERM HUP; sleep 300' &) ; exit 0",
    "loses its environment": "env -i setsid sleep 300 & exit 0",
    "resets its limits": "ulimit -x unlimited 2>/dev/null; env -i setsid sleep 300 & exit 0",
    "leaves its folder": "cd /; setsid sleep 300 & exit 0",
    "closes all it has": "exec 0<&- 1>&- 2>&-; setsid sleep 300 & sleep 300",
    "floods stdout": "yes flood",
    "floods stderr": "yes flood >&2",
    "floods from a daemon": "setsid yes flood & exit 0",
    "computes for ever": "while :; do :; done",
    "computes in many": "for n in 1 2 3 4; do (while :; do :; done) & done; wait",
    "kills its group": "sleep 300 & kill -KILL 0",
    "kills its parent": "setsid sleep 300 & kill -KILL $PPID; sleep 300",
    "stops its parent": "setsid sleep 300 & kill -TERM $PPID; kill -INT $PPID; sleep 300",
    "freezes its parent": "setsid sleep 300 & kill -STOP $PPID; sleep 300",
    "removes its folder": 'rm -rf "$PWD"; setsid sleep 300 & exit 0',
    "fills its folder": "for n in 1 2 3 4 5 6 7 8 9; do mkdir -p a/b/c/$n; done; chmod 000 a; sleep 300",
    "renames its folder": 'mv "$PWD" "$PWD.gone" && ln -s /etc "$PWD"; exit 0',
    "a tree of children": 'sh -c \'sh -c "sh -c \\"sleep 300\\" & sleep 300" & sleep 300\' & wait',
    "forks at its end": "trap 'setsid sleep 300 & exit 0' TERM; while :; do sleep 0.05; done",
    "answers the signal with a child": "trap 'sleep 300 & wait' TERM; sleep 300 & wait; wait",
    "reads its input for ever": "cat; cat; sleep 300",
}
PYTHON = {
    "flees by forking": """\
import os
while True:
    if os.fork():
        os._exit(0)
    if os.getsid(0) != os.getpid():
        os.setsid()
""",
    "adopts its own orphans": """\
import ctypes, os, time
ctypes.CDLL(None).prctl(36, 1)
if os.fork() == 0:
    os.setsid()
time.sleep(300)
""",
    "detaches twice": """\
import os, time
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
os.closerange(0, 64)
time.sleep(300)
""",
    "blocks all signals": """\
import signal, time
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
time.sleep(300)
""",
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Hostile:
    """Runs programs as one kind, and says how long that took beyond their time."""

    def __init__(self, folder: Path) -> None:
        self.mark = f"mark{uuid4().hex}"
        self.folder = folder
        self.contract: ExecutionContract = default_contract({"PATH": PATH})

    def script(self, name: str) -> Path:
        path = self.folder / f"{self.mark}-{uuid4().hex[:6]}"
        python = name in PYTHON
        path.write_text(f"#!/usr/bin/{'python3' if python else 'env sh'}\n{PYTHON[name] if python else SHELL[name]}\n")
        path.chmod(0o755)
        return path

    async def check(self, name: str) -> float:
        runner = assemble({"PATH": PATH}, HostOptions(contract=self.contract)).runner
        outcome = (await asyncio.to_thread(run_all, runner, {"it": Command((str(self.script(name)),), SECONDS)}))["it"]
        return outcome.duration_ms / 1000 - SECONDS

    async def action(self, name: str) -> float:
        async def output(stream: str, text: str) -> None: ...

        outcome = await HostWorkRunner(self.contract).run(Work(self.script(name), timeout_seconds=SECONDS), output)
        return outcome.duration_seconds - SECONDS - 3.0  # its grace

    async def sensor(self, name: str) -> float:
        log = SensorFolder(self.folder).output_log(uuid4())
        log.create()
        program = SensorProgram((str(self.script(name)),), log.path, log.work)
        began = time.monotonic()
        sensor = await HostSensorStarter(self.contract)(program, boottime() + SECONDS)
        if await sensor.started() is None:
            await asyncio.sleep(SECONDS)
            sensor.kill()
            await sensor.end()
        assert log.is_closed
        return time.monotonic() - began - SECONDS

    def left(self) -> list[str]:
        return [line for line in map(_command_line, Path("/proc").glob("[0-9]*")) if self.mark in line]


@pytest.mark.parametrize("kind", ["check", "action", "sensor"])
async def test_nothing_is_left_of_a_hostile_program(kind: str, tmp_path: Path) -> None:
    hostile = Hostile(tmp_path)
    gate = asyncio.Semaphore(AT_ONCE)

    async def late(name: str) -> tuple[float, str]:
        async with gate:
            return await getattr(hostile, kind)(name), name

    for _ in range(20 if is_soak() else 1):
        took = await asyncio.gather(*(late(name) for name in (*SHELL, *PYTHON)))

        assert hostile.left() == []
        if is_soak():
            assert max(took)[0] <= LATEST


@pytest.mark.parametrize("signal", ["STOP", "KILL"])
async def test_an_action_that_ends_its_supervisor_is_told_so(signal: str, tmp_path: Path) -> None:
    entry = tmp_path / "act"
    entry.write_text(f"#!/bin/sh\necho last words >&2; kill -{signal} $PPID; sleep 300\n")
    entry.chmod(0o755)
    runner, said = HostWorkRunner(default_contract({"PATH": PATH})), []

    async def output(stream: str, text: str) -> None:
        said.append(text)

    outcome = await runner.run(Work(entry, timeout_seconds=20.0), output)

    assert (outcome.ending, outcome.exit_code, outcome.signal) == (WorkEnding.SIGNALED, None, None)
    why = "was ended, since what supervised it was killed or stopped; last it said: last words"
    assert (outcome.reason, outcome.succeeded) == (why, False)
    entry.write_text("#!/bin/sh\nexit 0\n")
    assert (await runner.run(Work(entry, timeout_seconds=20.0), output)).succeeded


def _command_line(process: Path) -> str:
    with contextlib.suppress(OSError):
        return (process / "cmdline").read_bytes().decode(errors="replace")
    return ""
