"""The explanation of a "no", on the fleet of the design and on a fleet of 50 workers, as text and as JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from attune.core.durations import coarse, precise
from attune.core.matching.explain import explain
from attune.core.matching.explanation import PlacementOutcome, Waiting
from attune.core.matching.fleet import Node, NodeStatus
from attune.core.matching.requirement import Preference, Requirement
from attune.core.runtimes.verdict import Status
from fleets import capability, node, pythons


def small_fleet() -> list[Node]:
    """The twelve workers of the design."""

    def worker(number: int, python: str = "3.11.4", runs: str | None = "20.11.1") -> Node:
        held = [capability("python", python)]
        return node(number, *held, *([capability("node", runs)] if runs else []))

    timed_out = capability(
        "python", status=Status.UNKNOWN, reason="check timed out", last_good_version="3.12.1", last_good_age=2463.0
    )
    nodes = [worker(number, runs="18.19.0") for number in (1, 2, 4, 7, 10)]
    nodes += [worker(3, runs="18.20.4"), *(worker(number, runs=None) for number in (6, 11))]
    nodes += [worker(number) for number in (5, 8, 12)]
    by_number = {one.id: one for one in nodes}
    by_number[2] = worker(2, "3.10.14", "18.19.0")
    by_number[7] = worker(7, "3.13.0", "18.19.0")
    five, eight, twelve = by_number[5], by_number[8], by_number[12]
    by_number[5] = node(5, *five.capabilities.values(), status=NodeStatus.DRAINING)
    by_number[8] = node(8, *eight.capabilities.values(), status=NodeStatus.STALE)
    by_number[9] = node(9, timed_out, capability("node", "20.11.1"))
    by_number[12] = node(12, *twelve.capabilities.values(), labels={"gpu": ""})
    return [by_number[number] for number in sorted(by_number)]


def test_the_text_has_the_shape_of_the_design() -> None:
    requirement = Requirement.parse("python >=3.11,<3.13; node >=20; !gpu")
    explanation = replace(
        explain(requirement, small_fleet(), preferences=[Preference.parse("zone=eu")]),
        waiting=Waiting(192, "wait", 1608),
        history="last placeable 2 days ago, on w5",
    )

    assert str(explanation) == (
        """\
BLOCKED 3m12s   policy wait, deadline in 26m48s
needs     node >=20   python >=3.11,<3.13   !gpu      prefers zone=eu
fleet     12 = 0 able + 1 draining (w5) + 1 stale (w8) + 9 rejected + 1 undecided (w9)
term                 pass  fail  unknown   because
node >=20               4     8        0   6 have 18.x, 2 have none
python >=3.11,<3.13     9     2        1   w2 3.10.14, w7 3.13.0 | w9 check timed out, last good 3.12.1 41m ago
!gpu                   11     1        0   w12
nearest   w3: only node fails, 18.20.4 at /opt/node-18.20.4/bin/node, verified 38s ago by `node --version`
          w1: only node fails, 18.19.0 at /opt/node-18.19.0/bin/node, verified 38s ago by `node --version`
