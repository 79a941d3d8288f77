"""Laws of health: nothing is withdrawn below its threshold, and the same looks always lead to the same state."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from attune.core.nodes.health import HealthPolicy, RuntimeHealth, Transition, begin, observe
from attune.core.nodes.health_schedule import CheckSchedule, after_cheap, after_full, spread
from attune.core.runtimes.verdict import Instance, Status, Verdict


def verdict(status: Status) -> Verdict:
    instances = (Instance("1.0", "/bin/x", "/bin/x"),) if status.offered else ()
    return Verdict("acme.x", "x", status, status.value, instances=instances)


STATUSES = st.sampled_from([Status.AVAILABLE, Status.UNAVAILABLE, Status.UNKNOWN])
LOOKS = st.lists(st.tuples(STATUSES, st.booleans(), st.floats(0.01, 500)), max_size=60)
POLICY = st.builds(
    HealthPolicy,
    failures_to_withdraw=st.integers(1, 4),
    successes_to_restore=st.integers(1, 4),
    most_changes=st.integers(1, 6),
    window=st.floats(1, 1000),
    hold=st.floats(1, 100),
    longest_hold=st.floats(100, 5000),
)
Step = tuple[RuntimeHealth, RuntimeHealth, Transition | None, Status, bool, float]


def steps(first: Status, looks: list[tuple[Status, bool, float]], policy: HealthPolicy) -> list[Step]:
    health, now, made = begin(verdict(first)), 0.0, []
    for status, vanished, pause in looks:
        now += pause
        gone = vanished and status is Status.UNAVAILABLE
        after, transition = observe(health, verdict(status), now, policy, gone=gone)
        made.append((health, after, transition, status, gone, now))
        health = after
    return made


@given(STATUSES, LOOKS, POLICY)
def test_a_transition_is_told_exactly_when_the_offered_status_changes(first, looks, policy) -> None:  # type: ignore[no-untyped-def]
    for before, after, transition, *_, now in steps(first, looks, policy):
        assert (transition is not None) == (before.shown.status is not after.shown.status)
        if transition is not None:
            assert (transition.from_status, transition.to_status) == (before.shown.status, after.shown.status)
            assert transition.at == now


@given(STATUSES, LOOKS, POLICY)
def test_nothing_is_withdrawn_or_restored_below_its_threshold(first, looks, policy) -> None:  # type: ignore[no-untyped-def]
    failures = successes = 0
    for before, after, _, status, gone, _ in steps(first, looks, policy):
        failures = 0 if status.offered else failures + (status is Status.UNAVAILABLE)
        successes = successes + 1 if status.offered else successes * (status is Status.UNKNOWN)
        if before.offered and not after.offered:
            assert gone or failures >= policy.failures_to_withdraw
        if after.offered and not before.offered:
            assert successes >= policy.successes_to_restore


@given(STATUSES, LOOKS, POLICY)
def test_doubt_never_changes_a_status(first, looks, policy) -> None:  # type: ignore[no-untyped-def]
    for before, after, transition, status, *_ in steps(first, looks, policy):
        if status is Status.UNKNOWN:
            assert (after.shown.status, after.shown.instances) == (before.shown.status, before.shown.instances)
            assert (after.failures, after.successes, transition) == (before.failures, before.successes, None)


@given(STATUSES, LOOKS, POLICY)
def test_what_is_held_back_has_been_good_for_its_hold_time_when_it_returns(first, looks, policy) -> None:  # type: ignore[no-untyped-def]
    for before, after, *_, now in steps(first, looks, policy):
        if before.holds and not before.offered and after.offered:
            assert after.good_since is not None
            assert now - after.good_since >= policy.hold_seconds(before.holds)


@given(STATUSES, LOOKS, POLICY)
def test_the_same_looks_replay_to_the_same_state(first, looks, policy) -> None:  # type: ignore[no-untyped-def]
    assert steps(first, looks, policy) == steps(first, looks, policy)


@given(STATUSES, LOOKS, POLICY)
def test_only_what_is_offered_has_instances(first, looks, policy) -> None:  # type: ignore[no-untyped-def]
    for _, after, *_ in steps(first, looks, policy):
        assert after.offered == bool(after.shown.instances)


@given(st.integers(1, 50), st.integers(0, 2**32), st.floats(0.1, 1000), st.floats(1, 10))
def test_first_checks_are_spread_evenly(count, seed, interval, times) -> None:  # type: ignore[no-untyped-def]
    rhythm = CheckSchedule(interval, interval * times)
    slots = spread([str(n) for n in range(count)], 100.0, rhythm, Random(seed))

    for due, within in (
        (sorted(s.cheap for s in slots.values()), interval),
        (sorted(s.full for s in slots.values()), interval * times),
    ):
        for number, at in enumerate(due):
            assert number * 0.999999 <= (at - 100.0) * count / within <= (number + 1) * 1.000001 + 1e-9


@given(STATUSES, LOOKS, POLICY, st.integers(0, 2**32), st.floats(0.1, 1000), st.floats(1, 50))
def test_every_runtime_is_looked_at_within_the_jittered_interval(first, looks, policy, seed, interval, times) -> None:  # type: ignore[no-untyped-def]
    rhythm, random = CheckSchedule(interval, interval * times), Random(seed)
    for _, after, *_, now in steps(first, looks, policy):
        slot = after_full(after, now, rhythm, random)
        again = after_cheap(slot, now, rhythm, random)

        assert again.full == slot.full
        for one in (slot, again):
            assert interval * 0.799 <= one.cheap - now <= interval * 1.201
        assert interval * 0.199 <= slot.full - now <= max(interval, rhythm.full_interval) * 1.201
