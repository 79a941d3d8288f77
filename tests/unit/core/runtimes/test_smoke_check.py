"""An interpreter that prints its version is offered once it has been started for real."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from attune.core.errors import DefinitionError
from attune.core.runtimes.command import Ending, Outcome
from attune.core.runtimes.verdict import Status, Verdict
from attune.operations.runtimes.examine import Examiner
from attune.testing.host import FakeHost, MemoryOutcomes, printed
from factories import command, make_definition, make_runtime, verification

SMOKE = {"args": ["-c", "print it", "{nonce}"]}
VERSION = printed("Python 3.11.7")


def runs(argv: tuple[str, ...]) -> Outcome:
    """What an interpreter comes to that works."""
    return VERSION if argv[1] == "--version" else printed(f"{argv[-1]}\n")


def only_says_its_version(outcome: Outcome) -> Callable[[tuple[str, ...]], Outcome]:
    return lambda argv: VERSION if argv[1] == "--version" else outcome


def examine(host: FakeHost, *commands: object, **keys: object) -> Verdict:
    (verdict,) = Examiner(host, host).examine([make_definition(*commands, smoke=SMOKE, **keys)])  # type: ignore[arg-type]
    return verdict


def test_the_interpreter_that_passed_is_started_with_a_nonce_and_the_evidence_shows_it() -> None:
    host = FakeHost({"python3": runs})

    verdict = examine(host)

    version, smoke = host.ran
    assert version == ("python3", "--version")
    assert smoke[:3] == ("python3", "-c", "print it")
    assert len(smoke[3]) == 16
    assert (verdict.status, verdict.version, verdict.duration_ms) == (Status.AVAILABLE, "3.11.7", 2.0)
    assert verdict.evidence is not None
    assert (verdict.evidence.command, verdict.evidence.smoke) == (version, smoke)


def test_each_examination_has_a_nonce_of_its_own() -> None:
    host = FakeHost({"python3": runs})

    examine(host)
    examine(host)

    assert len({argv[-1] for argv in host.ran}) == 3


def test_one_that_does_not_start_is_not_available_and_the_reason_says_what_it_said() -> None:
    outcome = printed("ModuleNotFoundError: No module named 'encodings'", exit_code=1)
    verdict = examine(FakeHost({"python3": only_says_its_version(outcome)}))

    assert (verdict.status, verdict.instances) == (Status.UNAVAILABLE, ())
    assert verdict.reason == (
        "python3 3.11.7: says its version, but could not be started for real: expected exit code 0, got 1: "
        "\"ModuleNotFoundError: No module named 'encodings'\""
    )
    assert verdict.evidence is not None
    assert verdict.evidence.command[:2] == ("python3", "-c")


def test_one_that_exits_with_0_but_does_not_print_the_nonce_is_not_available() -> None:
    verdict = examine(FakeHost({"python3": only_says_its_version(printed("usage: python3"))}))

    assert verdict.status is Status.UNAVAILABLE
    assert verdict.reason.endswith("expected output that matches '{nonce}', got 'usage: python3'")


def test_the_next_command_is_tried_after_one_that_does_not_start() -> None:
    broken = only_says_its_version(printed("", exit_code=1))
    host = FakeHost({"python3": broken, "python": runs})

    verdict = examine(host, command(), command(binary="python", priority=2))

    assert (verdict.status, verdict.reason) == (Status.AVAILABLE, "verified by `python --version`")


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(Ending.TIMED_OUT, detail="timed out after 10 s"),
        Outcome(Ending.SIGNALED, detail="killed by SIGKILL"),
        Outcome(Ending.SIGNALED, detail="killed by SIGTRAP", stderr="# Fatal process out of memory: Zone"),
        printed("bash: fork: retry: Resource temporarily unavailable", exit_code=1),
        printed("E42: full", exit_code=1),
    ],
    ids=["time-out", "SIGKILL", "SIGTRAP", "fork", "own words"],
)
def test_shortage_while_it_starts_is_unknown(outcome: Outcome) -> None:
    host = FakeHost({"python3": only_says_its_version(outcome)})

    assert examine(host, undecided_patterns=["^E42:"]).status is Status.UNKNOWN


def test_where_the_host_allows_only_the_other_command_that_is_enough() -> None:
    refused = Outcome(Ending.REFUSED, detail="not with these arguments among the commands that this host allows")
    verdict = examine(FakeHost({"python3": only_says_its_version(refused)}))

    assert verdict.status is Status.AVAILABLE
    assert "verified by `python3 --version`; not started for real: not with these arguments" in verdict.reason


def test_a_version_that_is_not_wanted_is_not_started() -> None:
    host = FakeHost({"python3": runs})

    assert examine(host, min_version="3.12").status is Status.UNAVAILABLE
    assert host.ran == [("python3", "--version")]


def test_what_starts_is_cached_and_what_is_cached_is_not_started_until_it_is_checked_in_full() -> None:
    host, cache = FakeHost({"python3": runs}), MemoryOutcomes()
    examiner = Examiner(host, host, cache)
    definition = make_definition(smoke=SMOKE)

    examiner.examine([definition])
    assert list(cache.kept) == [("python3", "--version")]
    (verdict,) = examiner.examine([definition], max_age_seconds=60)
    assert verdict.is_cached
    assert len(host.ran) == 2
    examiner.examine([definition])
    assert len(host.ran) == 4


def test_what_does_not_start_is_not_cached() -> None:
    host, cache = FakeHost({"python3": only_says_its_version(printed("", exit_code=1))}), MemoryOutcomes()

    Examiner(host, host, cache).examine([make_definition(smoke=SMOKE)])

    assert cache.kept == {}


@pytest.mark.parametrize(
    ("smoke", "fault"),
    [
        ({"args": ["-c", "1"]}, "verification.smoke.args: expected a list of texts, one of which has {nonce} in it"),
        ({}, "verification.smoke.args: expected a list of texts, one of which has {nonce} in it"),
        ([], "verification.smoke: expected an object, got []"),
        ({"args": ["{nonce}"], "timeout_seconds": 0}, "verification.smoke.timeout_seconds: expected a number"),
    ],
)
def test_a_smoke_check_that_proves_nothing_is_refused(smoke: object, fault: str) -> None:
    with pytest.raises(DefinitionError) as error:
        make_definition(smoke=smoke)

    assert fault in str(error.value)


def test_an_unknown_key_of_a_smoke_check_is_a_warning() -> None:
    definition = make_definition(smoke={**SMOKE, "timeout": 3})

    assert [warning.partition(":")[0] for warning in definition.warnings] == ["verification.smoke.timeout"]
    assert make_runtime(distributions=verification(command(), smoke=SMOKE))
