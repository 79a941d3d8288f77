"""The runner as a whole: stopping, deadlines, shortages, threads, real programs, and what it leaves behind."""

from __future__ import annotations

import gc
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from attune.core.runtimes.command import Command, Ending, Outcome
from attune.host.contract.execution_contract import default_contract
from attune.host.contract.policy import HostPolicy
from attune.host.contract.run_folders import RunFolders
from attune.host.probing.path_index import PathIndex
from attune.host.probing.runner import HostRunner
from host_checks import Sandbox, command, open_descriptors, run_all, script, zombies


def test_thousand_lines_half_of_them_hanging_end_by_the_deadline(tmp_path: Path) -> None:
    box = Sandbox(tmp_path)
    lines = {str(n): command("sleep", "300") if n % 2 else command("true") for n in range(1000)}

    began = time.monotonic()
    outcomes = run_all(box.checks().runner, lines, deadline=2.0)

    assert time.monotonic() - began < 100
    assert len(outcomes) == 1000
    assert all(outcomes[str(n)].ending is Ending.UNDECIDED for n in range(1, 1000, 2))
    assert sum(outcome.ending is Ending.EXITED for outcome in outcomes.values()) >= 1
    assert box.left_behind() == []


def test_successors_after_the_deadline_are_undecided_too(tmp_path: Path) -> None:
    seen: list[Outcome] = []

    def then(key: str, done: Command, outcome: Outcome) -> Command | None:
        seen.append(outcome)
        return command("true") if len(seen) == 1 else None

    Sandbox(tmp_path).checks().runner.run({"a": command("sleep", "300")}, then, deadline_seconds=0.2)

    assert [outcome.detail for outcome in seen] == ["still running at the deadline", "not checked before the deadline"]


def test_stop_interrupts_a_run_from_another_thread_and_all_later_ones(tmp_path: Path) -> None:
    box = Sandbox(tmp_path)
    runner = box.checks().runner
    threading.Timer(0.3, runner.stop).start()

    began = time.monotonic()
    outcomes = run_all(runner, {str(n): command("sleep", "300") for n in range(100)})
    later = run_all(runner, {"later": command("true")})

    assert time.monotonic() - began < 100
    assert {(o.ending, o.detail) for o in outcomes.values()} == {(Ending.UNDECIDED, "interrupted")}
    assert (later["later"].ending, later["later"].detail) == (Ending.UNDECIDED, "interrupted")
    assert box.left_behind() == []


@pytest.mark.parametrize("failing", ["then", "started", "finished"])
def test_error_of_a_callback_ends_everything_first(tmp_path: Path, failing: str) -> None:
    box = Sandbox(tmp_path)

    def fail_on(name: str, key: str) -> None:
        if name == failing and key == "quick":
            raise LookupError(name)

    class Faulty:
        def started(self, key: str, done: Command) -> None:
            fail_on("started", key)

        def finished(self, key: str, done: Command, outcome: Outcome) -> None:
            fail_on("finished", key)

    lines = {"hanging": command("sh", "-c", "setsid sleep 300 & sleep 300"), "quick": command("true")}
    with pytest.raises(LookupError, match=failing):
        box.checks().runner.run(lines, lambda key, *_: fail_on("then", key), observer=Faulty())

    assert box.left_behind() == []
    assert zombies() == []


def test_keyboard_interrupt_ends_everything_first(tmp_path: Path) -> None:
    box = Sandbox(tmp_path)
    program = (
        "import sys; from attune.core.runtimes.command import Command; from attune.host.probing.assemble import *\n"
        "from dataclasses import replace\n"
        "environment = dict(PATH='/usr/bin:/bin', TEST_MARK=sys.argv[1])\n"
        "contract = replace(default_contract(environment), environment=environment)\n"
        "checks = assemble(environment, HostOptions(contract=contract))\n"
        "lines = {str(n): Command(('sh', '-c', 'setsid sleep 300 & sleep 300'), 60) for n in range(8)}\n"
        "print('ready', flush=True)\n"
        "checks.runner.run(lines, lambda *a: None)"
    )
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", program, box.mark], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.5)
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=20)

    assert b"KeyboardInterrupt" in errors
    assert box.left_behind() == []


