"""What every test may rely on: signals as at a start, whoever started the run, and a temporary folder of the run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import whole_run
from soak_results import SoakResults
from whole_run import begin_run, default_signals, end_run

TELL = "import signal; print([signal.getsignal(one).name for one in map(signal.Signals, (15, 1, 3, 17))])"


def test_what_is_started_has_the_signals_of_a_terminal_even_where_the_run_ignores_them() -> None:
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)

    default_signals()
    told = subprocess.run([sys.executable, "-c", TELL], capture_output=True, text=True, check=True, timeout=60)

    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert told.stdout == f"{['SIG_DFL'] * 4}\n"


def test_a_process_and_a_file_that_a_run_leaves_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    before = os.environ["TMPDIR"], tempfile.tempdir
    monkeypatch.setattr(whole_run, "BEFORE", set())
    folder = begin_run()
    assert folder is not None
    socket = Path(tempfile.mkdtemp(prefix="attune-0-", dir="/tmp"))
    (folder / "forgotten").touch()
    (folder / "pytest-of-somebody").mkdir()
    with subprocess.Popen(["sleep", "300"], cwd=folder) as lasting:
        try:
            left = end_run(folder, 0.1)
        finally:
            os.environ["TMPDIR"], tempfile.tempdir = before
            lasting.kill()
            socket.rmdir()

    assert left[:2] == [f"still running: {lasting.pid} sleep 300 ", f"not removed: {folder / 'forgotten'}"]
    assert f"not removed: {socket}" in left[2:]
    assert not Path(folder).exists()


def left_of_soak(results: SoakResults, *names: str) -> list[str]:
    hook = SimpleNamespace(pytest_deselected=lambda items: None)
    items: Any = [SimpleNamespace(nodeid=name) for name in names]
    results.pytest_collection_modifyitems(SimpleNamespace(hook=hook), items)  # type: ignore[arg-type]
    return [item.nodeid for item in items]


def test_soak_goes_on_where_it_was_for_the_same_source_only(tmp_path: Path) -> None:
    file = tmp_path / "build" / "soak.json"
    first = SoakResults(file, "source 1", again=False)
    for name, outcome in (("good", "passed"), ("bad", "failed")):
        report: Any = SimpleNamespace(when="call", failed=outcome == "failed", nodeid=name, outcome=outcome, duration=1)
        first.pytest_runtest_logreport(report)

    assert left_of_soak(SoakResults(file, "source 1", again=False), "good", "bad", "new") == ["bad", "new"]
    assert left_of_soak(SoakResults(file, "source 1", again=True), "good") == ["good"]
    assert left_of_soak(SoakResults(file, "source 2", again=False), "good") == ["good"]
