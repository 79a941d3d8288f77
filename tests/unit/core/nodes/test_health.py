"""What a look at a runtime changes: policy, damping and the sentences that say so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from attune.core.nodes.health import (
    HealthPolicy,
    RuntimeHealth,
    Snapshot,
    Transition,
    begin,
    observe,
    outdated,
)
from attune.core.runtimes.verdict import Evidence, Instance, Status, Verdict

POLICY = HealthPolicy()


def verdict(status: Status, reason: str = "", version: str | None = None) -> Verdict:
    instances = (Instance(version, "/bin/python3", "/bin/python3"),) if version else ()
    evidence = Evidence(("python3", "--version"), 0, "")
    return Verdict("core.python", "python", status, reason or status.value, "Python", instances, evidence)


GOOD = verdict(Status.AVAILABLE, "verified by `python3 --version`", "3.11.7")
BAD = verdict(Status.UNAVAILABLE, "python3 --version: expected exit code 0, got 1: no output")
DOUBT = verdict(Status.UNKNOWN, "python3 --version: timed out after 1 s")


def run(
    *looks: Verdict, first: Verdict = GOOD, policy: HealthPolicy = POLICY, step: float = 1.0, gone: bool = False
) -> tuple[RuntimeHealth, list[Transition]]:
    health, transitions = begin(first), []
    for number, look in enumerate(looks, 1):
        health, transition = observe(health, look, number * step, policy, gone=gone)
        transitions += [transition] if transition else []
    return health, transitions


def test_one_failure_of_two_is_told_and_changes_nothing() -> None:
    health, transitions = run(BAD)

    assert transitions == []
    assert (health.shown.status, health.shown.version) == (Status.AVAILABLE, "3.11.7")
    assert health.shown.reason == f"1 of 2 failures: {BAD.reason}"


def test_the_second_failure_withdraws() -> None:
    health, (transition,) = run(BAD, BAD)

    assert health.shown == BAD
    assert (transition.runtime_ref, transition.name) == ("core.python", "python")
    assert (transition.from_status, transition.to_status) == (Status.AVAILABLE, Status.UNAVAILABLE)
    assert (transition.reason, transition.evidence, transition.at) == (BAD.reason, BAD.evidence, 2.0)


def test_a_success_in_between_forgives_the_failure() -> None:
    health, transitions = run(BAD, GOOD, BAD)

    assert transitions == []
    assert health.shown.reason.startswith("1 of 2 failures")


def test_a_command_that_is_gone_withdraws_at_once() -> None:
    health, (transition,) = run(BAD, gone=True)

    assert not health.offered
    assert transition.at == 1.0


@pytest.mark.parametrize("looks", [(DOUBT,) * 5, (DOUBT, BAD, DOUBT), (BAD, DOUBT, DOUBT)])
def test_doubt_erases_no_good_verdict_and_is_no_failure(looks: tuple[Verdict, ...]) -> None:
    health, transitions = run(*looks)

    assert transitions == []
    assert (health.shown.status, health.shown.version) == (Status.AVAILABLE, "3.11.7")


def test_doubt_is_told() -> None:
    health, _ = run(DOUBT)

    assert health.shown.reason == f"the last check could not decide: {DOUBT.reason}"


def test_doubt_does_not_forgive_a_failure() -> None:
    assert [one.at for one in run(BAD, DOUBT, BAD)[1]] == [3.0]


def test_doubt_does_not_restore() -> None:
    health, transitions = run(DOUBT, first=BAD)

    assert (health.shown.status, transitions) == (Status.UNAVAILABLE, [])


@pytest.mark.parametrize(("look", "status"), [(GOOD, Status.AVAILABLE), (BAD, Status.UNAVAILABLE)])
def test_what_was_never_decided_is_decided_by_the_first_look_that_can(look: Verdict, status: Status) -> None:
    health, (transition,) = run(DOUBT, look, first=DOUBT)

    assert health.shown == look
    assert (transition.from_status, transition.to_status) == (Status.UNKNOWN, status)


def test_one_success_restores_unless_more_are_asked_for() -> None:
    health, (transition,) = run(GOOD, first=BAD)
    assert (health.shown, transition.to_status) == (GOOD, Status.AVAILABLE)

    health, transitions = run(GOOD, first=BAD, policy=HealthPolicy(successes_to_restore=2))
    assert (health.shown.status, health.shown.instances, transitions) == (Status.UNAVAILABLE, (), [])
    assert health.shown.reason == f"1 of 2 successes: {GOOD.reason}"


def test_another_version_is_shown_without_a_transition() -> None:
    newer = verdict(Status.AVAILABLE, GOOD.reason, "3.12.1")
    health, transitions = run(newer)

    assert (health.shown, transitions) == (newer, [])


FLAPPING = (BAD, GOOD) * 2


def test_a_flapping_runtime_is_held_back_and_says_so() -> None:
    health, transitions = run(*FLAPPING, BAD, GOOD, policy=HealthPolicy(1), step=30)

    assert len(transitions) == 5
    assert transitions[-1].reason == (
        f"{BAD.reason}; flapping: 5 changes in 2m00s, held back until it has been good for 1m00s"
    )
    assert not health.offered
    assert health.shown.reason == (
        f"flapping: 5 changes in 2m00s, held back until it has been good for 1m00s: {GOOD.reason}"
    )


def test_what_was_held_back_returns_after_the_hold_time() -> None:
    policy = HealthPolicy(1)
    health, transitions = run(*FLAPPING, BAD, GOOD, GOOD, policy=policy, step=30)
    assert len(transitions) == 5

    health, transition = observe(health, GOOD, 6 * 30 + 60.0, policy)
    assert transition is not None and health.shown == GOOD


def test_a_failure_while_held_back_begins_the_hold_anew() -> None:
    policy = HealthPolicy(1)
    health, _ = run(*FLAPPING, BAD, GOOD, BAD, GOOD, policy=policy, step=30)

    assert observe(health, GOOD, 8 * 30 + 59.0, policy)[1] is None
    assert observe(health, GOOD, 8 * 30 + 60.0, policy)[1] is not None


def test_as_many_changes_as_are_allowed_are_no_flapping() -> None:
    health, transitions = run(GOOD, BAD, GOOD, BAD, first=BAD, policy=HealthPolicy(1), step=30)

    assert len(transitions) == HealthPolicy().most_changes == 4
    assert (health.holds, health.shown) == (0, BAD)


def test_a_failure_counts_as_soon_for_as_long_as_it_was_held_back_beyond_the_window() -> None:
    policy = HealthPolicy(1, window=600, hold=60)
    health, _ = run(*FLAPPING, BAD, GOOD, policy=policy, step=30)
    restored, transition = observe(health, GOOD, 240, policy)
    assert transition is not None

    soon, _ = observe(restored, BAD, 240 + 659, policy)
    late, _ = observe(restored, BAD, 240 + 661, policy)
    assert (soon.holds, late.holds) == (2, 0)
    assert soon.shown.reason.endswith("held back until it has been good for 2m00s")
    assert late.shown.reason == BAD.reason


def held(health: RuntimeHealth, at: float, policy: HealthPolicy) -> tuple[RuntimeHealth, float]:
    """The state once it is restored, and how long that took."""
    start = at
    while not health.offered:
        health, _ = observe(health, GOOD, at, policy)
        at += 1
    return health, at - 1 - start


def test_the_hold_grows_each_time_it_fails_again_and_is_forgotten_when_it_does_not() -> None:
    policy = HealthPolicy(1)
    health, _ = run(*FLAPPING, BAD, policy=policy, step=30)
    waited, at = [], 151.0
    for _ in range(3):
        health, hold = held(health, at, policy)
        waited.append(hold)
        at += hold + 1
        health, _ = observe(health, BAD, at, policy)
        at += 1
    assert waited == [60, 120, 240]

    health, hold = held(health, at, policy)
    at += hold + policy.window + 480.0
    health, _ = observe(health, BAD, at, policy)
    assert held(health, at + 1, policy)[1] == 0


def test_the_hold_has_an_end() -> None:
    assert POLICY.hold_seconds(1000) == POLICY.longest_hold


THERE, OTHER, NOWHERE = Snapshot((("/bin/x", 1),)), Snapshot((("/bin/x", 2),)), Snapshot(("not found on PATH",))


@pytest.mark.parametrize(
    ("before", "now", "same", "gone"),
    [
        (THERE, THERE, True, False),
        (NOWHERE, NOWHERE, True, True),
        (THERE, OTHER, False, False),
        (NOWHERE, THERE, False, False),
        (THERE, NOWHERE, False, True),
        (NOWHERE, Snapshot(("x is a directory",)), False, True),
        (Snapshot((*THERE.files, *OTHER.files)), Snapshot((*NOWHERE.files, *OTHER.files)), False, False),
    ],
)
def test_two_looks_compare(before: Snapshot, now: Snapshot, same: bool, gone: bool) -> None:
    assert (now == before, now.gone) == (same, gone)


@pytest.mark.parametrize(
    ("at", "sight", "expected"),
    [
        (100.0, Snapshot((("x",),), newest=90.0), False),
        (100.0, Snapshot((("x",),), newest=101.0), True),
        (100.0, Snapshot((("x",),), newest=99.99), True),  # file systems note times this coarsely
        (100.0, NOWHERE, True),
        (None, NOWHERE, False),
        (None, THERE, True),
    ],
)
def test_a_verdict_is_outdated_if_the_files_changed_since_its_check_began(at, sight, expected) -> None:  # type: ignore[no-untyped-def]
    evidence = Evidence(("x",), 0 if at else None, "", at=at)

    assert outdated(replace(GOOD, evidence=evidence), sight) is expected


CACHED = replace(GOOD, evidence=Evidence(("python3", "--version"), 0, "", cached_age=60.0))


def test_a_failure_of_what_was_only_cached_withdraws_at_once() -> None:
    health, (transition,) = run(BAD, first=CACHED)

    assert health.shown == BAD
    assert (transition.from_status, transition.to_status) == (Status.AVAILABLE, Status.UNAVAILABLE)


def test_what_was_cached_and_is_verified_has_as_much_patience_as_any_other() -> None:
    health, transitions = run(GOOD, BAD, first=CACHED)

    assert transitions == []
    assert health.shown.reason.startswith("1 of 2 failures")
    assert not run(GOOD, first=CACHED)[0].shown.is_cached


def test_what_could_not_be_decided_stays_cached_until_it_is() -> None:
    health, transitions = run(DOUBT, first=CACHED)
    assert (health.shown.status, health.shown.is_cached, transitions) == (Status.AVAILABLE, True, [])
    assert health.shown.reason == f"the last check could not decide: {DOUBT.reason}"

    assert len(run(DOUBT, BAD, first=CACHED)[1]) == 1


def test_what_is_cached_is_to_be_verified_at_once() -> None:
    seen = Snapshot((("/bin/python3", 1),), newest=1.0)

    assert outdated(CACHED, seen)
    assert not outdated(replace(CACHED, evidence=replace(GOOD.evidence, at=100.0)), seen)  # type: ignore[type-var]