def test_two_runs_at_the_same_time_do_not_disturb_each_other(tmp_path: Path) -> None:
    runner = Sandbox(tmp_path).checks().runner
    results: dict[int, dict[str, Outcome]] = {}

    def work(number: int) -> None:
        lines = {str(n): command("sh", "-c", f"setsid sleep 300 & sleep 0.0{n}; echo {number}-{n}") for n in range(9)}
        results[number] = run_all(runner, lines)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for number in range(3):
        assert [results[number][str(n)].stdout for n in range(9)] == [f"{number}-{n}\n" for n in range(9)]
    assert zombies() == []


def test_children_started_by_other_threads_meanwhile_survive(tmp_path: Path) -> None:
    runner = Sandbox(tmp_path).checks().runner
    own: list[subprocess.Popen[bytes]] = []
    done = threading.Event()

    def keep_starting() -> None:
        while not done.is_set():
            own.append(subprocess.Popen(["sleep", "300"], start_new_session=bool(len(own) % 2)))
            time.sleep(0.005)

    thread = threading.Thread(target=keep_starting)
    thread.start()
    try:
        for _ in range(5):
            run_all(runner, {str(n): command("sh", "-c", "setsid sleep 300 & echo hi") for n in range(10)})
    finally:
        done.set()
        thread.join()
        alive = [child.poll() is None for child in own]
        for child in own:
            child.kill()
            child.wait()

    assert len(own) > 5
    assert all(alive)


def test_runs_leak_no_descriptor_no_folder_and_no_process(tmp_path: Path) -> None:
    box = Sandbox(tmp_path)
    place = tmp_path / "run"
    runner = HostRunner(replace(box.contract, folders=RunFolders([str(place)])), PathIndex(box.environment["PATH"]))
    lines = {
        "good": command("true"),
        "gone": command("no-such-command"),
        "broken": command(script(tmp_path, "broken", "", interpreter="/no/such")),
        "stray": command("sh", "-c", "setsid sleep 300 & exit 0"),
        "late": command("sleep", "300", limit=0.01),
    }
    run_all(runner, lines)
    gc.collect()  # what tests before this one left
    before = open_descriptors()

    for _ in range(100):
        run_all(runner, lines)

    assert len(open_descriptors()) < len(before) + 10
    assert list(place.glob("*/*/*")) == []
    assert len(list(place.glob("*/*"))) <= len(lines)  # empty ones, for the next checks
    assert zombies() == []
    assert box.left_behind() == []


def test_shortage_of_descriptors_is_waited_out(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(open_descriptors())
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 20, hard))
    try:
        outcomes = run_all(
            Sandbox(tmp_path).checks().runner, {str(n): command("sh", "-c", "sleep 0.02; echo hi") for n in range(30)}
        )
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert {outcome.stdout for outcome in outcomes.values()} == {"hi\n"}


