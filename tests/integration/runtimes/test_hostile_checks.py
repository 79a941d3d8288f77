"""Checks that misbehave, as real processes: each gets its own verdict in time, and nothing is left of it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from attune.core.runtimes.command import Command, Ending, Outcome
from host_checks import Sandbox, command, run_all, script, zombies

LIMIT = 0.5


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    box = Sandbox(tmp_path)
    yield box
    left = box.left_behind()
    assert left == []
    assert zombies() == []


def examine(sandbox: Sandbox, *argv: str, limit: float = LIMIT) -> Outcome:
    """The outcome of one check that runs among well-behaved ones, which must not suffer."""
    lines = {f"neighbour{n}": command("sh", "-c", f"sleep 0.05; echo {n}") for n in range(8)}
    outcomes = run_all(sandbox.checks().runner, {"hostile": Command(argv, limit), **lines})
    assert [outcomes[f"neighbour{n}"].stdout for n in range(8)] == [f"{n}\n" for n in range(8)]
    return outcomes["hostile"]


def test_check_that_hangs_is_timed_out(sandbox: Sandbox) -> None:
    outcome = examine(sandbox, "sh", "-c", "echo begun; sleep 300")

    assert (outcome.ending, outcome.detail, outcome.exit_code) == (Ending.TIMED_OUT, "timed out after 0.5 s", None)
    assert outcome.stdout == "begun\n"
    assert outcome.duration_ms >= LIMIT * 1000


def test_check_that_floods_for_ever_is_bounded(sandbox: Sandbox) -> None:
    outcome = examine(sandbox, "yes", "flood")

    assert outcome.ending is Ending.TIMED_OUT
    assert outcome.truncated
    assert outcome.stdout.startswith("flood\nflood\n")
    assert len(outcome.stdout) <= 64 * 1024


def test_floods_neither_starve_others_nor_fill_the_memory(sandbox: Sandbox) -> None:
    floods = {f"flood{n}": command("yes", limit=1.0) for n in range(6)}
    others = {f"other{n}": command("sh", "-c", "sleep 0.02; echo ok", limit=10) for n in range(20)}

    before = _resident_kilobytes()
    outcomes = run_all(sandbox.checks().runner, floods | others)

    assert {outcomes[key].ending for key in floods} == {Ending.TIMED_OUT}
    assert {outcomes[key].stdout for key in others} == {"ok\n"}
    assert _resident_kilobytes() - before < 20_000


def test_check_that_ignores_the_polite_signal_is_killed(sandbox: Sandbox) -> None:
    outcome = examine(sandbox, "sh", "-c", "trap '' TERM INT HUP; while :; do sleep 0.05; done")

    assert (outcome.ending, outcome.detail) == (Ending.TIMED_OUT, "timed out after 0.5 s")


def test_check_may_clean_up_when_asked_to_end(sandbox: Sandbox, tmp_path: Path) -> None:
    body = f"trap 'echo bye > {tmp_path}/bye; exit 0' TERM\nwhile :; do sleep 0.005; done"
    outcome = examine(sandbox, script(tmp_path, "polite", body))

    assert outcome.ending is Ending.TIMED_OUT
    assert (tmp_path / "bye").read_text() == "bye\n"


@pytest.mark.parametrize("how", ["sleep 300 &", "setsid sleep 300 &", "(setsid sh -c 'sleep 300; :' &) &"])
def test_grandchild_that_keeps_the_pipe_does_not_hold_the_call(sandbox: Sandbox, how: str) -> None:
    outcome = examine(sandbox, "sh", "-c", f"{how} echo version 1.2", limit=20)

    assert (outcome.ending, outcome.exit_code, outcome.stdout) == (Ending.EXITED, 0, "version 1.2\n")
    assert outcome.duration_ms < 20_000


def test_grandchild_that_floods_the_pipe_after_the_end_is_ended(sandbox: Sandbox) -> None:
    outcome = examine(sandbox, "sh", "-c", "setsid yes & echo version 1.2", limit=20)

    assert (outcome.ending, outcome.exit_code) == (Ending.EXITED, 0)
    assert "version 1.2\n" in outcome.stdout or outcome.truncated


def test_daemon_is_found_and_ended(sandbox: Sandbox) -> None:
    daemon = (
        "import os, time\nif os.fork() == 0:\n  os.setsid()\n  if os.fork() == 0:\n    time.sleep(300)\n  os._exit(0)"
    )
    outcome = examine(sandbox, _python(), "-c", daemon, sandbox.mark, limit=20)

    assert (outcome.ending, outcome.exit_code) == (Ending.EXITED, 0)


def test_daemon_without_environment_folder_or_session_is_found_and_ended(sandbox: Sandbox) -> None:
    inner = f"cd /; sleep 300; : {sandbox.mark}"
    outcome = examine(sandbox, "sh", "-c", f"setsid env -i sh -c '({inner}) & exec sleep 0.01' & wait", limit=20)

    assert outcome.ending is Ending.EXITED


def test_tree_of_children_is_ended_with_its_check(sandbox: Sandbox) -> None:
    nested = "sleep 300 & setsid sh -c 'sleep 300 & setsid sleep 300 & wait' & wait"

    assert examine(sandbox, "sh", "-c", nested).ending is Ending.TIMED_OUT


def test_check_that_reads_its_input_finds_none(sandbox: Sandbox) -> None:
    outcome = examine(sandbox, "sh", "-c", "cat; echo done", limit=20)

    assert (outcome.exit_code, outcome.stdout) == (0, "done\n")


@pytest.mark.parametrize("redirect", ["", " >&2"])
def test_ten_megabytes_are_cut_and_the_rest_dropped(sandbox: Sandbox, redirect: str) -> None:
    outcome = examine(sandbox, "sh", "-c", f"head -c 10000000 /dev/zero | tr '\\0' x{redirect}; exit 4", limit=20)

    assert (outcome.ending, outcome.exit_code, outcome.truncated) == (Ending.EXITED, 4, True)
    assert len(outcome.stdout + outcome.stderr) == 64 * 1024


def test_output_still_in_the_pipe_at_the_end_is_read(sandbox: Sandbox) -> None:
    outcome = examine(sandbox, "sh", "-c", "head -c 65536 /dev/zero | tr '\\0' y", limit=20)

    assert (outcome.ending, len(outcome.stdout), outcome.truncated) == (Ending.EXITED, 65536, False)


def test_broken_text_is_readable(sandbox: Sandbox) -> None:
    outcome = examine(sandbox, "printf", r"a\377b\0c \033[31mred\033[0m\n10%%\r100%%\n", limit=20)

    assert outcome.stdout == "a\ufffdbc red\n100%\n"


def test_death_by_signal_is_told_by_name(sandbox: Sandbox) -> None:
    outcome = examine(sandbox, "sh", "-c", "kill -SEGV $$", limit=20)

    assert (outcome.ending, outcome.detail, outcome.exit_code) == (Ending.SIGNALED, "killed by SIGSEGV", None)


def test_suspended_check_is_timed_out(sandbox: Sandbox) -> None:
    assert examine(sandbox, "sh", "-c", "sleep 0.1; kill -STOP $$").ending is Ending.TIMED_OUT


def test_check_that_kills_its_own_group_harms_nobody_else(sandbox: Sandbox) -> None:
    outcome = examine(sandbox, "sh", "-c", "kill -KILL 0", limit=20)

    assert (outcome.ending, outcome.detail) == (Ending.SIGNALED, "killed by SIGKILL")


def test_check_that_removes_or_fills_its_folder_harms_nobody_else(sandbox: Sandbox) -> None:
    assert (
        examine(sandbox, "sh", "-c", "mkdir -p a/b/c; touch a/b/c/d; ln -s / root; chmod 0 a", limit=20).exit_code == 0
    )


def test_not_startable_files_are_told_apart(sandbox: Sandbox, tmp_path: Path) -> None:
    broken = script(tmp_path, "broken", "echo no", interpreter="/no/such")
    windows = script(tmp_path, "windows", "echo no", interpreter="/bin/sh\r")
    locked = script(tmp_path, "locked", "echo no", interpreter=str(tmp_path / "plain"))
    (tmp_path / "plain").write_text("not a program\n")
    shapeless = tmp_path / "shapeless"
    shapeless.write_text("echo must not run in a shell\n")
    shapeless.chmod(0o755)
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "fifo", 0o777)
    expected = {
        broken: (Ending.NOT_STARTED, f"{broken}: interpreter /no/such not found"),
        windows: (
            Ending.NOT_STARTED,
            f"{windows}: interpreter /bin/sh\\r not found (the line ends with a carriage return)",
        ),
        locked: (Ending.NOT_STARTED, f"{locked}: interpreter {tmp_path}/plain is not executable"),
        str(shapeless): (Ending.NOT_STARTED, f"{shapeless}: not an executable format"),
        f"{tmp_path}/plain": (Ending.NOT_FOUND, f"{tmp_path}/plain is not executable"),
        f"{tmp_path}/folder": (Ending.NOT_FOUND, f"{tmp_path}/folder is a directory"),
        f"{tmp_path}/link": (Ending.NOT_FOUND, f"{tmp_path}/link is a broken link"),
        f"{tmp_path}/fifo": (Ending.NOT_FOUND, f"{tmp_path}/fifo is not a regular file"),
        f"{tmp_path}/none": (Ending.NOT_FOUND, f"{tmp_path}/none does not exist"),
        "bin/sh": (Ending.NOT_FOUND, "neither a bare name nor an absolute path"),
        "python3;rm -rf /": (Ending.NOT_FOUND, "neither a bare name nor an absolute path"),
        "nul\0": (Ending.NOT_FOUND, "not found on PATH"),
        "x" * 5000: (Ending.NOT_FOUND, "not found on PATH"),
        "\ud800": (Ending.NOT_FOUND, "not found on PATH"),
        "": (Ending.NOT_FOUND, "neither a bare name nor an absolute path"),
    }

    outcomes = run_all(sandbox.checks().runner, {name: command(name) for name in expected})

    assert {name: (outcome.ending, outcome.detail) for name, outcome in outcomes.items()} == expected


def test_arguments_that_cannot_be_passed_are_told(sandbox: Sandbox) -> None:
    lines = {"nul": command("echo", "a\0b"), "long": command("echo", "x" * 3_000_000), "odd": command("echo", "\ud800")}

    outcomes = run_all(sandbox.checks().runner, lines)

    assert {outcome.ending for outcome in outcomes.values()} == {Ending.NOT_STARTED}
    assert outcomes["long"].detail == "the arguments and the environment are too long"


def test_newlines_and_shell_text_in_arguments_are_taken_literally(sandbox: Sandbox) -> None:
    assert examine(sandbox, "printf", "%s", "a\n$(id); 'b'", limit=20).stdout == "a\n$(id); 'b'"


def test_children_of_the_embedding_program_survive(sandbox: Sandbox) -> None:
    own = subprocess.Popen(["sleep", "300"], start_new_session=True)
    orphan = subprocess.run(["sh", "-c", "sleep 300 >/dev/null 2>&1 & echo $!"], capture_output=True, text=True)
    try:
        examine(sandbox, "sh", "-c", "setsid sleep 300 & setsid sleep 300")

        assert own.poll() is None
        assert Path(f"/proc/{int(orphan.stdout)}").exists()
    finally:
        own.kill()
        own.wait()
        os.kill(int(orphan.stdout), 9)


def _python() -> str:
    return os.path.realpath(subprocess.sys.executable)  # type: ignore[attr-defined]


def _resident_kilobytes() -> int:
    with Path("/proc/self/statm").open() as file:
        return int(file.read().split()[1]) * 4
