"""The checker of the rig finds each fault that is planted in a record in which all is well."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rig_checker import Absence, Presence, RigRecord, StatusChange, faults_of, lost_attempts

LINES = [("one", 7, 0), ("one", 7, 1), ("one", 8, 0), ("two", 9, 0)]
KEYS = {1: "one:7:0", 2: "one:7:1", 3: "one:8:0", 4: "two:9:0", 5: "api:1"}


def whole(execution: int, worker: str = "w1") -> list[StatusChange]:
    return [
        StatusChange(execution, 0, "requested", "scheduled", None, None, 10),
        StatusChange(execution, 1, "scheduled", "running", worker, None, 11),
        StatusChange(execution, 1, "running", "completed", worker, None, 12),
    ]


def again(lost: float, reason: str | None = "worker w1 was lost") -> list[StatusChange]:
    """Execution 5, whose first attempt is given up at *lost*."""
    return [
        StatusChange(5, 0, "requested", "scheduled", None, None, 10),
        StatusChange(5, 1, "scheduled", "running", "w1", None, 11),
        StatusChange(5, 1, "running", "requested", "w1", reason, lost),
        StatusChange(5, 1, "requested", "scheduled", None, None, lost + 1),
        StatusChange(5, 2, "scheduled", "running", "w2", None, lost + 2),
        StatusChange(5, 2, "running", "completed", "w2", None, lost + 3),
    ]


FOUR = [change for execution in (1, 2, 3, 4) for change in whole(execution)]
WELL = RigRecord(
    printed=LINES,
    stored=LINES,
    asked={"api:1": 5, "api:2": None},
    executed=list(KEYS.items()),
    changes=FOUR + whole(5),
    presences=[Presence(execution, "w1", 11, 12) for execution in KEYS],
)
CUT = Absence("w1", 12, 22)


def test_a_record_in_which_all_is_well_has_no_faults() -> None:
    assert faults_of(WELL) == []


def test_the_last_line_of_a_process_need_not_have_been_told() -> None:
    record = replace(WELL, printed=[line for line in LINES if line != ("one", 7, 1)])

    assert faults_of(record) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"stored": LINES[1:]}, "line 0 of one, process 7, was printed and is no event"),
        ({"stored": [*LINES, LINES[1]]}, "line 1 of one, process 7, is 2 events"),
        ({"stored": [LINES[1], LINES[0], *LINES[2:]]}, "line 0 of one, process 7, was stored after line 1"),
        ({"stored": [*LINES, ("one", 7, 9)]}, "line 9 of one, process 7, is an event and was not printed"),
        ({"executed": [*KEYS.items(), (6, "api:1")], "changes": [*WELL.changes, *whole(6)]}, "api:1 was asked once"),
        ({"executed": [*KEYS.items(), (6, "x")], "changes": [*WELL.changes, *whole(6)]}, "execution 6 was never asked"),
        ({"asked": {"api:1": 5, "api:3": 6}}, "execution 6 was promised to api:3 and is not there"),
        ({"executed": list(KEYS.items())[1:]}, "the event of line 0 of one, process 7, led to no execution"),
        ({"changes": FOUR + whole(5)[:2]}, "execution 5 ended 0 times"),
        ({"changes": FOUR + whole(5) + whole(5)[2:]}, "execution 5 ended 2 times: completed completed"),
        ({"changes": FOUR + whole(5) + whole(5)[1:2]}, "execution 5 was completed, and then became running"),
        ({"changes": [*FOUR, *whole(5)[:2], replace(whole(5)[2], after="failed", reason="why")]}, "5 is failed: why"),
        ({"changes": FOUR + again(15)}, "its worker w1 was not away alone: worker w1 was lost"),
        ({"changes": FOUR + again(15), "absences": [CUT]}, "its worker w1 was not away alone"),
        ({"changes": FOUR + again(19), "absences": [replace(CUT, worker="w2")]}, "was not away alone"),
        ({"changes": FOUR + again(19), "absences": [replace(CUT, begin=1, end=9)]}, "was not away alone"),
        ({"changes": FOUR + again(19, None), "absences": [CUT]}, "given up, and nothing says why"),
        ({"presences": [Presence(5, "w1", 11, 20), Presence(5, "w2", 15, 18)]}, "5 ran on w1 and on w2 at the same"),
        ({"exits": ["w3 (1)"]}, "w3 (1) ended without being told to"),
    ],
)
def test_a_planted_fault_is_found(changed: dict[str, object], said: str) -> None:
    found = faults_of(replace(WELL, **changed))  # type: ignore[arg-type]

    assert any(said in sentence for sentence in found), found


def test_two_running_attempts_are_found() -> None:
    second = StatusChange(5, 2, "running", "running", "w2", None, 11.5)

    assert "execution 5 became running after running" in faults_of(replace(WELL, changes=[*WELL.changes, second]))


@pytest.mark.parametrize("absence", [CUT, Absence("w1", 18, 18.5, was_killed=True)])
def test_an_attempt_may_be_lost_where_its_worker_was_cut_off_for_long_or_killed(absence: Absence) -> None:
    record = replace(WELL, changes=FOUR + again(19), absences=[absence])

    assert faults_of(record) == []
    assert [change.execution for change in lost_attempts(record.changes)] == [5]


def test_an_attempt_may_be_given_back_before_it_has_run() -> None:
    record = replace(WELL, changes=FOUR + again(19, "nothing can be run: python3: too many open files"))

    assert faults_of(record) == []
    assert lost_attempts(record.changes) == []


def test_processes_of_two_attempts_may_overlap_only_where_the_first_worker_was_cut_off() -> None:
    presences = [Presence(5, "w1", 11, 20), Presence(5, "w2", 15, 18)]

    assert faults_of(replace(WELL, presences=presences, absences=[CUT])) == []
    assert faults_of(replace(WELL, presences=presences, absences=[replace(CUT, was_killed=True)])) != []


@pytest.mark.parametrize(("worker", "said"), [("w1", []), ("w2", ["execution 5 began an attempt twice: [1, 1]"])])
def test_an_attempt_that_was_lost_may_go_on_but_nowhere_else(worker: str, said: list[str]) -> None:
    story = [
        *again(30)[:3],
        StatusChange(5, 1, "requested", "running", worker, None, 31),
        StatusChange(5, 1, "running", "completed", worker, None, 32),
    ]
    record = replace(WELL, changes=FOUR + story, absences=[CUT, Absence("w1", 12, 31)])

    assert [fault for fault in faults_of(record) if "twice" in fault] == said
