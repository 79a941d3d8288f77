"""Actions and sensors are started only where the host's policy admits what they would execute."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import pytest

from attune.composition.host_examiner import contract_for, refused_folders
from attune.config import load_settings
from attune.core.errors import UsageError
from attune.core.executions.work import Work, WorkEnding, WorkOutcome
from attune.core.ports.sensors import SensorProgram
from attune.host.contract.accounts import run_user
from attune.host.contract.execution_contract import ExecutionContract
from attune.host.contract.launch import CHECK
from attune.host.contract.supervisors import boottime
from attune.host.executions.runner import HostWorkRunner
from attune.host.sensors.output_log import SensorFolder
from attune.host.sensors.process import HostSensorStarter

pytestmark = pytest.mark.anyio
PYTHON = os.path.realpath(sys.executable)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def entry(tmp_path: Path) -> Path:
    path = tmp_path / "act"
    path.write_text(f"#!{PYTHON}\nfrom pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\n")
    path.chmod(0o755)
    return path


def contract(**host: Any) -> ExecutionContract:
    settings = load_settings()
    return contract_for(replace(settings, host=replace(settings.host, landlock=False, **host)))


async def act(entry: Path, interpreter: str | None, **host: Any) -> WorkOutcome:
    async def output(stream: str, text: str) -> None: ...

    return await HostWorkRunner(contract(**host)).run(Work(entry, interpreter, timeout_seconds=20.0), output)


async def sense(entry: Path, interpreter: str | None, **host: Any) -> None:
    log = SensorFolder(entry.parent / "data").output_log(uuid4())
    log.create()
    argv = (interpreter, str(entry)) if interpreter else (str(entry),)
    start = HostSensorStarter(contract(**host))
    sensor = await start(SensorProgram(argv, log.path, log.work), boottime() + 20)
    assert await sensor.started() is None
    await sensor.end()


@pytest.mark.parametrize(
    ("interpreter", "host", "why"),
    [
        (None, {"allowed_binaries": ("python3",)}, "native programs are not among the commands that this host allows"),
        (PYTHON, {"allowed_binaries": ("native",)}, "not among the commands that this host allows"),
        (PYTHON, {"allowed_paths": ("/no/such",)}, "is outside the allowed paths of this host"),
        (None, {"allowed_paths": ("/no/such",)}, "is outside the allowed paths of this host"),
    ],
)
async def test_what_the_host_does_not_admit_is_not_started(
    tmp_path: Path, entry: Path, interpreter: str | None, host: dict[str, Any], why: str
) -> None:
    outcome = await act(entry, interpreter, **host)
    assert (outcome.ending, why in outcome.reason) == (WorkEnding.NOT_STARTED, True), outcome.reason
    with pytest.raises(UsageError, match=why):
        await sense(entry, interpreter, **host)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("interpreter", [PYTHON, None])
async def test_an_entry_point_that_others_can_change_is_not_started(
    tmp_path: Path, entry: Path, interpreter: str | None
) -> None:
    entry.chmod(0o777)  # noqa: ASYNC240
    outcome = await act(entry, interpreter)
    assert (outcome.ending, "is writable by everybody" in outcome.reason) == (WorkEnding.NOT_STARTED, True)
    with pytest.raises(UsageError, match="is writable by everybody"):
        await sense(entry, interpreter)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("interpreter", "host"),
    [
        (PYTHON, {}),
        (None, {}),
        (PYTHON, {"allowed_binaries": (PYTHON,)}),
        (None, {"allowed_binaries": ("native",)}),
        (PYTHON, {"allowed_paths": (str(Path(PYTHON).parent),)}),
    ],
)
async def test_what_is_admitted_runs(
    tmp_path: Path, entry: Path, interpreter: str | None, host: dict[str, Any]
) -> None:
    outcome = await act(entry, interpreter, **host)
    assert (outcome.ending, outcome.exit_code) == (WorkEnding.EXITED, 0), outcome.reason
    assert (tmp_path / "ran").exists()
    (tmp_path / "ran").unlink()
    await sense(entry, interpreter, **host)
    assert (tmp_path / "ran").exists()


def test_a_user_cannot_have_landlock_and_new_privileges(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings()
    settings = replace(settings, host=replace(settings.host, no_new_privileges=False, run_as=None))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UsageError, match=r"host\.landlock: false too"):
        contract_for(settings)
    free = contract_for(replace(settings, host=replace(settings.host, landlock=False)))
    assert not free.now()._launch(CHECK, ["true"], "/bin/true", "/", {}).offline


@pytest.mark.skipif(not os.access("/usr/bin/python3", os.X_OK), reason="needs a Python of the system")
async def test_a_home_that_others_can_change_is_nobodys_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, ran = tmp_path / "home", tmp_path / "ran"
    for minor in range(9, 20):
        packages = home / f".local/lib/python3.{minor}/site-packages"
        packages.mkdir(parents=True)
        (packages / "planted.pth").write_text(f"import pathlib; pathlib.Path({str(ran)!r}).touch()\n")
    home.chmod(0o777)
    monkeypatch.setenv("HOME", str(home))
    entry = tmp_path / "act"
    entry.write_text("import os; print(os.environ['HOME'])\n")

    outcome = await act(entry, "/usr/bin/python3")

    assert (outcome.ending, ran.exists()) == (WorkEnding.EXITED, False)
    assert any(reason.startswith("HOME: ") for reason in refused_folders(load_settings()))
    home.chmod(0o755)
    await act(entry, "/usr/bin/python3")
    assert ran.exists()


async def test_a_variable_is_given_up_when_its_place_is_opened_while_the_node_runs(
    tmp_path: Path, entry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks, seen = tmp_path / "hooks", tmp_path / "seen"
    monkeypatch.setenv("PYENV_HOOK_PATH", str(hooks))
    entry.write_text(f"#!/bin/sh\necho ${{PYENV_HOOK_PATH-none}} >{seen}\n")  # noqa: ASYNC240
    runner = HostWorkRunner(contract())

    async def output(stream: str, text: str) -> None: ...

    async def passed() -> str:
        await runner.run(Work(entry, None, timeout_seconds=20.0), output)
        return seen.read_text().strip()

    assert await passed() == str(hooks)
    hooks.mkdir()
    hooks.chmod(0o777)
    with anyio.fail_after(30):
        while await passed() != "none":
            pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run programs as another user")
async def test_the_home_of_the_user_that_the_host_names_is_trusted_no_more_than_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    nobody = replace(run_user("nobody"), home=str(home))
    monkeypatch.setattr("attune.composition.host_examiner.run_user", lambda name: nobody)
    runner = contract(run_as="nobody")
    assert runner.now().environment["HOME"] == str(home)
    home.chmod(0o777)

    open_home = contract(run_as="nobody")

    assert "HOME" not in open_home.now().environment
    assert open_home._launch(CHECK, ["true"], "/bin/true", "/own", {}).environment["HOME"] == "/own"
