"""What a term means on a node, which nodes are eligible, and in which order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from attune.core.matching.fleet import Capability, CapabilityInstance, Node, NodeStatus, capabilities_of, first_by_name
from attune.core.matching.matcher import match
from attune.core.matching.requirement import Preference, Requirement
from attune.core.matching.survey import Category
from attune.core.matching.term_judgement import Reason, TermFinding, judge
from attune.core.nodes.labels import labels_of
from attune.core.runtimes.interval import Truth
from attune.core.runtimes.verdict import Evidence, Status, Verdict
from attune.core.runtimes.verdict import Instance as VerifiedInstance
from fleets import capability, node, pythons

YES, NO, PERHAPS = Truth.YES, Truth.NO, Truth.UNKNOWN


def judged(text: str, one: Node) -> TermFinding:
    return judge(Requirement.parse(text).terms[0], one)


def with_python(*versions: str | None, status: Status = Status.AVAILABLE) -> Node:
    return node(1, capability("python", *versions, status=status))


def labelled(**labels: object) -> Node:
    return node(1, labels=labels_of(labels))


@pytest.mark.parametrize(
    ("text", "one", "truth", "reason"),
    [
        ("python", with_python("3.11.4"), YES, Reason.SATISFIED),
        ("python", with_python(), YES, Reason.SATISFIED),
        ("python", node(1), NO, Reason.RUNTIME_MISSING),
        ("python", with_python(status=Status.UNAVAILABLE), NO, Reason.RUNTIME_UNAVAILABLE),
        ("python", with_python(status=Status.UNKNOWN), PERHAPS, Reason.RUNTIME_UNKNOWN),
        ("python", with_python(status=Status.INVALID), PERHAPS, Reason.RUNTIME_INVALID),
        ("python", with_python(status=Status.DECLARED), YES, Reason.SATISFIED),
        ("python", with_python(status=Status.ASSUMED), YES, Reason.SATISFIED),
        ("python >=3.9", with_python("3.11.4"), YES, Reason.SATISFIED),
        ("python >=3.12", with_python("3.11.4"), NO, Reason.VERSION_MISMATCH),
        ("python >=3.12", with_python("3.11.4", "3.12.1"), YES, Reason.SATISFIED),
        ("python >=3.12.4", with_python("3.12"), PERHAPS, Reason.VERSION_IMPRECISE),
        ("python >=3.12", with_python(None), PERHAPS, Reason.VERSION_UNKNOWN),
        ("python >=3.12", with_python("nightly"), PERHAPS, Reason.VERSION_UNKNOWN),
        ("python >=3.12", with_python("3.11.4", None), PERHAPS, Reason.VERSION_UNKNOWN),
        ("python >=3.12", with_python(status=Status.DECLARED), PERHAPS, Reason.VERSION_UNKNOWN),
        ("python >=3.12", with_python("3.11.4", status=Status.UNAVAILABLE), NO, Reason.RUNTIME_UNAVAILABLE),
        ("python verified", with_python("3.11.4"), YES, Reason.SATISFIED),
        ("python verified", with_python("3.11.4", status=Status.DECLARED), NO, Reason.NOT_VERIFIED),
        ("python verified", with_python("3.11.4", status=Status.ASSUMED), NO, Reason.NOT_VERIFIED),
        ("python verified", with_python(status=Status.UNKNOWN), PERHAPS, Reason.RUNTIME_UNKNOWN),
        ("!python", with_python("3.11.4"), NO, Reason.RUNTIME_PRESENT),
        ("!python", node(1), YES, Reason.SATISFIED),
        ("!python", with_python(status=Status.UNAVAILABLE), YES, Reason.SATISFIED),
        ("!python", with_python(status=Status.UNKNOWN), PERHAPS, Reason.RUNTIME_UNKNOWN),
        ("!python <3", with_python("3.11.4", "2.7.18"), NO, Reason.RUNTIME_PRESENT),
        ("!python <3", with_python("3.11.4"), YES, Reason.SATISFIED),
        ("!python <3", with_python(None), PERHAPS, Reason.VERSION_UNKNOWN),
        ("gpu", labelled(gpu=True), YES, Reason.SATISFIED),
        ("gpu", labelled(gpu=None), YES, Reason.SATISFIED),
        ("!gpu", labelled(gpu=None), NO, Reason.LABEL_PRESENT),
        ("gpu verified", labelled(gpu=True), NO, Reason.RUNTIME_MISSING),
        ("gpu >=2", labelled(gpu=3), YES, Reason.SATISFIED),
        ("gpu >=2", labelled(gpu=1), NO, Reason.LABEL_DIFFERS),
        ("gpu >=2", labelled(gpu="a100"), NO, Reason.LABEL_DIFFERS),
        ("kernel >=5.15", labelled(kernel="6.1.0-13-amd64"), YES, Reason.SATISFIED),
        ("kernel >=5.15", node(1), PERHAPS, Reason.FACT_UNKNOWN),
        ("rack=12", labelled(rack=12), YES, Reason.SATISFIED),
        ('rack="12"', labelled(rack="12"), YES, Reason.SATISFIED),
        ("zone=eu", labelled(zone="eu"), YES, Reason.SATISFIED),
        ("zone=eu", labelled(zone="us"), NO, Reason.LABEL_DIFFERS),
        ("zone=eu", node(1), NO, Reason.LABEL_MISSING),
        ("zone!=eu", node(1), YES, Reason.SATISFIED),
        ("zone!=eu", labelled(zone="eu"), NO, Reason.LABEL_PRESENT),
        ("zone in (eu, us)", labelled(Zone="us"), YES, Reason.SATISFIED),
        ("zone not in (eu, us)", labelled(zone="us"), NO, Reason.LABEL_PRESENT),
        ("arch=x86_64", labelled(arch="AMD64"), YES, Reason.SATISFIED),
        ("arch=arm64", labelled(arch="aarch64"), YES, Reason.SATISFIED),
        ("arch!=arm64", node(1), PERHAPS, Reason.FACT_UNKNOWN),
        ("container=docker", node(1), NO, Reason.LABEL_MISSING),
        ("cpus >=8", labelled(cpus=8), YES, Reason.SATISFIED),
        ("cpus >8", labelled(cpus=8), NO, Reason.NUMBER_MISMATCH),
        ("cpus <8", labelled(cpus=4), YES, Reason.SATISFIED),
        ("cpus !=8", labelled(cpus=8.0), NO, Reason.NUMBER_MISMATCH),
        ("memory_gb >15.9", labelled(memory_gb=15.85), NO, Reason.NUMBER_MISMATCH),
        ("memory_gb <=16", labelled(memory_gb=16.4), NO, Reason.NUMBER_MISMATCH),
        ("cpus >=8", node(1), PERHAPS, Reason.FACT_UNKNOWN),
        ("cpus >=8", labelled(cpus="many"), PERHAPS, Reason.FACT_UNKNOWN),
        ("cpus >=8", labelled(cpus="nan"), PERHAPS, Reason.FACT_UNKNOWN),
    ],
)
def test_a_term_holds_fails_or_is_unknown(text: str, one: Node, truth: Truth, reason: Reason) -> None:
    finding = judged(text, one)

    assert (finding.truth, finding.reason) == (truth, reason)


def test_the_highest_version_that_satisfies_is_chosen_with_its_path() -> None:
    several = with_python("3.11.4", "3.12.1", "3.9.2", "3.13.0", None)

    placement = match(Requirement.parse("python >=3.9,<3.13"), [several])

    assert placement.best is not None
    assert placement.best.instances == {"python": CapabilityInstance("3.12.1", "/opt/python-3.12.1/bin/python")}
    unbounded = match(Requirement.parse("python"), [several]).best
    assert unbounded is not None and unbounded.instances["python"].version == "3.13.0"


def test_a_release_is_chosen_before_a_pre_release_however_high_that_is() -> None:
    several = with_python("3.14.0rc1", "3.12.1", "3.9.2", "3.13.0a1")

    chosen = {
        text: match(Requirement.parse(text), [several]).best for text in ("python", "python >=3.13", "python >=3.9")
    }

    versions = {text: best and best.instances["python"].version for text, best in chosen.items()}
    assert versions == {"python": "3.12.1", "python >=3.13": "3.14.0rc1", "python >=3.9": "3.12.1"}


@pytest.mark.parametrize("text", ["java 1.8", "java >=1.8,<1.9", "java ^1.8", "java 8", "java >=1.8.0_300"])
def test_java_8_is_what_1_8_asks_for(text: str) -> None:
    offered = Capability("java", Status.AVAILABLE, (CapabilityInstance("8.0.392", "/opt/java"),))
    node = Node(1, "n", {"java": offered})

    assert match(Requirement.parse(text), [node]).best is not None
    assert str(Requirement.parse(str(Requirement.parse(text)))) == str(Requirement.parse(text))


@pytest.mark.parametrize(
    ("keys", "category"),
    [
        ({}, Category.ABLE),
        ({"running": 3, "max_concurrent": 4}, Category.ABLE),
        ({"running": 4, "max_concurrent": 4}, Category.BUSY),
        ({"status": NodeStatus.BUSY}, Category.BUSY),
        ({"status": NodeStatus.DRAINING}, Category.DRAINING),
        ({"status": NodeStatus.DRAINING, "running": 4, "max_concurrent": 4}, Category.DRAINING),
        ({"status": NodeStatus.STALE}, Category.STALE),
        ({"status": NodeStatus.LOST}, Category.GONE),
        ({"status": NodeStatus.STARTING}, Category.UNDECIDED),
        ({"status": NodeStatus.INACTIVE}, Category.GONE),
        ({"status": NodeStatus.ERROR}, Category.REJECTED),
        ({"taints": frozenset({"gpu-only"})}, Category.REJECTED),
    ],
)
def test_a_node_that_satisfies_everything_stands_where_its_state_puts_it(keys: Any, category: Category) -> None:
    one = replace(with_python("3.11.4"), **keys)
    placement = match(Requirement.parse("python"), [one])

    assert [other.category for other in placement.others] == ([] if category is Category.ABLE else [category])
    assert [candidate.node for candidate in placement.eligible] == ([one] if category is Category.ABLE else [])
    failing = match(Requirement.parse("ruby"), [one]).others[0]
    assert failing.category is (category if category is Category.GONE else Category.REJECTED)


def test_a_taint_is_tolerated_by_the_requirement_or_by_the_caller() -> None:
    tainted = replace(with_python("3.11.4"), taints=frozenset({"gpu-only", "slow"}))
    requirement = Requirement.parse("python; tolerates gpu-only")

    assert match(requirement, [tainted]).others[0].taints == ("slow",)
    assert match(requirement, [tainted], tolerations=["slow"]).best is not None


def test_the_eligible_are_ranked_by_preferences_then_load_then_name() -> None:
    def worker(number: int, zone: str, running: int, *held: Capability) -> Node:
        return node(number, capability("python", "3.12.1"), *held, labels={"zone": zone}, running=running)

    fleet = [
        worker(1, "us", 0),
        worker(2, "eu", 3),
        worker(3, "eu", 1),
        worker(4, "eu", 1, capability("docker", "24.0")),
        worker(5, "us", 0, capability("node", "20.1.0")),
        worker(6, "eu", 1),
    ]
    preferences = [Preference.parse(text) for text in ("zone=eu *5", "node >=20 *6", "docker *-10")]

    placement = match(Requirement.parse("python"), reversed(fleet), preferences=preferences)

    assert [(one.node.name, one.score) for one in placement.eligible] == [
        ("w5", 6),
        ("w3", 5),
        ("w6", 5),
        ("w2", 5),
        ("w1", 0),
        ("w4", -5),
    ]


def test_every_other_node_has_its_unmet_terms_with_what_was_found() -> None:
    fleet = [*pythons("3.8.10", "3.12.1"), node(3, capability("node", "18.20.4"))]

    placement = match(Requirement.parse("python >=3.9; node >=20"), fleet)

    assert [
        (one.node.name, [(str(found.term), found.reason.value, found.found) for found in one.unmet])
        for one in placement.others
    ] == [
        ("w1", [("node >=20", "runtime_missing", "none"), ("python >=3.9", "version_mismatch", "3.8.10")]),
        ("w2", [("node >=20", "runtime_missing", "none")]),
        ("w3", [("node >=20", "version_mismatch", "18.20.4"), ("python >=3.9", "runtime_missing", "none")]),
    ]


def test_any_node_will_do_for_work_that_needs_nothing() -> None:
    assert match(Requirement.parse("*"), [node(1)]).best is not None
    assert match(Requirement.parse("*"), []).best is None


def test_names_are_folded_on_both_sides() -> None:
    one = node(1, capability("dotnet", "8.0.1"), capability("node", "20.1.0"))

    assert match(Requirement.parse("C# >=8; nodejs ^20"), [one]).best is not None


def test_verdicts_of_several_definitions_of_one_runtime_are_one_capability() -> None:
    def verdict(ref: str, status: Status, *versions: str) -> Verdict:
        instances = tuple(VerifiedInstance(version, f"/{ref}", f"/{ref}") for version in versions)
        return Verdict(ref, "python", status, ref, instances=instances, evidence=Evidence(("python3", "-V"), 0, ""))

    first = verdict("a", Status.UNAVAILABLE)
    second = verdict("b", Status.AVAILABLE, "3.11.4")
    third = verdict("c", Status.AVAILABLE, "3.12.1")

    merged = capabilities_of([first, second, third])["python"]

    assert (merged.status, merged.evidence) == (Status.AVAILABLE, "python3 -V")
    assert [instance.version for instance in merged.instances] == ["3.11.4", "3.12.1"]
    assert capabilities_of([first])["python"].status is Status.UNAVAILABLE


def test_the_first_nodes_by_name_are_in_the_order_people_count() -> None:
    fleet = [node(number) for number in (12, 2, 110, 1, 20)]

    assert [one.name for one in first_by_name(fleet, 4)] == ["w1", "w2", "w12", "w20"]
    assert first_by_name([], 3) == []


def test_what_is_cached_is_offered_but_not_verified() -> None:
    seen = Evidence(("python3", "--version"), 0, "", cached_age=300.0)
    verdict = Verdict(
        "core.python", "python", Status.AVAILABLE, "", "", (VerifiedInstance("3.11.4", "/p", "/p"),), seen
    )
    fresh = replace(verdict, ref="acme.python", evidence=replace(seen, cached_age=None))
    cached = Node(1, "w1", capabilities_of([verdict]))
    finding = judged("python >=3.9 verified", cached)

    assert judged("python >=3.9", cached).truth is YES
    assert (finding.truth, finding.reason) == (NO, Reason.NOT_VERIFIED)
    assert finding.found == "3.11.4 (cached, 5m)"
    assert finding.on(cached) == "found 3.11.4 (cached, 5m) at /p"
    assert judged("python verified", Node(1, "w1", capabilities_of([fresh]))).truth is YES
    # Two definitions found it: nobody knows which of its interpreters is only cached.
    assert judged("python verified", Node(1, "w1", capabilities_of([verdict, fresh]))).truth is NO


def test_nodes_whose_runtime_is_cached_are_not_taken_for_verified_ones() -> None:
    verified = with_python("3.11.4")
    cached = replace(verified, id=2, name="w2", capabilities={"python": Capability("python", cached=True)})
    placement = match(Requirement.parse("python verified"), [cached, verified])

    assert [candidate.node.id for candidate in placement.eligible] == [1]
