"""Small machines for tests: a folder of commands for PATH, and the command line run as a process on it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import warm_programs

ATTUNE = (sys.executable, "-m", "attune")
WAIT_SECONDS = 240
"""Seconds that a command may take. Nothing is expected to: it bounds what hangs."""
SMOKE = 'case "$1" in -[ceMrX]*|eval) echo "$*"; exit;; esac\n'
"""What a script does first so that it passes for an interpreter that starts."""
Program = warm_programs.Program | subprocess.Popen[bytes]


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Machine:
    """A host whose PATH has only what a test puts there."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def bin(self) -> Path:
        path = self.folder / "bin"
        path.mkdir(exist_ok=True, parents=True)
        return path

    @property
    def temporary(self) -> Path:
        path = self.folder / "temporary"
        path.mkdir(exist_ok=True, parents=True)
        return path

    def command(self, name: str, prints: str = "", *, script: str | None = None, exit_code: int = 0) -> Path:
        """Put a command on PATH that runs *script* (POSIX shell), or prints *prints* and passes any smoke check."""
        path = self.bin / name
        if script is None:
            quoted = prints.replace("'", "'\\''")
            script = f"echo '{quoted}'; exit {exit_code}"
        path.write_text(f"#!/bin/sh\n{SMOKE if exit_code == 0 else ''}{script}\n")
        path.chmod(0o755)
        return path

    def real(self, *names: str) -> None:
        """Link commands of the real machine."""
        import shutil

        for name in names:
            found = shutil.which(name)
            assert found is not None, f"this machine has no {name}"
            (self.bin / name).symlink_to(found)

    def environment(self, **more: str) -> dict[str, str]:
        passed = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
        return {
            "PATH": str(self.bin),
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "ATTUNE_DATA_DIR": str(self.folder / "data"),
            "TMPDIR": str(self.temporary),
            "ATTUNE__HOST__WRITABLE": json.dumps([tempfile.gettempdir()]),  # where work tells its test that it ran
            **passed,
            **self.variables,
            **more,
        }

    def attune(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the command line to its end."""
        environment = self.environment(**variables)
        if _needs_a_new_interpreter(variables):
            return subprocess.run(
                [*ATTUNE, *arguments],
                env=environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=WAIT_SECONDS,
            )
        return warm_programs.run(arguments, environment, self.folder, WAIT_SECONDS)

    def start(self, *arguments: str, log: Path | None = None, **variables: str) -> Program:
        """Start the command line and leave it running; its output goes to *log*."""
        environment = self.environment(**variables)
        with (log or self.folder / "attune.log").open("a") as output:
            if _needs_a_new_interpreter(variables):
                return subprocess.Popen(
                    [*ATTUNE, *arguments],
                    env=environment,
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            return warm_programs.start(arguments, environment, self.folder, output, output)

    def detect(self, *arguments: str, **variables: str) -> dict[str, Any]:
        """`attune detect --local --json` as data."""
        done = self.attune("detect", "--local", "--json", *arguments, **variables)
        assert done.returncode == 0, done.stderr
        data: dict[str, Any] = json.loads(done.stdout)
        return data


def _needs_a_new_interpreter(variables: Mapping[str, str]) -> bool:
    """Whether *variables* act when Python starts: a copy of a running one would not heed them."""
    return any(name.startswith(("PYTHON", "LC_", "LANG")) for name in variables)


def by_name(data: Mapping[str, Any]) -> dict[str, Any]:
    """The results of a detection by capability name."""
    return {result["name"]: result for result in data["results"]}
