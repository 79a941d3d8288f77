"""A node process that starts again: at once with what it knew, and right about it within seconds."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from command_hosts import Machine
from waiting import rows

WITHIN_SECONDS = 5.0 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
"""Five seconds, and more where other processes take the processors. A health round by itself comes after a minute."""
DEFINITION = """\
ref: acme.java
name: Java
distributions:
  verification:
    commands:
      - {{binary: java, args: ["{library}"], pattern: "(?P<version>[0-9.]+)"}}
"""


class Restarts:
    """A worker that runs for a moment, again and again. Its java is a native binary that opens a file of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        self.machine = Machine(folder)
        self.machine.variables |= {"DATABASE_URL": url, "ATTUNE__HEALTH__FULL_INTERVAL": "24h"}
        self.library = folder / "libjvm.so"
        self.library.write_text("17.0.2\n")
        shutil.copy(shutil.which("cat") or "cat", self.machine.bin / "java")
        file = folder / "java.yaml"
        file.write_text(DEFINITION.format(library=self.library))
        added = self.machine.attune("runtime", "add", str(file))
        assert added.returncode == 0, added.stderr
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start the worker and wait until it is registered."""
        self.process = self.machine.start("worker", "start", "--name", "w1")
        self.wait(lambda: rows(self.url, "SELECT 1 FROM worker WHERE status = 'active'"), 60)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            assert self.process.wait(100) == 0

    @property
    def java(self) -> Any:
        """Status, version, and whether it is cached."""
        query = (
            "SELECT status, version, (evidence->>'cached')::bool FROM worker_runtime WHERE runtime_ref = 'acme.java'"
        )
        return rows(self.url, query)[0]

    def wait(self, condition: Callable[[], Any], seconds: float) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, (self.java, (self.machine.folder / "attune.log").read_text()[-2000:])
            time.sleep(0.03)


@pytest.fixture
def restarts(tmp_path: Path, migrated_database: str) -> Iterator[Restarts]:
    made = Restarts(tmp_path, migrated_database)
    made.start()
    made.wait(lambda: made.java == ("available", "17.0.2", False), 20)
    made.stop()
    yield made
    made.stop()


def test_runtime_that_was_removed_meanwhile_is_withdrawn_within_seconds(restarts: Restarts) -> None:
    (restarts.machine.bin / "java").unlink()
    restarts.start()
    restarts.wait(lambda: restarts.java[0] == "unavailable", WITHIN_SECONDS)

    (offered,) = rows(restarts.url, "SELECT capabilities->'runtimes' FROM worker")[0]
    assert "java" not in offered


def test_cached_runtime_whose_library_is_gone_is_corrected_right_after_the_start(restarts: Restarts) -> None:
    restarts.library.unlink()
    restarts.start()
    transition = "SELECT from_status, to_status FROM runtime_transition WHERE runtime_ref = 'acme.java'"
    restarts.wait(lambda: rows(restarts.url, transition), WITHIN_SECONDS)

    # It had been registered as available, so it was known without being run.
    assert rows(restarts.url, transition) == [("available", "unavailable")]
    assert restarts.java[0] == "unavailable"
    assert rows(restarts.url, "SELECT capabilities->'runtimes' FROM worker")[0][0].count("java") == 0


def test_cached_runtime_is_verified_right_after_the_start(restarts: Restarts) -> None:
    (before,) = rows(restarts.url, "SELECT checked_at FROM worker_runtime WHERE runtime_ref = 'acme.java'")[0]
    restarts.start()
    checked = f"SELECT 1 FROM worker_runtime WHERE runtime_ref = 'acme.java' AND checked_at > '{before}'"
    restarts.wait(
        lambda: rows(restarts.url, checked) and restarts.java == ("available", "17.0.2", False), WITHIN_SECONDS
    )

    status = """
        SELECT c.status FROM worker_capability AS held CROSS JOIN LATERAL unnest(held.capabilities) AS one (id)
        JOIN capability AS c ON c.id = one.id WHERE c.name = 'java'
    """
    restarts.wait(lambda: rows(restarts.url, status) == [("available",)], WITHIN_SECONDS)
