"""A plugin of pytest for `make soak`: what has passed for this state of the source is not run again.

Results are kept in `build/soak.json` as they come, so that a run that was interrupted goes on where it was.
`--again` runs everything.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "build" / "soak.json"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--again", action="store_true", help="run soak tests that have passed for this commit, too")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # the workers of xdist report to the process that started them
        config.pluginmanager.register(SoakResults(RESULTS, source_state(), config.getoption("--again")))


def source_state() -> str:
    """The commit, with a digest of what differs from it."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    changes = git("diff", "HEAD", "--", "src", "tests", "pyproject.toml", "constraints.txt")
    digest = hashlib.sha256(changes.encode()).hexdigest()[:12]
    return git("rev-parse", "HEAD") + (f"+{digest}" if changes else "")


class SoakResults:
    """The results in *file* for the source *state*; those for another are dropped."""

    def __init__(self, file: Path, state: str, again: bool) -> None:
        self._file = file
        self._kept: dict[str, Any] = {"source": state, "tests": {}}
        if not again and file.exists():
            stored = json.loads(file.read_text())
            if stored["source"] == state:
                self._kept = stored

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        done = [item for item in items if self._kept["tests"].get(item.nodeid, {}).get("outcome") == "passed"]
        if done:
            config.hook.pytest_deselected(items=done)
            items[:] = [item for item in items if item not in done]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.failed:
            self._kept["tests"][report.nodeid] = {"outcome": report.outcome, "seconds": round(report.duration, 1)}
            self._file.parent.mkdir(exist_ok=True)
            half_written = self._file.with_suffix(".new")
            half_written.write_text(json.dumps(self._kept, indent=1) + "\n")
            half_written.replace(self._file)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and self._kept["tests"]:
            session.exitstatus = pytest.ExitCode.OK  # all of them have passed before
