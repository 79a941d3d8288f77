"""Rounds of health checks on a fake host, with a clock that only the test moves."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any, ClassVar

import pytest

from attune.core.nodes.health_schedule import CheckSchedule, Slot
from attune.core.runtimes.command import Ending, Outcome
from attune.core.runtimes.verdict import Status
from attune.operations.runtimes.examine import Examiner
from attune.operations.runtimes.reverify import MonitoredRuntime, Reverifier, Round
from attune.testing import FakeHost, MemoryOutcomes, printed
from factories import command, make_definition

RHYTHM = CheckSchedule(60, 900)
FAILING = Outcome(Ending.EXITED, exit_code=1, path="/usr/bin/fake", real_path="/usr/bin/fake")
HANGING = Outcome(Ending.TIMED_OUT, detail="timed out after 1 s")


class AssignmentView:
    """A host with definitions that are kept true."""

    def __init__(self, *names: str) -> None:
        self.host = FakeHost({name: printed(f"{name} 1.0") for name in names})
        self.now = 0.0
        examiner = Examiner(self.host, self.host)
        self.reverifier = Reverifier(examiner, self.host, lambda: self.now, schedule=RHYTHM, random=Random(7))
        definitions = [
            make_definition(command(binary=name, pattern=None), name=name, ref=f"acme.{name}") for name in names
        ]
        self.kept: dict[str, MonitoredRuntime] = self.reverifier.begin(definitions, examiner.examine(definitions))
        self.host.ran.clear()

    def at(self, seconds: float, *suspects: str) -> Round:
        self.now = seconds
        done = self.reverifier.round(self.kept, frozenset(suspects))
        self.kept = dict(done.kept)
        return done

    def status(self, name: str) -> Status:
        return self.kept[f"acme.{name}"].health.shown.status


def test_an_unchanged_runtime_costs_no_process_until_its_full_check_is_due() -> None:
    world = AssignmentView("python3")
    full = world.kept["acme.python3"].slot.full
    for second in range(0, int(full) - 7, 5):
        world.at(second)
    assert world.host.ran == []

    done = world.at(full)
    assert world.host.ran == [("python3", "--version")]
    assert (done.checked, done.transitions, done.offer_changed) == (("acme.python3",), (), False)


def test_what_is_not_due_is_not_looked_at() -> None:
    world = AssignmentView("python3")
    world.host.commands.clear()
    world.kept["acme.python3"] = replace(world.kept["acme.python3"], slot=Slot(60, 900))

    assert world.at(50).checked == ()
    assert world.at(60).checked == ("acme.python3",)


def test_a_file_that_changed_has_its_command_run_at_once() -> None:
    world = AssignmentView("python3", "ruby")
    world.host.commands["python3"] = printed("python3 2.0")
    world.kept = {ref: replace(kept, slot=Slot(50, 900)) for ref, kept in world.kept.items()}
    done = world.at(50)

    assert world.host.ran == [("python3", "--version")]
    assert (done.transitions, done.offer_changed) == ((), True)
    assert world.kept["acme.python3"].health.shown.version == "2.0"


def test_a_command_that_is_gone_withdraws_at_once_and_costs_no_process() -> None:
    world = AssignmentView("python3")
    del world.host.commands["python3"]
    done = world.at(70)

    (transition,) = done.transitions
    assert (transition.to_status, transition.reason) == (Status.UNAVAILABLE, "python3: not found on PATH")
    assert (world.host.ran, done.offer_changed) == ([], True)


def test_a_command_that_is_back_is_offered_again() -> None:
    world = AssignmentView("python3")
    found = world.host.commands.pop("python3")
    world.at(70)
    world.host.commands["python3"] = found
    done = world.at(150)

    assert [one.to_status for one in done.transitions] == [Status.AVAILABLE]
    assert world.status("python3") is Status.AVAILABLE


def test_a_failure_is_looked_at_again_within_an_interval_before_it_counts() -> None:
    world = AssignmentView("python3")
    world.host.commands["python3"] = FAILING
    first = world.at(70)
    assert (first.checked, first.transitions, first.offer_changed) == (("acme.python3",), (), False)
    assert world.kept["acme.python3"].slot.full < 70 + 60 / 2

    second = world.at(world.kept["acme.python3"].slot.full)
    assert [one.to_status for one in second.transitions] == [Status.UNAVAILABLE]


def test_what_hangs_stays_and_is_asked_less_and_less() -> None:
    world = AssignmentView("python3")
    world.host.commands["python3"] = HANGING
    moments = [70.0]
    for _ in range(8):
        assert world.at(moments[-1]).transitions == ()
        moments.append(world.kept["acme.python3"].slot.full)

    assert world.status("python3") is Status.AVAILABLE
    pauses = [after - before for before, after in pairwise(moments)]
    assert [pause / 60 for pause in pauses] == [pytest.approx(n, rel=0.21) for n in (1, 2, 4, 8, 15, 15, 15, 15)]


def test_a_suspect_is_verified_in_full_at_once() -> None:
    world = AssignmentView("python3", "ruby")
    done = world.at(0.001, "acme.python3", "acme.unknown")

    assert done.checked == ("acme.python3",)


def test_definitions_that_nothing_is_run_for_are_not_kept() -> None:
    world = AssignmentView("python3")
    shipped = [
        make_definition(ref="acme.a", always_available=True),
        make_definition(ref="acme.b", check_required=False),
        make_definition(ref="acme.c"),
    ]
    verdicts = world.reverifier.examiner.examine(shipped)

    assert list(world.reverifier.begin(shipped, verdicts)) == ["acme.c"]
    assert list(world.reverifier.begin(shipped, verdicts[:1])) == []


def test_the_next_round_is_when_the_first_check_is_due() -> None:
    world = AssignmentView("python3", "ruby")

    assert world.reverifier.next_round(world.kept) == min(one.slot.next for one in world.kept.values())
    assert world.reverifier.next_round({}) is None


def test_rounds_over_thirty_runtimes_never_check_all_of_them_together() -> None:
    world = AssignmentView(*(f"tool{number}" for number in range(30)))
    most, now = 0, 0.0
    while now < 3600:
        most = max(most, len(world.at(now).checked))
        now = max(now + 0.001, world.reverifier.next_round(world.kept) or 0)

    assert len(world.host.ran) >= 30 * 3
    assert most <= 10


def test_what_changed_since_detection_is_verified_at_once() -> None:
    world = AssignmentView("python3", "ruby", "perl")
    kept = world.reverifier.begin(
        [one.definition for one in world.kept.values()],
        [
            replace(verdict, evidence=replace(evidence, at=at))
            for verdict, at in zip((one.health.shown for one in world.kept.values()), (None, 1000.0, -1.0), strict=True)
            if (evidence := verdict.evidence)
        ],
    )
    due_at_once = [ref for ref, one in kept.items() if one.slot.full == world.now]

    assert due_at_once == ["acme.perl"]


def test_first_round_verifies_all_that_is_cached_at_once_and_tells() -> None:
    names = ("java", "python", "ruby")
    cache = MemoryOutcomes()
    host = FakeHost({name: printed(f"{name} 1.0") for name in names})
    definitions = [make_definition(command(binary=name, pattern=None), name=name, ref=f"acme.{name}") for name in names]
    examiner = Examiner(host, host, cache)
    examiner.examine(definitions[:2])
    host.ran.clear()
    verdicts = examiner.examine(definitions, max_age_seconds=60)
    assert [verdict.is_cached for verdict in verdicts] == [True, True, False]
    assert host.ran == [("ruby", "--version")]
    host.commands["java"] = FAILING
    host.ran.clear()
    reverifier = Reverifier(examiner, host, lambda: 5.0, schedule=RHYTHM, random=Random(7))

    kept = reverifier.begin(definitions, verdicts)
    assert reverifier.next_round(kept) == 5.0
    done = reverifier.round(kept)

    assert sorted(host.ran) == [("java", "--version"), ("python", "--version")]
    assert done.checked == ("acme.java", "acme.python")
    assert [change.runtime_ref for change in done.transitions] == ["acme.java"]
    assert not done.kept["acme.python"].health.shown.is_cached


def test_what_was_cached_and_is_verified_changes_the_offer() -> None:
    host, cache = FakeHost({"python": printed("python 1.0")}), MemoryOutcomes()
    definitions = [make_definition(command(binary="python", pattern=None), name="python", ref="acme.python")]
    examiner = Examiner(host, host, cache)
    examiner.examine(definitions)
    reverifier = Reverifier(examiner, host, lambda: 5.0, schedule=RHYTHM, random=Random(7))

    done = reverifier.round(reverifier.begin(definitions, examiner.examine(definitions, max_age_seconds=60)))

    assert done.offer_changed
    assert not reverifier.round(done.kept, frozenset({"acme.python"})).offer_changed


def test_what_hangs_at_the_first_look_at_what_is_cached_holds_up_nothing_and_is_looked_at_once_more() -> None:
    class Slow(FakeHost):
        """A host that notes how long it may take."""

        deadlines: ClassVar[list[float | None]] = []

        def run(self, *args: Any, deadline_seconds: float | None = None, **more: Any) -> None:
            self.deadlines.append(deadline_seconds)
            super().run(*args, deadline_seconds=deadline_seconds, **more)

    host, cache = Slow({name: printed(f"{name} 1.0") for name in ("java", "ruby")}), MemoryOutcomes()
    definitions = [
        make_definition(command(binary=name, pattern=None), name=name, ref=f"acme.{name}") for name in host.commands
    ]
    examiner = Examiner(host, host, cache)
    examiner.examine(definitions)
    reverifier = Reverifier(examiner, host, lambda: 5.0, schedule=RHYTHM, random=Random(7))
    kept = reverifier.begin(definitions, examiner.examine(definitions, max_age_seconds=60))
    host.commands |= {"java": Outcome(Ending.UNDECIDED, detail="not finished in time"), "ruby": FAILING}
    host.deadlines.clear()

    first = reverifier.round(kept)
    again = reverifier.round(first.kept)

    assert [change.runtime_ref for change in first.transitions] == ["acme.ruby"]
    assert first.kept["acme.java"].health.shown.is_cached
    assert again.checked == ("acme.java",)
    assert host.deadlines == [3.0, 60.0]
    assert reverifier.next_round(again.kept) != 5.0
