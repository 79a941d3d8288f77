"""`attune up` in the background, and without those who started it or read its log."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from command_hosts import Machine
from waiting import wait_for

REMOVE = Path(__file__).parents[3] / "docs" / "how-to" / "remove-attune.md"
ATTUNE = (sys.executable, "-m", "attune")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    made.variables |= {"ATTUNE__HEARTBEAT__INTERVAL": "0.2s", "ATTUNE__DEMO": "false"}
    return made


def state(machine: Machine) -> dict[str, str]:
    return {one["subject"]: one["text"] for one in json.loads(machine.attune("status", "--json").stdout)}


def process_of(machine: Machine) -> int:
    return int(state(machine)["attune"].split("process ")[1].split()[0].rstrip(","))


def is_up(machine: Machine) -> bool:
    return " on http://" in state(machine)["attune"]


def test_up_goes_on_in_the_background_until_down(machine: Machine) -> None:
    before = machine.attune("status")
    assert (before.returncode, "not up" in before.stdout) == (1, True)

    begun = machine.attune("up", "--detach")
    try:
        assert begun.returncode == 0, begun.stderr
        process = process_of(machine)
        assert begun.stdout.startswith(f"attune is up: process {process} on http://127.0.0.1:")
        seen = machine.attune("status")
        assert (seen.returncode, "workers   1 of 1 live" in seen.stdout) == (0, True)
        for again in (("up",), ("up", "--detach")):
            refused = machine.attune(*again)
            assert (refused.returncode, "attune is up already" in refused.stderr) == (1, True)
    finally:
        ended = machine.attune("down")
    assert (ended.returncode, ended.stdout) == (0, "attune is down.\n")
    assert not is_running(process)
    assert "sensor stops" in (machine.folder / "data" / "attune.log").read_text()
    assert machine.attune("down").stdout == "attune is not up.\n"
    assert state(machine)["attune"] == "not up"


@pytest.mark.usefixtures("installed")
def test_what_does_not_come_up_says_why(machine: Machine) -> None:
    failed = machine.attune("up", "--detach", ATTUNE__API__HOST="192.0.2.1")

    assert (failed.returncode, "expected an address that is free, got 192.0.2.1" in failed.stderr) == (1, True)
    assert state(machine)["attune"] == "not up"


@pytest.mark.usefixtures("installed")
def test_a_killed_one_is_not_taken_for_one_that_is_up(machine: Machine) -> None:
    assert machine.attune("up", "--detach").returncode == 0
    os.kill(process_of(machine), signal.SIGKILL)

    wait_for(lambda: state(machine)["attune"] == "not up")
    assert machine.attune("down").returncode == 0
    wait_for(lambda: not (machine.folder / "data" / "postgres" / "postmaster.pid").exists())


def test_the_page_that_removes_it_leaves_nothing_in_the_folder_of_a_user(machine: Machine) -> None:
    machine.real("sh", "rm")
    machine.command("attune", script=f'exec {sys.executable} -m attune "$@"')
    machine.variables["ATTUNE_DATA_DIR"] = str(
        machine.folder / ".local" / "share" / "attune"
    )  # of a user, also as root
    before = set(machine.folder.rglob("*"))
    assert machine.attune("up", "--detach").returncode == 0
    process = process_of(machine)
    stop, remove = (
        line.removeprefix("$ ")
        for line in REMOVE.read_text().splitlines()
        if line.startswith(("$ attune down", "$ rm"))
    )
    for command in (stop, remove):
        done = subprocess.run(["sh", "-c", command], env=machine.environment(), cwd=machine.folder, capture_output=True)
        assert (done.returncode, done.stderr) == (0, b"")

    assert not is_running(process)
    made = {path.relative_to(machine.folder) for path in set(machine.folder.rglob("*")) - before}
    assert {str(path) for path in made} <= {".local", ".local/share", ".local/state", ".cache", "temporary"}


def is_running(process: int) -> bool:
    """Whether it runs, and is not only waiting for its parent to collect it."""
    status = Path(f"/proc/{process}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def started(machine: Machine, **streams: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*ATTUNE, "up"], env=machine.environment(), cwd=machine.folder, **streams)


@pytest.mark.usefixtures("installed")
def test_a_reader_of_the_log_that_goes_or_stops_reading_stops_nothing(machine: Machine) -> None:
    for close in (True, False):
        process = started(machine, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert process.stdout is not None
        try:
            if close:
                process.stdout.close()
            wait_for(lambda: is_up(machine))
            assert state(machine)["workers"] == "1 of 1 live"
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


@pytest.mark.usefixtures("installed")
def test_up_ends_with_its_terminal_but_reloads_on_the_same_signal_while_that_is_there(machine: Machine) -> None:
    terminal, theirs = os.openpty()
    program = "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0)"
    program += "; os.execv(sys.executable, [sys.executable, '-m', 'attune', 'up'])"
    with (machine.folder / "up.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            env=machine.environment(),
            cwd=machine.folder,
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
    os.close(theirs)
    try:
        wait_for(lambda: is_up(machine))
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: "reloading" in (machine.folder / "up.log").read_text())
        assert is_up(machine)
        os.close(terminal)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    assert "stopping signal=SIGHUP" in (machine.folder / "up.log").read_text()
