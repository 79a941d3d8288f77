"""Workers for tests: processes, each with a PATH of its own, and a pack whose actions tell where they ran."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from attune.core.ports.executions import NewExecution
from attune.core.ports.nodes import Overdue
from attune.postgres.connection import Pool, open_pool
from attune.postgres.executions.actions import PostgresActions
from attune.postgres.executions.store import PostgresExecutions
from command_hosts import Machine
from logins import Logins
from pack_folders import load
from waiting import rows

PYTHON = """\
import json, os, sys, time
given = json.load(sys.stdin)
with open(given["told"], "ab", buffering=0) as told:
    told.write(f"{os.environ['ATTUNE_EXECUTION']} {os.environ['ATTUNE_WORKER']} {sys.executable}\\n".encode())
time.sleep(given.get("seconds", 0))
print(json.dumps({"ran": sys.executable}))
"""
# Whatever interpreter of a shell runs it. Its parameters come as variables.
SHELL = """\
echo "$ATTUNE_EXECUTION $ATTUNE_WORKER $ATTUNE_RUNTIME_{name}" >> "$ATTUNE_PARAM_TOLD"
[ -z "$ATTUNE_PARAM_SECONDS" ] || sleep "$ATTUNE_PARAM_SECONDS"
echo "{{\\"ran\\": \\"$ATTUNE_RUNTIME_{name}\\"}}"
"""
DEFINITION = """\
ref: check.ruby
name: Ruby
distributions:
  verification:
    commands:
      - {binary: ruby, args: [--version], pattern: "ruby (?P<version>[0-9.]+)"}
"""
PARAMETERS = "parameters: {told: {type: string, required: true}, seconds: {type: number}}"
RUBY = 'case "$1" in --version) echo "ruby 3.1.2p20 (2022-04-12)";; *) exec /bin/sh "$@";; esac'


def write_pack(folder: Path, *, retries: int = 0) -> Path:
    """A pack `check` with an action for python, shell and ruby each; the ruby of these tests reads shell."""
    files = {
        "pack.yaml": "ref: check\nlabel: Check\nversion: 1.0.0\n",
        "actions/python.py": PYTHON,
        "runtimes/ruby.yaml": DEFINITION,
    }
    for name in ("python", "shell", "ruby"):
        delivery = "" if name == "python" else "delivery: env\n"
        suffix = {"python": "py", "shell": "sh", "ruby": "rb"}[name]
        needs = "requires: [ruby]\nruntime: shell\n" if name == "ruby" else f"runtime: {name}\n"
        files[f"actions/{name}.yaml"] = (
            f"name: {name}\nlabel: Check\nentry_point: {name}.{suffix}\nretries: {retries}\n"
            f"{needs}{delivery}{PARAMETERS}\n"
        )
        if name != "python":
            files[f"actions/{name}.{suffix}"] = SHELL.format(name=name.upper())
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


@dataclass
class WorkerFleet:
    """Worker nodes that are processes, each with a login of its own. *offers* says what each has on its PATH."""

    folder: Path
    url: str
    offers: dict[str, Sequence[str]]
    concurrency: int = 4
    settings: dict[str, str] = field(default_factory=dict)
    overdue: Overdue = field(default_factory=lambda: Overdue(1.5, 3.0, amnesty=3.0))
    beat_every: float = 0.3
    machines: dict[str, Machine] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.logins = Logins(self.url)

    def machine(self, name: str) -> Machine:
        if name not in self.machines:
            made = self.machines[name] = Machine(self.folder / name)
            made.variables |= {
                "DATABASE_URL": self.logins.url(name, overdue=self.overdue),
                "ATTUNE__HEARTBEAT__INTERVAL": f"{self.beat_every:g}s",
                "ATTUNE__HEARTBEAT__STALE_AFTER": f"{self.overdue.stale_after:g}s",
                "ATTUNE__HEARTBEAT__LOST_AFTER": f"{self.overdue.lost_after:g}s",
                "ATTUNE__HEARTBEAT__AMNESTY": f"{self.overdue.amnesty:g}s",
                "ATTUNE__HEALTH__INTERVAL": "0.2s",
                "ATTUNE__WORKER__MAX_CONCURRENT_EXECUTIONS": str(self.concurrency),
                **self.settings,
            }
            for offer in self.offers[name]:
                self.give(name, offer)
        return self.machines[name]

    def give(self, name: str, offer: str) -> None:
        """Put a runtime on the PATH of *name*."""
        there = self.machines[name]
        if offer == "ruby":
            there.command("ruby", script=RUBY)
        elif offer == "python":
            (there.bin / "python3").symlink_to(Path(sys.executable).resolve())
        else:
            there.real("bash", "sleep")

    def take(self, name: str, offer: str) -> None:
        """Remove a runtime from the PATH of *name*."""
        (self.machines[name].bin / {"ruby": "ruby", "python": "python3"}[offer]).unlink()

    def start(self, *names: str) -> None:
        for name in names:
            log = self.folder / f"{name}.log"
            self.processes[name] = self.machine(name).start("worker", "start", "--name", name, log=log)

    def kill(self, name: str) -> None:
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes[name].wait()

    @property
    def told(self) -> Path:
        return self.folder / "told"

    def runs(self) -> list[tuple[int, str, str]]:
        """What actions told: their execution, their worker, and the interpreter that ran them."""
        if not self.told.exists():
            return []
        lines = [line.split(maxsplit=2) for line in self.told.read_text().splitlines()]
        return [(int(one[0]), one[1], one[2]) for one in lines]

    def counts(self) -> dict[str, int]:
        """How many executions there are of each status."""
        return dict(rows(self.url, "SELECT status::text, count(*)::int FROM execution GROUP BY 1"))

    def close(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.logins.drop()


def ask(url: str, wanted: Sequence[tuple[str, dict[str, Any]]], extra: tuple[str, ...] = ()) -> list[int]:
    """Ask for executions of actions with parameters; their numbers."""

    async def asked(pool: Pool) -> list[int]:
        actions = {ref: await PostgresActions(pool).get(ref) for ref in {one for one, _ in wanted}}
        new = [NewExecution(actions[ref], parameters, extra) for ref, parameters in wanted]
        return await PostgresExecutions(pool).submit(new)

    return asyncio.run(_on(url, asked))


def load_pack(url: str, folder: Path) -> None:
    """Load the pack in *folder*."""
    asyncio.run(_on(url, lambda pool: load(pool, folder)))


def shown(url: str, number: int) -> dict[str, Any]:
    """One execution."""
    query = f"SELECT row_to_json(e) FROM execution AS e WHERE id = {number}"
    return dict(rows(url, query)[0][0])


async def _on(url: str, work: Any) -> Any:
    async with open_pool(url, size=2) as pool:
        return await work(pool)


def as_json(text: str) -> Any:
    return json.loads(text)
