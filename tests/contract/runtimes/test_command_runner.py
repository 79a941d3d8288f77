"""What every `CommandRunner` promises, over each implementation that runs real processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from attune.core.ports.runtimes import CommandRunner
from attune.core.runtimes.command import Command, Ending, Outcome
from host_checks import Sandbox, command, run_all


@pytest.fixture
def runner(tmp_path: Path) -> CommandRunner:
    return Sandbox(tmp_path).checks().runner


class Diary:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def started(self, key: str, command: Command) -> None:
        self.lines.append(("started", key))

    def finished(self, key: str, command: Command, outcome: Outcome) -> None:
        self.lines.append(("finished", key))


def test_exited_command_tells_code_output_and_where_it_was(runner: CommandRunner) -> None:
    outcome = run_all(runner, {"a": command("sh", "-c", "echo out; echo err >&2; exit 3")})["a"]

    assert outcome.ending is Ending.EXITED
    assert (outcome.exit_code, outcome.stdout, outcome.stderr, outcome.detail) == (3, "out\n", "err\n", "")
    assert outcome.path in ("/usr/bin/sh", "/bin/sh")
    assert outcome.real_path == str(Path(outcome.path).resolve())
    assert outcome.duration_ms > 0
    assert outcome.at is not None
    assert not outcome.truncated


def test_missing_command_is_not_found(runner: CommandRunner) -> None:
    outcome = run_all(runner, {"a": command("no-such-command")})["a"]

    assert (outcome.ending, outcome.detail, outcome.exit_code) == (Ending.NOT_FOUND, "not found on PATH", None)


def test_line_continues_with_the_command_that_then_names(runner: CommandRunner) -> None:
    seen: list[tuple[str, str, str]] = []
    successors = {"absent": command("echo", "one"), "one": command("echo", "two")}

    def then(key: str, done: Command, outcome: Outcome) -> Command | None:
        seen.append((key, done.argv[0], outcome.stdout.strip()))
        return successors.get(outcome.stdout.strip() or "absent")

    runner.run({"line": command("no-such-command")}, then)

    assert seen == [("line", "no-such-command", ""), ("line", "echo", "one"), ("line", "echo", "two")]


def test_observer_hears_of_every_command_twice_in_order(runner: CommandRunner) -> None:
    for _ in range(2):  # the second time, a cache may answer
        diary = Diary()
        run_all(runner, {"true": command("true", "--version"), "gone": command("no-such-command")}, observer=diary)

        for key in ("true", "gone"):
            assert [what for what, who in diary.lines if who == key] == ["started", "finished"]


def test_commands_run_side_by_side(runner: CommandRunner, tmp_path: Path) -> None:
    meet = f'touch "{tmp_path}/$1"; while [ ! -e "{tmp_path}/$2" ]; do sleep 0.01; done; echo met'
    outcomes = run_all(
        runner,
        {
            "a": command("sh", "-c", meet, "sh", "a-came", "b-came"),
            "b": command("sh", "-c", meet, "sh", "b-came", "a-came"),
        },
    )

    assert {outcome.stdout for outcome in outcomes.values()} == {"met\n"}


def test_nothing_to_do_is_done_at_once(runner: CommandRunner) -> None:
    assert run_all(runner, {}) == {}


def test_deadline_leaves_the_rest_undecided(runner: CommandRunner) -> None:
    lines = {str(n): command("sleep", "30") for n in range(100)}

    outcomes = run_all(runner, lines, deadline=0.5)

    assert len(outcomes) == 100
    assert {outcome.ending for outcome in outcomes.values()} == {Ending.UNDECIDED}
    details = {outcome.detail for outcome in outcomes.values()}
    assert details == {"still running at the deadline", "not checked before the deadline"}


def test_errors_of_the_callbacks_propagate(runner: CommandRunner) -> None:
    def then(key: str, done: Command, outcome: Outcome) -> Command | None:
        raise LookupError(key)

    with pytest.raises(LookupError, match="fast"):
        runner.run({"slow": command("sleep", "30"), "fast": command("true")}, then)