repair    resume w5 -> runs now  |  node >=18 -> 4 workers  |  without !gpu -> 1 worker  |  node >=20 on w3
history   last placeable 2 days ago, on w5"""
    )


def test_a_node_that_left_or_has_just_started_has_a_row_of_its_own() -> None:
    python = capability("python", "3.12.1")
    states = (NodeStatus.INACTIVE, NodeStatus.ERROR, NodeStatus.STARTING)
    fleet = [node(number, python, status=status) for number, status in enumerate(states, 1)]
    explanation = explain(Requirement.parse("python"), fleet)

    assert explanation.outcome is PlacementOutcome.BLOCKED
    assert str(explanation).splitlines()[2:] == [
        "fleet     3 = 0 able + 1 gone (w1) + 1 rejected (w2) + 1 undecided (w3)",
        "term        pass  fail  unknown   because",
        "python         3     0        0",
        "in service     0     2        1   w1 inactive, w2 error | w3 starting",
        "repair    start w1",
    ]


def test_a_misspelt_name_that_no_node_knows_is_corrected() -> None:
    explanation = explain(Requirement.parse("pyton >=3.9; cpu"), pythons(*["3.12.1"] * 5))

    assert [row.hint for row in explanation.terms] == ["cpus", "python"]
    assert "5 have none, did you mean python?" in str(explanation)


def test_many_kinds_of_fault_are_counted_and_many_names_left_out() -> None:
    fleet = [*pythons(*(f"{number}.0.1" for number in range(1, 16))), *(node(100 + number) for number in range(20))]
    row = explain(Requirement.parse("python >=20"), fleet).terms[0]

    assert (row.passed, row.failed, row.unknown) == (0, 35, 0)
    assert (row.causes[0].found, row.causes[0].count, row.causes[0].nodes[:2]) == ("none", 20, ("w100", "w101"))
    assert len(row.causes[0].nodes) == 10
    assert "20 have none, w1 has 1.0.1, w2 has 2.0.1, w3 has 3.0.1 and 12 more" in str(
        explain(Requirement.parse("python >=20"), fleet)
    )


def test_work_that_only_busy_nodes_can_do_waits_and_work_that_can_run_is_ready() -> None:
    busy = node(1, capability("python", "3.12.1"), running=2, max_concurrent=2)
    requirement = Requirement.parse("python")

    assert str(replace(explain(requirement, [busy]), waiting=Waiting(41, "fail"))).splitlines()[0] == (
        "WAITING 41s   policy fail"
    )
    assert explain(requirement, [busy, *pythons("3.9.1")]).outcome is PlacementOutcome.READY
    assert explain(requirement, []).to_data()["total"] == 0


@pytest.mark.parametrize(
    ("seconds", "exact", "rough"),
    [(0, "0s", "0s"), (38.2, "38s", "38s"), (192, "3m12s", "3m"), (7512, "2h05m", "2h"), (273_600, "3d04h", "3d")],
)
def test_spans_of_time_are_said_as_people_say_them(seconds: float, exact: str, rough: str) -> None:
    assert (precise(seconds), coarse(seconds)) == (exact, rough)


def fifty_workers() -> list[Node]:
    """Three generations of hosts in two zones; some drain, some are late, some are reserved, one check hangs."""
    fleet = []
    for number in range(1, 51):
        old, new = number <= 18, number > 40
        python = "3.9.18" if old else "3.12.4" if new else "3.11.2"
        held = [
            capability("python", *([python, "2.7.18"] if old else [python])),
            capability("java", "17.0.9" if new and number not in (41, 45) else "11.0.22" if number % 3 else "8.0.392"),
        ]
        if number % 5:
            status = Status.AVAILABLE if number % 4 else Status.DECLARED
            held.append(capability("ffmpeg", "5.1.4" if number < 30 else "6.1", status=status))
        if number == 44:
            held[0] = capability("python", status=Status.UNKNOWN, reason="check timed out", last_good_version="3.12.4")
        state = {49: NodeStatus.DRAINING, 43: NodeStatus.STALE, 46: NodeStatus.INACTIVE}.get(number, NodeStatus.ACTIVE)
        labels = {"zone": "eu" if number % 2 else "us", "arch": "x86_64", "cpus": "16" if new else "8"}
        taints = frozenset({"gpu-only"}) if number in (47, 48) else frozenset[str]()
        fleet.append(node(number, *held, labels=labels, taints=taints, status=state, running=number % 4))
    return fleet


FIFTY = "python >=3.12; java >=17; ffmpeg verified; zone=eu; cpus >=12; arch in (x86_64, aarch64); !docker <20"


def test_the_text_on_fifty_workers() -> None:
    expected = Path(__file__).with_name("fifty_workers.txt").read_text(encoding="utf-8")

    assert f"{explain(Requirement.parse(FIFTY), fifty_workers())}\n" == expected


def test_the_json_on_fifty_workers() -> None:
    data = json.loads(json.dumps(explain(Requirement.parse(FIFTY), fifty_workers()).to_data()))

    assert data == json.loads(Path(__file__).with_name("fifty_workers.json").read_text(encoding="utf-8"))
