"""What the execution contract costs: of a detection, and for each action.

Confined programs run interleaved with those of a contract that confines nothing, and actions with asyncio's own
subprocesses. `python -m benchmarks.contract` prints the figures beside their targets.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from attune.core.executions.work import Work
from attune.core.runtimes.command import Command
from attune.host.contract.execution_contract import ExecutionContract, default_contract
from attune.host.executions.runner import HostWorkRunner
from attune.host.probing.assemble import HostOptions, assemble
from benchmarks.probing import Figure, installed_commands, medians, run

_TRUE = "/bin/true"
_ACTIONS = 100


def main() -> None:
    """Print the figures."""
    contract = default_contract(os.environ)
    for figure in (*_detection(contract), *asyncio.run(_actions(contract))):
        print(figure)


def _detection(contract: ExecutionContract) -> list[Figure]:
    """The same commands with Landlock and without."""
    commands = installed_commands(dict(os.environ))
    open_checks = assemble(os.environ, HostOptions(contract=replace(contract, no_new_privileges=False)))
    confined_checks = assemble(os.environ, HostOptions(contract=replace(contract, confined=True)))
    (ratio,) = medians(lambda: run(open_checks, commands), lambda: run(confined_checks, commands))
    quick = [Command((_TRUE,), 10.0)] * 200
    (quick_ratio,) = medians(lambda: run(open_checks, quick), lambda: run(confined_checks, quick))
    return [
        Figure("installed, confined against not", 1 / ratio, 1.15, at_most=True, note=f"{len(commands)} commands"),
        Figure("200 x /bin/true, confined against not", 1 / quick_ratio, None),
    ]


async def _actions(contract: ExecutionContract) -> list[Figure]:
    runner = HostWorkRunner(replace(contract, confined=True))

    async def output(stream: str, text: str) -> None: ...

    async def under_contract() -> None:
        await runner.run(Work(Path(_TRUE)), output)

    async def by_asyncio() -> None:
        process = await asyncio.create_subprocess_exec(
            _TRUE, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        await process.communicate()

    ours, theirs = [], []
    for _ in range(_ACTIONS):
        ours.append(await _milliseconds(under_contract))
        theirs.append(await _milliseconds(by_asyncio))
    beyond = statistics.median(ours) - statistics.median(theirs)
    return [Figure("an action, beyond asyncio's own subprocess", beyond, 3.0, unit="ms", at_most=True)]


async def _milliseconds(action: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    await action()
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    main()
