"""From outcomes to verdicts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from attune.core.runtimes.command import Ending, Outcome
from attune.core.runtimes.definition import Definition, parse_definition
from attune.core.runtimes.judgement import conclude, judge, next_check
from attune.core.runtimes.verdict import Status, Verdict
from attune.testing import printed
from factories import command, make_definition, make_runtime


def examine(definition: Definition, *outcomes: Outcome) -> Verdict:
    attempts: list[Any] = []
    for outcome in outcomes:
        check = next_check(definition, attempts)
        assert check is not None, "no further check was wanted"
        attempts.append(judge(definition, check, outcome))
    assert next_check(definition, attempts) is None
    return conclude(definition, attempts)


NOT_FOUND = Outcome(Ending.NOT_FOUND, detail="not found on PATH")


def test_a_matching_output_is_available_with_version_path_and_evidence() -> None:
    verdict = examine(make_definition(), printed("Python 3.11.7\n", path="/usr/bin/python3"))

    assert (verdict.status, verdict.version, verdict.path) == (Status.AVAILABLE, "3.11.7", "/usr/bin/python3")
    assert verdict.reason == "verified by `python3 --version`"
    assert verdict.evidence is not None
    assert (verdict.evidence.command, verdict.evidence.output) == (("python3", "--version"), "Python 3.11.7")


def test_evidence_keeps_two_thousand_characters_of_output() -> None:
    text = "Python 3.11.7\n" + "x" * 1986
    whole = examine(make_definition(), printed(text)).evidence
    cut = examine(make_definition(), printed(text + "yz")).evidence

    assert whole is not None and cut is not None
    assert (whole.output, cut.output) == (text, text + "…")


def test_the_first_check_that_passes_ends_the_search() -> None:
    definition = make_definition(command(), command(binary="python"))
    attempts = [judge(definition, definition.verification.checks[0], printed("Python 3.9.1"))]

    assert next_check(definition, attempts) is None


def test_a_failing_check_is_followed_by_the_next() -> None:
    verdict = examine(
        make_definition(command(), command(binary="python", priority=2)), NOT_FOUND, printed("Python 3.9.1")
    )

    assert (verdict.status, verdict.version) == (Status.AVAILABLE, "3.9.1")


def test_when_nothing_is_found_the_reason_names_every_command_that_was_looked_for() -> None:
    verdict = examine(make_definition(command(), command(binary="python")), NOT_FOUND, NOT_FOUND)

    assert (verdict.status, verdict.reason) == (Status.UNAVAILABLE, "python3, python: not found on PATH")


def test_the_reason_is_taken_from_the_check_that_got_furthest() -> None:
    verdict = examine(make_definition(command(), command(binary="python")), NOT_FOUND, printed("Python 2.7.18"))

    assert verdict.reason == r"python --version: expected output that matches 'Python 3\\.', got 'Python 2.7.18'"


def test_right_text_with_the_wrong_exit_code_says_both() -> None:
    verdict = examine(make_definition(), printed("Python 3.11.7", exit_code=3))

    assert verdict.status is Status.UNAVAILABLE
    assert verdict.reason == (
        "python3 --version: expected exit code 0, got 3, although the output matches: 'Python 3.11.7'"
    )


def test_a_stub_that_exits_with_0_but_prints_something_else_is_unavailable() -> None:
    assert examine(make_definition(), printed("command not found")).status is Status.UNAVAILABLE


def test_a_time_out_is_unknown_and_never_unavailable() -> None:
    verdict = examine(make_definition(), Outcome(Ending.TIMED_OUT, detail="timed out after 10 s"))

    assert (verdict.status, verdict.reason) == (Status.UNKNOWN, "python3 --version: timed out after 10 s")


def test_one_undecided_check_among_absent_ones_leaves_the_runtime_unknown() -> None:
    undecided = Outcome(Ending.UNDECIDED, detail="too many open files")
    verdict = examine(make_definition(command(), command(binary="python")), NOT_FOUND, undecided)

    assert (verdict.status, verdict.reason) == (Status.UNKNOWN, "python --version: too many open files")


def test_death_by_a_signal_is_unavailable() -> None:
    verdict = examine(make_definition(), Outcome(Ending.SIGNALED, detail="killed by SIGSEGV"))

    assert (verdict.status, verdict.reason) == (Status.UNAVAILABLE, "python3 --version: killed by SIGSEGV")


@pytest.mark.parametrize(
    "said",
    [
        "sh: 1: Cannot fork",
        "bash: fork: retry: Resource temporarily unavailable",
        "runtime: failed to create new OS thread (have 2 already; errno=11)",
        "Error occurred during initialization of VM\nCould not reserve enough space for 2097152KB object heap",
        "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
        "terminate called after throwing an instance of 'std::bad_alloc'",
        "OSError: [Errno 28] No space left on device",
        "RuntimeError: can't start new thread",
        "memory allocation of 65536 bytes failed",
        "error while loading shared libraries: libm.so.6: failed to map segment from shared object",
    ],
)
def test_what_fails_for_shortage_is_unknown_and_says_which(said: str) -> None:
    verdict = examine(make_definition(), printed(said, exit_code=1))

    assert verdict.status is Status.UNKNOWN
    assert verdict.reason.startswith("python3 --version: could not be decided: ")


@pytest.mark.parametrize("code", [134, 137])
def test_the_exit_code_of_a_killed_program_is_unknown(code: int) -> None:
    verdict = examine(make_definition(), printed("", exit_code=code))

    assert (verdict.status, f"exit code {code}" in verdict.reason) == (Status.UNKNOWN, True)


@pytest.mark.parametrize("name", ["SIGKILL", "SIGABRT"])
def test_a_program_that_somebody_else_killed_is_unknown(name: str) -> None:
    outcome = Outcome(Ending.SIGNALED, detail=f"killed by {name}")

    assert examine(make_definition(), outcome).status is Status.UNKNOWN


def test_a_definition_adds_what_its_runtime_says_of_shortage() -> None:
    definition = make_definition(undecided_patterns=["^E42:"])

    assert examine(definition, printed("E42: no slots", exit_code=3)).status is Status.UNKNOWN
    assert examine(definition, printed("E43: broken", exit_code=3)).status is Status.UNAVAILABLE


def test_words_of_shortage_in_the_output_of_a_check_that_passes_mean_nothing() -> None:
    verdict = examine(make_definition(), printed("Python 3.11.7\nout of memory\n"))

    assert verdict.status is Status.AVAILABLE


def test_no_verification_command_is_said_so() -> None:
    verdict = conclude(parse_definition(make_runtime(distributions={})), [])

    assert (verdict.status, verdict.reason) == (Status.UNAVAILABLE, "no verification command")


def test_always_available_runs_nothing() -> None:
    definition = make_definition(command(), always_available=True)

    assert next_check(definition, []) is None
    assert conclude(definition, []).status is Status.AVAILABLE


def test_always_available_with_a_required_check_learns_the_version_and_survives_its_failure() -> None:
    definition = make_definition(command(), always_available=True, check_required=True)

    assert examine(definition, printed("Python 3.11.7")).version == "3.11.7"
    failed = examine(definition, NOT_FOUND)
    assert (failed.status, failed.version) == (Status.AVAILABLE, None)


def test_check_required_false_is_assumed() -> None:
    definition = make_definition(command(), check_required=False)

    assert next_check(definition, []) is None
    assert conclude(definition, []).status is Status.ASSUMED


def test_a_version_outside_the_bounds_makes_the_runtime_unavailable() -> None:
    definition = make_definition(command(), min_version="3.8")

    verdict = examine(definition, printed("Python 3.6.8"))
    assert (verdict.status, verdict.reason) == (Status.UNAVAILABLE, "python3 --version: found 3.6.8, needs >=3.8")


def test_the_maximum_version_includes_its_patch_releases() -> None:
    definition = make_definition(command(), max_version="3.11")

    assert examine(definition, printed("Python 3.11.9")).status is Status.AVAILABLE
    assert examine(definition, printed("Python 3.12.0")).status is Status.UNAVAILABLE


def test_a_later_check_may_find_a_version_inside_the_bounds() -> None:
    definition = make_definition(command(), command(binary="python3.11"), version_constraint=">=3.8,<4")

    assert examine(definition, printed("Python 3.6.8"), printed("Python 3.11.7")).version == "3.11.7"


def test_a_version_that_cannot_be_read_leaves_a_bounded_runtime_unknown() -> None:
    verdict = examine(make_definition(command(pattern=None), min_version="3.8"), printed("hello"))

    assert verdict.status is Status.UNKNOWN
    assert "needs >=3.8" in verdict.reason


def test_a_pre_release_is_within_bounds_of_earlier_releases() -> None:
    definition = make_definition(command(), min_version="3.8", max_version="3.13")

    assert examine(definition, printed("Python 3.13.0rc1")).status is Status.AVAILABLE
    assert examine(definition, printed("Python 3.14.0a1")).status is Status.UNAVAILABLE


@pytest.mark.parametrize("least", ["8", "1.8", "1.8.0_300"])
def test_java_before_9_counts_as_since_then_in_version_and_bound(least: str) -> None:
    definition = make_definition(
        command(binary="java", args=["-version"], pattern='"(?P<version>.+)"'), name="Java", min_version=least
    )

    verdict = examine(definition, printed('java version "1.8.0_311"'))

    assert (verdict.status, verdict.version) == (Status.AVAILABLE, "8.0.311")
    assert examine(definition, printed('java version "1.7.0"')).reason == f"java -version: found 7.0, needs >={least}"


@pytest.mark.parametrize("pattern", [r"Foo (?P<version>\d+)?", r"Foo (?P<version>\d*)"])
def test_a_group_named_version_that_holds_nothing_means_that_the_version_is_not_known(pattern: str) -> None:
    verdict = examine(make_definition(command(binary="foo", pattern=pattern)), printed("Foo git, built with bar 4.5"))

    assert (verdict.status, verdict.version) == (Status.AVAILABLE, None)


def test_without_bounds_an_unknown_version_is_still_available() -> None:
    verdict = examine(make_definition(command(pattern=None)), printed(""))

    assert (verdict.status, verdict.version) == (Status.AVAILABLE, None)


def test_a_version_below_the_recommended_one_is_a_warning() -> None:
    verdict = examine(make_definition(command(), recommended_version="3.12"), printed("Python 3.11.7"))

    assert (verdict.status, verdict.warnings) == (Status.AVAILABLE, ("found 3.11.7, recommended >=3.12",))


def test_a_group_named_version_decides_even_if_it_cannot_be_read_as_a_version() -> None:
    definition = make_definition(command(pattern=r"ffmpeg version (?P<version>\S+)"))

    assert examine(definition, printed("ffmpeg version N-112-gabc built with gcc 12.2.0")).version == "N-112-gabc"


def test_discover_all_runs_every_command_and_keeps_each_interpreter_once() -> None:
    definition = make_definition(
        command(), command(binary="python"), command(binary="python3.9"), command(binary="python3.8"), discover="all"
    )
    verdict = examine(
        definition,
        printed("Python 3.11.7", path="/usr/bin/python3.11"),
        printed("Python 3.11.7", path="/usr/bin/python3.11"),
        printed("Python 3.9.1", path="/opt/python3.9"),
        NOT_FOUND,
    )

    assert [(one.version, one.path) for one in verdict.instances] == [
        ("3.11.7", "/usr/bin/python3.11"),
        ("3.9.1", "/opt/python3.9"),
    ]


def test_discover_all_tells_interpreters_apart_by_what_they_answer_where_one_program_starts_them() -> None:
    commands = [command(binary=f"python3.{minor}") for minor in (13, 12, 11)]
    outcomes = [
        replace(printed(f"Python 3.{minor}.1", path=f"/shims/python3.{minor}"), real_path="/usr/bin/mise")
        for minor in (13, 12, 11)
    ]

    verdict = examine(make_definition(*commands, discover="all"), *outcomes)

    assert [(one.version, one.path) for one in verdict.instances] == [
        (f"3.{minor}.1", f"/shims/python3.{minor}") for minor in (13, 12, 11)
    ]


def test_the_pattern_is_searched_in_stdout_followed_by_stderr() -> None:
    outcome = Outcome(Ending.EXITED, exit_code=0, stdout="", stderr='openjdk version "17.0.15" 2025-04-15\n', path="/j")

    assert examine(make_definition(command(binary="java", pattern="openjdk|java")), outcome).version == "17.0.15"


def test_a_dollar_means_the_end_of_the_output_whatever_newline_follows() -> None:
    assert examine(make_definition(command(pattern=r"^v\d+\.\d+\.\d+$")), printed("v20.20.2\n")).version == "20.20.2"


def test_an_empty_pattern_matches_whatever_is_printed() -> None:
    assert examine(make_definition(command(pattern="")), printed("Python 3.11.7")).status is Status.AVAILABLE
    assert examine(make_definition(command(pattern="")), printed("")).status is Status.AVAILABLE


def test_the_end_of_stdout_and_the_beginning_of_stderr_are_not_one_number() -> None:
    outcome = Outcome(Ending.EXITED, exit_code=0, stdout="tool 1.2", stderr="3 warnings", path="/t", real_path="/t")

    assert examine(make_definition(command(pattern=None)), outcome).version == "1.2"


def test_a_reason_is_one_short_line_whatever_the_command_is() -> None:
    definition = make_definition(command(args=["-c", "print(1)\nprint(2)\x1b[31m\u202e", "x" * 4096], pattern=None))

    for outcome in (printed("1"), Outcome(Ending.EXITED, exit_code=3), Outcome(Ending.TIMED_OUT, detail="slow")):
        reason = examine(definition, outcome).reason
        assert reason.isprintable() and len(reason) < 300
        assert r"print(1)\nprint(2)\x1b[31m\u202e" in reason
