"""The command as a process: streams that are closed or full, signals while checks run."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from command_hosts import ATTUNE, Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    made.command("python3", "Python 3.11.7")
    return made


def shell(machine: Machine, redirection: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {redirection}', "sh", *ATTUNE, "detect", "--local", "--only", "python"],
        env=machine.environment(),
        cwd=machine.folder,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("redirection", [">&-", "<&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_problem(machine: Machine, redirection: str) -> None:
    done = shell(machine, redirection)

    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_is_one_sentence(machine: Machine) -> None:
    done = shell(machine, ">/dev/full")

    assert (done.returncode, done.stderr) == (1, "attune: the system refused: No space left on device\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_while_a_check_hangs_leaves_nothing(machine: Machine, number: signal.Signals) -> None:
    pids, places = machine.folder / "pids", machine.folder / "places"
    places.mkdir()
    machine.real("sleep")
    machine.command("python3", script=f"trap '' TERM INT HUP; echo $$ > {pids}.new; mv {pids}.new {pids}; sleep 300")
    machine.real("mv")
    started = machine.start("detect", "--local", "--only", "python", TMPDIR=str(places))
    until = time.monotonic() + 100
    while not pids.exists() and time.monotonic() < until:
        time.sleep(0.02)
    check = int(pids.read_text())

    started.send_signal(number)
    assert started.wait(60) == {signal.SIGINT: 130}.get(number, 128 + number)
    with pytest.raises(ProcessLookupError):
        os.kill(check, 0)
    assert list(places.iterdir()) == []


def test_the_settings_in_force_are_shown_with_their_origin_and_without_secrets(machine: Machine) -> None:
    (machine.folder / "below").mkdir()
    (machine.folder / "attune.yaml").write_text("worker:\n  labels:\n    zone: eu\napi:\n  token: attune_hidden\n")
    variables = {**machine.environment(), "ATTUNE__LOG__LEVEL": "debug"}

    done = subprocess.run(
        [*ATTUNE, "config", "show"], env=variables, cwd=machine.folder / "below", capture_output=True, text=True
    )

    file = machine.folder / "attune.yaml"
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[:2] == [["settings", "file:", str(file)], ["SETTING", "FROM", "VALUE"]]
    assert ["worker.labels.zone", "attune.yaml:3", "eu"] in lines
    assert ["api.token", "attune.yaml:5", "***"] in lines
    assert ["log.level", "ATTUNE__LOG__LEVEL", "debug"] in lines
    assert "attune_hidden" not in done.stdout