def test_lasting_shortage_is_undecided(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    runner = Sandbox(tmp_path).checks().runner
    run_all(runner, {"warm": command("true")})
    used = max(open_descriptors())
    between = []
    while (fd := os.dup(0)) < used:
        between.append(fd)
    resource.setrlimit(resource.RLIMIT_NOFILE, (fd + 6, hard))
    try:
        outcome = run_all(runner, {"a": command("true")})["a"]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for open_one in (fd, *between):
            os.close(open_one)

    assert (outcome.ending, outcome.detail) == (Ending.UNDECIDED, "not started: too many open files")


def test_checks_get_a_private_folder_and_no_secrets(tmp_path: Path) -> None:
    environment = {
        "PATH": "/usr/bin:/bin",
        "ATTUNE_TOKEN": "x",
        "API_KEY": "x",
        "DATABASE_URL": "x",
        "PGPASSWORD": "x",
        "UNKNOWN": "x",
        "JAVA_HOME": "/opt/java",
        "LC_ALL": "de_DE",
    }
    runner = HostRunner(default_contract(environment), PathIndex("/usr/bin:/bin"))
    outcomes = run_all(
        runner, {"env": command("env"), "folder": command("sh", "-c", "pwd; stat -c %a . ; ls -A | wc -l; id -u")}
    )

    variables = dict(line.split("=", 1) for line in outcomes["env"].stdout.splitlines())
    assert not variables.keys() & {"ATTUNE_TOKEN", "API_KEY", "DATABASE_URL", "PGPASSWORD", "UNKNOWN"}
    assert (variables["JAVA_HOME"], variables["LC_ALL"], variables["TERM"]) == ("/opt/java", "C.UTF-8", "dumb")
    folder, mode, files, _ = outcomes["folder"].stdout.split()
    assert (mode, files) == ("700", "0")
    assert list(Path(folder).iterdir()) == []


def test_forbidden_binaries_are_refused_without_being_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside, outside):
        folder.mkdir()
    script(outside, "evil", f"touch {ran}")
    (inside / "link").symlink_to(outside / "evil")
    script(inside, "good", "echo good")
    policy = HostPolicy(allowed_paths=(str(inside),))
    limited = HostPolicy(allowed_binaries=frozenset({"good"}))
    path = f"{inside}:{outside}"
    contract = default_contract({"PATH": path})

    trusted = run_all(HostRunner(contract, PathIndex(path, policy)), _named("good", "evil", "link"))
    allowed = run_all(HostRunner(contract, PathIndex(path, limited)), _named("good", "evil", "absent"))

    assert trusted["good"].stdout == allowed["good"].stdout == "good\n"
    assert {trusted[name].ending for name in ("evil", "link")} == {Ending.REFUSED}
    assert {allowed[name].ending for name in ("evil", "absent")} == {Ending.REFUSED}
    assert trusted["link"].detail.startswith(
        f"{inside}/link leads to {outside}/evil, which is outside the allowed paths"
    )
    assert not ran.exists()


def test_endless_computations_do_not_hold_up_the_others(tmp_path: Path) -> None:
    busy = {f"busy{n}": command("sh", "-c", "while :; do :; done", limit=200.0) for n in range(8)}
    quick = {f"quick{n}": command("echo", "hi", limit=200.0) for n in range(8)}
    runner, ends = Sandbox(tmp_path).checks().runner, dict[str, str]()

    def then(key: str, done: Command, outcome: Outcome) -> Command | None:
        ends[key] = outcome.stdout
        if quick.keys() <= ends.keys():
            runner.stop()
        return None

    runner.run(busy | quick, then)

    assert list(ends.values()) == ["hi\n"] * 8 + [""] * 8


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (("python3", "--version"), "Python 3"),
        (("node", "--version"), "v"),
        (("perl", "--version"), "This is perl"),
        (("java", "-version"), "version"),
        (("bash", "--version"), "GNU bash"),
        (("git", "--version"), "git version"),
        (("gcc", "--version"), "gcc"),
    ],
)
def test_real_programs_of_this_machine_tell_their_version(argv: tuple[str, ...], expected: str) -> None:
    if shutil.which(argv[0]) is None:
        pytest.skip(f"{argv[0]} is not installed")
    runner = HostRunner(default_contract(os.environ), PathIndex(os.environ["PATH"]))
    outcome = run_all(runner, {"a": command(*argv, limit=60)})["a"]

    assert (outcome.ending, outcome.exit_code) == (Ending.EXITED, 0)
    assert expected in outcome.stdout + outcome.stderr


def _named(*names: str) -> dict[str, Command]:
    return {name: command(name) for name in names}
