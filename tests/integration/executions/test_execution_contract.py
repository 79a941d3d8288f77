"""One program tells its whole world as a check, an action and a sensor: what differs stands in the table of kinds."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pwd
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from attune.core.executions.work import Work, WorkEnding
from attune.core.ports.sensors import SensorProgram
from attune.core.runtimes.command import Command
from attune.host.contract.accounts import run_user
from attune.host.contract.cgroups import group_problem
from attune.host.contract.environment import RUN_BY
from attune.host.contract.execution_contract import ExecutionContract, default_contract
from attune.host.contract.landlock import landlock_version
from attune.host.contract.launch import KINDS, Limits
from attune.host.contract.readable import ReadableFiles
from attune.host.contract.run_folders import RunFolders
from attune.host.contract.supervisors import SupervisorPool, boottime
from attune.host.executions.runner import HostWorkRunner
from attune.host.probing.assemble import HostOptions, assemble
from attune.host.probing.path_index import PathIndex
from attune.host.sensors.output_log import SensorFolder
from attune.host.sensors.process import HostSensorStarter
from host_checks import run_all
from waiting import wait_for

pytestmark = pytest.mark.anyio

WORLD = """\
import ctypes, json, os, resource, signal, sys
parents, place = [], os.getcwd()
while place != "/":
    place = os.path.dirname(place)
    status = os.stat(place)
    parents.append([status.st_uid, oct(status.st_mode & 0o7777)])
