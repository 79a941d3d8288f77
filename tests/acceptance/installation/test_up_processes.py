"""The processes of `attune up`: what becomes of the others, and of what runs, when one dies or is stopped."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from command_hosts import Machine, free_port
from waiting import wait_for

SERVICES = ("api", "worker", "sensor")
PACK = {
    "pack.yaml": "ref: slow\nlabel: Slow\nversion: 1.0.0\n",
    "actions/wait.yaml": "name: wait\nlabel: Wait\nentry_point: wait.sh\nruntime: shell\ndelivery: env\n"
    "on_lost: abandon\nparameters: {begun: {type: string}, end: {type: string}}\n",
    "actions/wait.sh": 'echo $$ > "$ATTUNE_PARAM_BEGUN"\nuntil [ -e "$ATTUNE_PARAM_END" ]; do sleep 0.05; done\n',
}
WITH_TERMINAL = """\
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "attune", "up"])
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    made.real("sh", "bash", "sleep")
    made.variables |= {
        "ATTUNE__HEARTBEAT__INTERVAL": "0.2s",
        "ATTUNE__DEMO": "false",
        "ATTUNE__API__PORT": str(free_port()),
    }
    return made


def log_of(machine: Machine) -> str:
    return (machine.folder / "up.log").read_text()


def wait_until_up(machine: Machine) -> None:
    wait_for(lambda: "attune is up" in log_of(machine))


@contextmanager
def up_on_terminal(machine: Machine) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`attune up` as what runs in the foreground of a terminal, and that terminal."""
    terminal, theirs = os.openpty()
    with (machine.folder / "up.log").open("ab") as log:
        command = [sys.executable, "-c", WITH_TERMINAL]
        environment, folder = machine.environment(), machine.folder
        process = subprocess.Popen(command, env=environment, cwd=folder, stdin=theirs, stdout=log, stderr=log)
    os.close(theirs)
    try:
        wait_until_up(machine)
        yield process, terminal
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


def children(pid: int) -> dict[str, int]:
    """The processes that *pid* has started, by their names."""
    found = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = status.read_text().partition("(")[2].rpartition(")")
        except (FileNotFoundError, ProcessLookupError):
            continue
        state, parent = rest.split()[:2]
        if int(parent) == pid and state != "Z":
            found[name] = int(status.parent.name)
    return found


def answers(machine: Machine) -> bool:
    """Whether the API does; a request waits while another process takes its place."""
    with urllib.request.urlopen(
        f"http://127.0.0.1:{machine.variables['ATTUNE__API__PORT']}/healthz", timeout=60
    ) as answer:
        return bool(answer.status == 200)


def begin_work(machine: Machine) -> Path:
    """Have an execution run that ends when the file is made."""
    for path, text in PACK.items():
        (machine.folder / "pack" / path).parent.mkdir(parents=True, exist_ok=True)
        (machine.folder / "pack" / path).write_text(text)
    assert machine.attune("pack", "load", str(machine.folder / "pack")).returncode == 0
    begun, end = machine.temporary / "begun", machine.temporary / "end"
    asked = machine.attune("action", "run", "slow.wait", "-p", f"begun={begun}", "-p", f"end={end}")
    assert asked.returncode == 0, asked.stderr
    wait_for(lambda: begun.exists() and begun.read_text())
    return end


def execution(machine: Machine) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(machine.attune("execution", "show", "1", "--json").stdout)
    return shown


@pytest.mark.usefixtures("installed")
def test_each_process_is_started_again_while_the_others_go_on(machine: Machine) -> None:
    process = machine.start("up", log=machine.folder / "up.log")
    try:
        wait_until_up(machine)
        before = children(process.pid)
        end = begin_work(machine)
        for service in ("api", "sensor"):
            os.kill(before[f"attune {service}"], signal.SIGKILL)
            wait_for(lambda service=service: f"{service} is up again" in log_of(machine))
            assert answers(machine)
        end.touch()
        wait_for(lambda: execution(machine)["status"] == "completed")
        assert execution(machine)["attempt"] == 1
        os.kill(before["attune worker"], signal.SIGKILL)
        wait_for(lambda: "worker is up again" in log_of(machine))
        assert answers(machine)

        after = children(process.pid)
        assert set(after) == set(before)
        assert all(after[name] != before[name] for name in before if name.startswith("attune"))
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    for service in SERVICES:
        assert log_of(machine).count(f"{service} ended: SIGKILL; it is started again in ") == 1
    assert log_of(machine).index("worker stops") < log_of(machine).index("attune is down.")


@pytest.mark.usefixtures("installed")
def test_nothing_is_left_of_one_that_is_killed(machine: Machine) -> None:
    process = machine.start("up", log=machine.folder / "up.log")
    wait_until_up(machine)
    left = children(process.pid)
    end = begin_work(machine)
    program = int((machine.temporary / "begun").read_text())
    process.kill()
    process.wait()
    wait_for(lambda: "stopping: 1 execution still runs (slow.wait #1)" in log_of(machine))
    assert Path(f"/proc/{program}").exists()  # the worker ends as if it was asked to
    end.touch()

    for pid in (*left.values(), program):
        wait_for(lambda pid=pid: not Path(f"/proc/{pid}").exists())
    with socket.create_server(("127.0.0.1", int(machine.variables["ATTUNE__API__PORT"]))):
        assert set(left) == {"postgres", *(f"attune {service}" for service in SERVICES)}


@pytest.mark.usefixtures("installed")
def test_ctrl_c_says_what_is_waited_for_and_again_ends_it(machine: Machine) -> None:
    with up_on_terminal(machine) as (process, terminal):
        begin_work(machine)
        program = int((machine.temporary / "begun").read_text())
        os.write(terminal, b"\x03")
        wait_for(lambda: "stopping: 1 execution still runs (slow.wait #1); Ctrl-C again ends it" in log_of(machine))
        assert execution(machine)["status"] == "running"
        os.write(terminal, b"\x03")
        assert process.wait(60) == 0
        assert not Path(f"/proc/{program}").exists()
    said = log_of(machine)
    assert "execution 1 of slow.wait: abandoned after" in said
    assert f"worker worker-{os.uname().nodename} was stopped while it ran" in said
    assert [said.count(what) for what in ("stopping signal=SIGINT", "on the second signal", "lost")] == [1, 1, 0]
    assert said.endswith("attune is down.\n")


def test_a_process_that_cannot_start_is_tried_again_with_a_line_each_time(
    machine: Machine, migrated_database: str
) -> None:
    machine.variables["DATABASE_URL"] = migrated_database
    elsewhere = {"ATTUNE_DATA_DIR": str(machine.folder / "elsewhere")}  # its name is not for the folder of `up`
    other = machine.start("worker", "start", log=machine.folder / "other.log", **elsewhere)
    wait_for(lambda: "worker registered" in (machine.folder / "other.log").read_text())
    process = machine.start("up", log=machine.folder / "up.log")
    try:
        ended = "worker ended: exit code 1; it is started again in "
        wait_for(lambda: log_of(machine).count(ended) == 3)
        assert "attune is up" not in log_of(machine)
        other.terminate()
        assert other.wait(60) == 0
        wait_until_up(machine)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        for one in (process, other):
            one.kill()
            one.wait()
    tries = log_of(machine).count(ended)
    assert log_of(machine).count("is held by") == tries
    waited = [float(line.split(ended)[1].split()[0]) for line in log_of(machine).splitlines() if ended in line]
    assert waited[2] > waited[0]
