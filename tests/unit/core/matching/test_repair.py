"""What would make blocked work placeable. That each repair does what it says is a law in tests/property."""

from __future__ import annotations

import pytest

from attune.core.matching.explain import explain
from attune.core.matching.fleet import Node, NodeStatus
from attune.core.matching.repair.widen import relaxed, satisfying_version
from attune.core.matching.requirement import Requirement
from attune.core.runtimes.constraint import Constraint
from attune.core.runtimes.verdict import Status
from attune.core.runtimes.version import Version
from fleets import capability, node, pythons


def repairs(text: str, fleet: list[Node]) -> list[str]:
    return [str(repair) for repair in explain(Requirement.parse(text), fleet).repairs]


@pytest.mark.parametrize(
    ("constraint", "version", "wider"),
    [
        (">=20", "18.20.4", ">=18"),
        (">=3.11,<3.13", "3.10.14", ">=3.10,<3.13"),
        (">=3.11,<3.13", "3.13.0", ">=3.11,<3.14"),
        (">=3.12.4", "3.12.1", ">=3.12.1"),
        ("^20.1", "18.20.4", ">=18.20,<21"),
        ("17 || >=21", "11.0.2", "11.0.2 || 17 || >=21"),
        (">=3.9,!=3.12.4", "3.12.4", ">=3.9"),
        (">=3.9,!=3.12.4,!=3.12.5", "3.12.4", ">=3.9,!=3.12.5"),
        (">=3.13", "3.13.0rc1", ">=3.13 || ==3.13.0rc1"),
        (">=3.12.4", "3.12", "3.12 || >=3.12.4"),
        ("<18", "20.1.0", "<21"),
    ],
)
def test_a_constraint_is_relaxed_at_its_own_precision(constraint: str, version: str, wider: str) -> None:
    found = relaxed(Constraint.parse(constraint), Version.parse(version))

    assert str(found) == str(Constraint.parse(wider))


@pytest.mark.parametrize("text", [">=20", ">3.11.4", "<4", "<=2", "^0.0.3", "!=0.0.0", "~=3.11", ">=3.13.0rc1", "<0.1"])
def test_a_witness_satisfies_its_constraint(text: str) -> None:
    found = satisfying_version(Constraint.parse(text))

    assert found is not None
    assert Constraint.parse(text).check(Version.parse(found)).name == "YES"


def test_a_draining_node_is_resumed_first() -> None:
    fleet = [node(5, capability("python", "3.12.1"), status=NodeStatus.DRAINING), *pythons("3.9.1", "3.9.2")]

    assert repairs("python >=3.11", fleet) == [
        "resume w5 -> runs now",
        "python >=3.9 -> 2 workers",
        "python >=3.11 on w2",
        "python >=3.11 on w1",
    ]


def test_a_node_that_is_not_heard_of_is_reconnected() -> None:
    fleet = [node(8, capability("python", "3.12.1"), status=NodeStatus.LOST)]

    assert repairs("python", fleet) == ["reconnect w8"]


def test_the_nearest_versions_on_either_side_are_admitted() -> None:
    fleet = pythons("3.8.1", "3.10.4", "3.10.5", "3.14.1", "3.15.0")

    assert repairs("python >=3.11,<3.13", fleet)[:2] == [
        "python >=3.10,<3.13 -> 2 workers",
        "python >=3.11,<3.15 -> 1 worker",
    ]


def test_a_missing_runtime_is_installed_where_nothing_else_is_missing() -> None:
    fleet = [node(1, capability("python", "3.12.1")), node(2, capability("node", "20.1.0"))]

    assert repairs("python >=3.11; ffmpeg", fleet) == ["ffmpeg on w1"]


def test_terms_taints_and_labels_that_are_in_the_way_can_go() -> None:
    python = capability("python", "3.12.1")
    fleet = [
        node(1, python, capability("docker", "24.0.5"), labels={"zone": "eu", "cpus": "8"}),
        node(2, python, labels={"zone": "us", "cpus": "8"}),
        node(3, python, labels={"zone": "eu", "cpus": "4"}),
        node(4, python, labels={"zone": "eu", "cpus": "6"}),
        node(5, python, labels={"zone": "eu", "cpus": "8"}, taints=frozenset({"gpu-only"})),
        node(6, python, labels={"zone": "us", "cpus": "8"}),
    ]

    assert repairs("python; !docker; zone=eu; cpus >=8", fleet) == [
        "cpus >=6 -> 1 worker",
        "tolerate gpu-only -> 1 worker",
        "without zone=eu -> 2 workers",
        "without !docker -> 1 worker",
    ]


def test_an_exclusion_that_is_in_the_way_can_go() -> None:
    assert repairs("python !=3.12.4", pythons("3.12.4")) == ["python -> 1 worker", "python !=3.12.4 on w1"]


def test_a_declared_runtime_may_be_enough() -> None:
    fleet = [node(1, capability("python", "3.12.1", status=Status.DECLARED))]

    assert repairs("python >=3.9 verified", fleet) == ["python >=3.9 -> 1 worker", "python >=3.9 verified on w1"]


def test_two_changes_are_told_only_where_no_single_one_helps() -> None:
    python = capability("python", "3.9.1")
    tainted = node(1, python, taints=frozenset({"slow"}))

    assert repairs("python >=3.11", [tainted]) == [
        "tolerate slow and python >=3.9 -> 1 worker",
        "tolerate slow and python >=3.11 on w1",
    ]
    assert repairs("python >=3.11", [tainted, node(2, python)]) == ["python >=3.9 -> 1 worker", "python >=3.11 on w2"]


@pytest.mark.parametrize(
    ("text", "fleet"),
    [
        ("python", []),
        ("python", pythons("3.12.1")),
        ("ruby; node; java", pythons("3.12.1")),
        ("python", [node(1, capability("python", "3.12.1"), status=NodeStatus.ERROR)]),
        ("cpus >=8", [node(1, labels={"cpus": "4"}, running=1, max_concurrent=1)]),
        ("python", [node(1, capability("python", "3.12.1"), running=1, max_concurrent=1), node(2)]),
    ],
)
def test_nothing_is_told_where_nothing_small_helps_or_nothing_is_needed(text: str, fleet: list[Node]) -> None:
    assert repairs(text, fleet) == []