fields = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines() if ":" in line)
print(json.dumps({
    "environment": dict(os.environ),
    "folder": os.getcwd(),
    "folder mode": oct(os.stat(".").st_mode & 0o7777),
    "folder owner": os.stat(".").st_uid,
    "files": sorted(os.listdir(".")),
    "parents": parents,
    "descriptors": sorted(int(name) for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")),
    "umask": fields["Umask"].strip(),
    "user": os.getresuid(),
    "groups": [os.getresgid(), sorted(os.getgroups())],
    "limits": {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name[:7] == "RLIMIT_"},
    "argv0": sys.orig_argv[0],
    "real path": os.path.realpath(sys.executable),
    "no new privileges": fields["NoNewPrivs"].strip(),
    "ignored signals": [n for n in range(1, 32) if int(fields["SigIgn"], 16) >> n - 1 & 1 and n not in (13, 25)],
    "blocked signals": [n for n in range(1, 32) if int(fields["SigBlk"], 16) >> n - 1 & 1],
    "leads its session": os.getsid(0) == os.getpid() == os.getpgrp(),
}), flush=True)
"""
SERVICE = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/home/service",
    "ACME_RUBY_HOME": "/opt/ruby",
    "JAVA_HOME": "/opt/java",
    "ATTUNE_TOKEN": "planted",
    "DATABASE_URL": "planted",
    "PGPASSWORD": "planted",
    "LD_PRELOAD": "/tmp/planted.so",
    "PYTHONPATH": "/tmp/planted",
    "NODE_OPTIONS": "--require /tmp/planted",
    "LC_ALL": "de_DE.UTF-8",
}
PYTHON = os.path.realpath(sys.executable)
SYSTEM_PYTHON = "/usr/bin/python3"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def as_check(contract: ExecutionContract, script: Path, python: str = PYTHON) -> Any:
    checks = assemble(SERVICE, HostOptions(contract=contract))
    outcomes = await asyncio.to_thread(run_all, checks.runner, {"it": Command((python, str(script)), 20.0)})
    return json.loads(outcomes["it"].stdout)


async def as_action(contract: ExecutionContract, script: Path, python: str = PYTHON) -> Any:
    async def output(stream: str, text: str) -> None: ...

    outcome = await HostWorkRunner(contract).run(Work(script, python, timeout_seconds=20.0), output)
    assert outcome.ending is WorkEnding.EXITED, outcome
    return outcome.result


async def as_sensor(contract: ExecutionContract, script: Path, python: str = PYTHON) -> Any:
    log = SensorFolder(script.parent).output_log(uuid4())
    log.create()
    if contract.user is not None:
        os.chown(log.work, contract.user.uid, contract.user.gid)
    program = SensorProgram((python, str(script)), log.path, log.work)
    sensor = await HostSensorStarter(contract)(program, boottime() + 20)
    assert await sensor.started() is None
    await sensor.end()
    return json.loads(log.read(0, 1 << 20))


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user may enter, and where programs may not write."""
    folder = Path(tempfile.mkdtemp(prefix="attune-contract-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def script(place: Path) -> Path:
    path = place / "world.py"
    path.write_text(WORLD)
    return path


def contract_of(folder: Path, **options: Any) -> ExecutionContract:
    home = options["user"].home if "user" in options else SERVICE["HOME"]
    environment = {**default_contract(SERVICE).environment, "HOME": home, "ACME_RUBY_HOME": SERVICE["ACME_RUBY_HOME"]}
    folders = RunFolders([str(folder / "run")], owner=options.pop("owner", None))
    contract = replace(default_contract(SERVICE), environment=environment, folders=folders)
    return replace(contract, **options)


async def worlds(contract: ExecutionContract, script: Path, python: str = PYTHON) -> dict[str, Any]:
    return {
        "check": await as_check(contract, script, python),
        "action": await as_action(contract, script, python),
        "sensor": await as_sensor(contract, script, python),
    }


def without_differences(world: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """*world* without what the table of kinds says that differs."""
    [row] = [row for row in KINDS if row.name == kind]
    own = {"TMPDIR": world["folder"], RUN_BY: kind, **row.variables}
    environment = dict(world["environment"])
    assert own == {name: environment.pop(name) for name in own}
    return {**world, "environment": environment, "folder": None, "parents": None}


@pytest.mark.parametrize("confined", [False, True])
async def test_a_check_an_action_and_a_sensor_see_the_same_world(place: Path, script: Path, confined: bool) -> None:
    seen = await worlds(contract_of(place, confined=confined, path=PathIndex(SERVICE["PATH"]).trusted_path), script)

    alike = [without_differences(world, kind) for kind, world in seen.items()]
    assert alike[0] == alike[1] == alike[2]
    world = alike[0]
    assert (world["files"], world["folder mode"], world["descriptors"]) == ([], "0o700", [0, 1, 2])
    assert (world["umask"], world["argv0"], world["real path"]) == ("0022", PYTHON, PYTHON)
    assert (world["no new privileges"], world["leads its session"], world["limits"]["RLIMIT_CORE"]) == (
        "1",
        True,
        [0, 0],
    )
    assert (world["ignored signals"], world["blocked signals"]) == ([], [])
    environment = world["environment"]
    assert (environment["HOME"], environment["ACME_RUBY_HOME"], environment["LC_ALL"]) == (
        "/home/service",
        "/opt/ruby",
        "C.UTF-8",
    )
    assert "planted" not in json.dumps(seen)


async def test_no_parent_of_a_working_folder_is_writable_by_others(script: Path) -> None:
    contract = default_contract(SERVICE)

    for world in (await as_check(contract, script), await as_action(contract, script)):
        assert {owner for owner, _ in world["parents"]} <= {0, os.geteuid()}
        assert all(int(mode, 8) & 0o022 == 0 for _, mode in world["parents"])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run programs as another user")
@pytest.mark.skipif(not os.access(SYSTEM_PYTHON, os.X_OK), reason="needs a Python that every user may run")
async def test_all_run_as_the_user_that_the_host_names(place: Path, script: Path) -> None:
    user = run_user("nobody")
    contract = contract_of(place, user=user, owner=(user.uid, user.gid))

    seen = await worlds(contract, script, SYSTEM_PYTHON)

    for world in seen.values():
        assert world["user"] == [user.uid] * 3
        assert world["groups"] == [[user.gid] * 3, sorted(user.groups)]
        assert world["folder owner"] == user.uid
        assert (world["environment"]["USER"], world["environment"]["HOME"]) == ("nobody", pwd.getpwnam("nobody").pw_dir)


async def test_limits_hold_for_all(place: Path, script: Path) -> None:
    contract = contract_of(place, limits=Limits(memory_bytes=1 << 30, processes=4000))

    for world in (await worlds(contract, script)).values():
        assert world["limits"]["RLIMIT_AS"] == [1 << 30] * 2
        assert world["limits"]["RLIMIT_NPROC"] == [4000] * 2


REACH = """\
import json, os, signal, socket, sys
def tried(action):
    try:
        action()
        return "done"
    except OSError as error:
        return error.strerror
open("inside", "w").close()
print(json.dumps({
    "write": tried(lambda: open(sys.argv[1] + "/outside", "w")),
    "truncate": tried(lambda: os.truncate(sys.argv[1] + "/there", 0)),
    "allowed": tried(lambda: open(sys.argv[1] + "/allowed/file", "w")),
    "signal": tried(lambda: os.kill(int(sys.argv[2]), 0)),
    "environ": tried(lambda: open("/proc/" + sys.argv[2] + "/environ").read(1)),
    "connect": tried(lambda: socket.create_connection(("127.0.0.1", int(sys.argv[3])), 5).close()),
}), flush=True)
"""


@pytest.mark.skipif(landlock_version() < 6, reason="this kernel has no Landlock of version 6")
async def test_a_confined_program_writes_and_signals_only_where_it_may(place: Path) -> None:
    import socket

    (place / "allowed").mkdir()
    (place / "there").write_text("kept")
    listener = socket.create_server(("127.0.0.1", 0))
    arguments = (str(place), str(os.getpid()), str(listener.getsockname()[1]))
    script = place / "reach.py"
    script.write_text(REACH)

    async def reached(**options: Any) -> tuple[Any, Any]:
        contract = contract_of(place, writable=(str(place / "allowed"),), **options)
        checks = assemble(SERVICE, HostOptions(contract=contract))
        lines = {"it": Command((PYTHON, str(script), *arguments), 20.0)}
        check = (await asyncio.to_thread(run_all, checks.runner, lines))["it"]

        async def output(stream: str, text: str) -> None: ...

        work = Work(script, PYTHON, interpreter_args=(), parameters={}, environment={}, timeout_seconds=20.0)
        wrapper = place / "wrapper.sh"
        wrapper.write_text(f"exec {PYTHON} {script} {' '.join(arguments)}")
        action = await HostWorkRunner(contract).run(replace(work, entrypoint=wrapper, interpreter="/bin/sh"), output)
        return json.loads(check.stdout), action.result

    with listener:
        (place / "outside").unlink(missing_ok=True)
        check, action = await reached(confined=True)
        denied = {"write": "Permission denied", "truncate": "Permission denied", "allowed": "done"}
        denied |= {"signal": "Operation not permitted", "environ": "Permission denied"}
        if os.geteuid() == 0:  # root may look at every process, since Linux 6.13 by another right than ptrace's
            denied["environ"] = check["environ"]
        assert check == {**denied, "connect": "Permission denied"}
        assert action == {**denied, "connect": "done"}
        assert (place / "there").read_text() == "kept"
        check, action = await reached(confined=False)
        assert {**check, "connect": "done"} == action == dict.fromkeys(action, "done")


READS = """\
import json, sys
def read(path):
    try:
        return open(path).read()
    except PermissionError:
        return "denied"
print(json.dumps({path.rpartition("/")[2]: read(path) for path in PATHS}))
"""


@pytest.mark.skipif(landlock_version() < 1, reason="needs a kernel with Landlock")
async def test_checks_and_actions_cannot_read_what_is_hidden(place: Path) -> None:
    for name in ("hidden", "seen", "folder/inside", "later"):
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text(name)
    (place / "link").symlink_to("hidden")
    paths = [str(place / name) for name in ("hidden", "seen", "folder/inside", "later", "link")]
    script = place / "read.py"
    script.write_text(f"PATHS = {paths}\n{READS}")
    hidden = ReadableFiles(frozenset({str(place / "hidden"), str(place / "folder"), str(place / "run")}))
    contract = contract_of(place, confined=True, readable=hidden)

    everything = {"hidden": "hidden", "seen": "seen", "inside": "folder/inside", "later": "later", "link": "hidden"}
    for later in ("later", "replaced"):
        (place / "new").write_text(later)
        (place / "new").rename(place / "later")
        seen = {**everything, **dict.fromkeys(("hidden", "inside", "link"), "denied"), "later": later}
        assert await worlds(contract, script) == {
            "check": seen,
            "action": seen,
            "sensor": {**everything, "later": later},
        }


@pytest.mark.skipif(group_problem() is not None, reason="no control group can be made here")
async def test_what_forks_faster_than_it_can_be_ended_is_ended_by_its_control_group(place: Path) -> None:
    mark = f"mark{uuid4().hex}"
    script = place / "forks.py"
    script.write_text(
        f"import os, time\n# {mark}\nfor _ in range(40):\n  if os.fork() == 0:\n    os.setsid()\n    while True:\n"
        "      if os.fork(): os._exit(0)\ntime.sleep(60)\n"
    )
    pool = SupervisorPool()
    checks = assemble(SERVICE, HostOptions(contract=contract_of(place, supervisors=pool)))

    lines = {"it": Command((PYTHON, str(script), mark), 0.5)}
    outcome = (await asyncio.to_thread(run_all, checks.runner, lines))["it"]
    pool.close()

    assert outcome.detail == "timed out after 0.5 s"
    wait_for(lambda: not _processes_of(mark))  # all are killed at once, and end when they get the processor


def _processes_of(mark: str) -> list[str]:
    lines = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            lines.append((process / "cmdline").read_bytes().decode(errors="replace"))
    return [line for line in lines if mark in line]
