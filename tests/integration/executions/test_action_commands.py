"""What commands say of actions that wait and of events that start nothing, on a database that no node has joined."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from collections.abc import Callable
from types import SimpleNamespace

import pytest

import attune.cli.executions.session as following
from attune.cli.main import run
from attune.composition.packs import load_demo

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(migrated_database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command on a database with the demo pack."""
    monkeypatch.setenv("DATABASE_URL", migrated_database)
    assert asyncio.run(load_demo(migrated_database))

    def execute(*arguments: str) -> tuple[int, str, str]:
        code = run([*arguments])
        return code, *capsys.readouterr()

    return execute


def test_an_execution_that_nothing_can_run_is_explained_at_once_and_in_the_list(command: Command) -> None:
    code, out, err = command("action", "run", "demo.hello_python")
    number = re.findall(r"\d+", out)[0]
    listed = command("execution", "list")[1]

    assert (code, out) == (0, f"execution {number}: requested\n")
    assert f"execution {number} waits for a worker:\n" in err
    assert "none has registered yet\ntry: attune worker start\n" in err
    assert "waits for a worker with core.python" in listed
    assert command("execution", "list", "--status", "failed")[1] == "No execution is like that: attune execution list\n"


def test_an_execution_that_starts_later_says_when(command: Command) -> None:
    code, out, err = command("action", "run", "demo.hello_python", "--in", "10m")
    number = re.findall(r"\d+", out)[0]

    assert (code, out) == (0, f"execution {number}: scheduling\n")
    assert re.search(rf"execution {number} waits:\n(.+\n)*held +not before .+ UTC \(in 10 m\)\n", err)
    assert re.search(r"held back:? +not before", command("execution", "show", number)[1])
    at = command("action", "run", "demo.hello_python", "--at", "2099-01-01T10:00Z", "--json")
    assert json.loads(at[1])["not_before"] == "2099-01-01T10:00:00+00:00"
    far = command("action", "run", "demo.hello_python", "--at", "2999-01-01T10:00Z")
    assert (far[0], "not_before: expected a time up to the year 2099, got 2999-01-01" in far[2]) == (2, True)
    both = command("action", "run", "demo.hello_python", "--at", "10:00", "--in", "1h")
    assert (both[0], both[1]) == (2, "")
    assert "expected either a time or a delay, got both" in both[2]
    assert command("action", "run", "demo.hello_python", "--at", "soon")[0] == 2


def test_executions_are_cancelled_together_once_they_were_seen(command: Command) -> None:
    numbers = [re.findall(r"\d+", command("action", "run", "demo.hello_python")[1])[0] for _ in range(2)]
    asked = ("execution", "cancel", "--action", "demo.hello_python", "--status", "requested")

    seen = command(*asked)
    assert (seen[0], seen[1].splitlines()[0]) == (0, "2 executions to be cancelled: add --yes")
    assert re.search(rf"\n  {numbers[1]} demo.hello_python: requested, asked for .+ ago\n", seen[1])
    assert command(*asked, "--older-than", "1h", "--yes")[1] == "0 executions cancelled, or asked to end\n"
    assert command(*asked, "--yes")[1] == "2 executions cancelled, or asked to end\n"
    assert command("execution", "cancel")[0] == command("execution", "cancel", "--yes")[0] == 2
    both = command("execution", "cancel", numbers[0], "--status", "requested")
    assert (both[0], "options that say which, got both" in both[2]) == (2, True)


def test_the_demo_shows_what_is_said_of_a_runtime_that_nobody_has(command: Command) -> None:
    _, _, err = command("action", "run", "demo.hello_julia")

    assert "needs     core.shell   julia\n" in err


def test_interrupting_a_wait_says_that_the_execution_goes_on(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    sleep = asyncio.sleep

    async def interrupted(seconds: float) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await sleep(seconds + 10)

    signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the parent of this process made of it
    monkeypatch.setattr(following, "asyncio", SimpleNamespace(sleep=interrupted, CancelledError=asyncio.CancelledError))
    code, _, err = command("action", "run", "demo.hello_python", "--wait")

    assert code == 130
    number = re.findall(r"execution (\d+) of", err)[0]
    assert f"execution {number} goes on; end it with: attune execution cancel {number}" in err


def test_an_event_tells_why_each_rule_did_nothing(command: Command) -> None:
    payload = ("-p", "at=now", "-p", "missed:=")
    fired = command("event", "send", "demo.tick", *payload[:-1], "missed:=0")
    unmet = command("event", "send", "demo.tick", *payload[:-1], "missed:=100")
    assert command("rule", "disable", "demo.greet")[0] == 0
    disabled = command("event", "send", "demo.tick", *payload[:-1], "missed:=0")
    nobody = command("event", "send", "core.unheard")

    assert re.search(r"\ndemo.greet: execution \d+, requested\n", fired[1])
    assert unmet[1].endswith("\ndemo.greet: nothing: its condition is not met: payload.missed < 100\n")
    assert disabled[1].endswith("\ndemo.greet: nothing: it is disabled: attune rule enable demo.greet\n")
    assert nobody[0] == 2


def test_json_times_are_rfc_3339_and_those_for_people_have_their_zone(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    following_time = json.loads(command("event", "send", "demo.tick", "-p", "at=now", "-p", "missed:=0", "--json")[1])
    shown = command("event", "show", str(following_time["id"]))[1]

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+-]\d\d:\d\d)", following_time["created"])
    assert re.search(r" at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d (IST|UTC)\n", shown)
