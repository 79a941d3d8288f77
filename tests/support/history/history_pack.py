"""The pack of a history, in versions that differ in entry points, limits and priorities, and what is asked of it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from attune.core.executions.action import Action
from attune.core.ports.executions import NewExecution
from attune.postgres.connection import Pool, open_pool
from attune.postgres.executions.actions import PostgresActions
from attune.postgres.executions.routing import PostgresRouting
from attune.postgres.executions.store import PostgresExecutions
from history_laws import RuleLaw, Snapshot
from pack_folders import happen, load, write_pack
from worker_processes import DEFINITION

RULES = {
    "check.skips": RuleLaw(skips=True),
    "check.seldom": RuleLaw(every=2.0),
    "check.each": RuleLaw(),
}
_PYTHON = """\
import json, os, sys, time
given = json.load(sys.stdin)
with open(given["told"], "ab", buffering=0) as told:
    told.write(f"{{os.environ['ATTUNE_EXECUTION']}} {{os.environ['ATTUNE_WORKER']}} {version} {{given['key']}}"
               f" {{sys.executable}}\\n".encode())
time.sleep(given["seconds"])
"""
_SHELL = """\
echo "$ATTUNE_EXECUTION $ATTUNE_WORKER {version} $ATTUNE_PARAM_KEY $ATTUNE_RUNTIME_{name}" >> "$ATTUNE_PARAM_TOLD"
sleep "$ATTUNE_PARAM_SECONDS"
"""
_SUFFIXES = {"python": "py", "shell": "sh", "ruby": "rb"}


def limits_of(version: int) -> dict[str, int]:
    """How many executions of an action may run at once in that version of the pack."""
    return {"python": 2 + version % 3, "ruby": 3 + version * 2 % 5}


def write_version(folder: Path, version: int, told: Path) -> Path:
    """The pack `check` as it is in *version*; its actions write to *told* which one they are of."""
    files: dict[str, str | bytes | None] = {
        "pack.yaml": f"ref: check\nlabel: Check\nversion: {version}.0.0\n",
        "runtimes/ruby.yaml": DEFINITION,
        "triggers/tick.yaml": "name: tick\nlabel: Tick\n",
    }
    for path in folder.glob("actions/*_*"):
        path.unlink()
    for name, suffix in _SUFFIXES.items():
        entry, limit = f"{name}_{version}.{suffix}", limits_of(version).get(name)
        delivery, runtime = ("stdin", "python") if name == "python" else ("env", "shell")
        files[f"actions/{name}.yaml"] = (
            f"name: {name}\nlabel: Check\nentry_point: {entry}\nretries: 3\nretry_delay: 0.2s\nruntime: {runtime}\n"
            f"delivery: {delivery}\npriority: {version % 10}\n"
            + (f"concurrency: {limit}\n" if limit else "")
            + ("requires: [ruby]\n" if name == "ruby" else "")
            + "parameters: {told: {type: string}, key: {type: string}, seconds: {type: number}}\n"
        )
        text = _PYTHON if name == "python" else _SHELL
        files[f"actions/{entry}"] = text.format(version=version, name=name.upper())
    for ref, law in RULES.items():
        name = ref.removeprefix("check.")
        files[f"rules/{name}.yaml"] = (
            f"name: {name}\nlabel: Rule\ntrigger: check.tick\naction: check.{'python' if name == 'each' else 'shell'}\n"
            + ("overlap: skip\n" if law.skips else "")
            + (f"at_most_every: {law.every:g}s\n" if law.every else "")
            + f'parameters: {{told: {told}, seconds: 0.3, key: "{name}:${{{{ payload.number }}}}"}}\n'
        )
    return write_pack(folder, files)


def load_version(url: str, folder: Path, version: int, told: Path) -> None:
    asyncio.run(_on(url, lambda pool: load(pool, write_version(folder, version, told))))


def ask_some(url: str, chance: random.Random, count: int, version: int, told: Path) -> dict[int, Snapshot]:
    """Ask for *count* executions of random actions, priorities and times; as what, by their numbers."""

    async def asked(pool: Pool) -> dict[int, Snapshot]:
        actions = {name: await PostgresActions(pool).get(f"check.{name}") for name in _SUFFIXES}
        new = [_one(chance, actions[name], told) for name in chance.choices(list(actions), (1, 6, 3), k=count)]
        numbers = await PostgresExecutions(pool).submit(new)
        return {number: Snapshot(version, one.parameters["key"]) for number, one in zip(numbers, new, strict=True)}

    return dict(asyncio.run(_on(url, asked))) if count else {}


def _one(chance: random.Random, action: Action, told: Path) -> NewExecution:
    seconds = round(chance.uniform(0, chance.choice((0.02, 0.3))), 3)
    parameters = {"told": str(told), "key": f"{chance.getrandbits(48):x}", "seconds": seconds}
    priority = chance.choice((None, None, 0, 2, 5, 5, 5, 8, 9))
    return NewExecution(action, parameters, priority=priority)


def send_ticks(url: str, numbers: Sequence[int]) -> None:
    """Record events, and offer what the rules ask for, as a process of the operator's does."""

    async def sent(pool: Pool) -> None:
        for number in numbers:
            await happen(pool, "check.tick", {"number": number})
        routing = PostgresRouting(pool)
        while queues := await routing.classify():
            await routing.promote(queues)

    asyncio.run(_on(url, sent))


async def _on(url: str, work: Callable[[Pool], Awaitable[Any]]) -> Any:
    async with open_pool(url, size=2) as pool:
        return await work(pool)
