"""What the tests of `attune.host` share: scripts to run, a way to run them, and a search for what they left behind."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from attune.core.ports.runtimes import Next, RunObserver
from attune.core.runtimes.command import Command, Outcome
from attune.host.contract.environment import check_environment
from attune.host.contract.execution_contract import ExecutionContract, default_contract
from attune.host.probing.assemble import HostChecks, HostOptions, assemble

SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


def script(folder: Path, name: str, body: str, *, interpreter: str = "/bin/sh") -> str:
    """An executable script in *folder*; its path."""
    path = folder / name
    path.write_text(f"#!{interpreter}\n{body}\n")
    path.chmod(0o755)
    return str(path)


@dataclass
class Sandbox:
    """An environment whose processes can be told from all others, and runners for it."""

    folder: Path
    mark: str = field(default_factory=lambda: f"mark{uuid.uuid4().hex}")

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": SYSTEM_PATH, "HOME": str(self.folder), "TEST_MARK": self.mark}

    def checks(self, **options: object) -> HostChecks:
        return assemble(self.environment, HostOptions(contract=self.contract, **options))  # type: ignore[arg-type]

    @property
    def contract(self) -> ExecutionContract:
        return replace(
            default_contract(self.environment), environment=check_environment(self.environment, ["TEST_MARK"])
        )

    def left_behind(self) -> list[str]:
        """The command lines of processes of this sandbox; waits a moment for those that are just ending."""
        until = time.monotonic() + 60
        while (left := self._alive()) and time.monotonic() < until:
            time.sleep(0.02)
        return left

    def _alive(self) -> list[str]:
        mark = self.mark.encode()
        found = []
        for place in Path("/proc").iterdir():
            if not place.name.isdigit() or int(place.name) == os.getpid():
                continue
            try:
                line = (place / "cmdline").read_bytes()
                if mark in line or mark in (place / "environ").read_bytes():
                    found.append(line.replace(b"\0", b" ").decode(errors="replace"))
            except OSError:
                continue
        return found


def command(*argv: str, limit: float = 20.0) -> Command:
    return Command(argv, limit)


def run_all(
    runner: object,
    commands: Mapping[str, Command],
    *,
    deadline: float | None = None,
    observer: RunObserver | None = None,
) -> dict[str, Outcome]:
    """Run each command as a line of its own."""
    outcomes: dict[str, Outcome] = {}

    def then(key: str, _command: Command, outcome: Outcome) -> None:
        assert key not in outcomes
        outcomes[key] = outcome

    done: Next = then
    runner.run(commands, done, deadline_seconds=deadline, observer=observer)  # type: ignore[attr-defined]
    return outcomes


def zombies() -> list[int]:
    """Ended children of this process that nobody collected."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                fields = (place / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] == "Z" and int(fields[1]) == os.getpid():
                found.append(int(place.name))
    return found


def open_descriptors() -> list[int]:
    """The descriptors of this process; one of them is that of the listing itself."""
    return sorted(int(place.name) for place in Path("/proc/self/fd").iterdir())
