"""Terms whose name nothing has: no definition, no runtime or label of any node, no fact."""

from __future__ import annotations

import pytest

from attune.core.matching.explain import explain
from attune.core.matching.explanation import PlacementOutcome
from attune.core.matching.known_names import KnownNames
from attune.core.matching.matcher import match
from attune.core.matching.requirement import Preference, Requirement
from attune.core.matching.survey import Category
from attune.core.matching.term_judgement import Reason
from attune.core.runtimes.definition import names_of_definition
from attune.core.runtimes.runtime import Runtime
from attune.core.runtimes.verdict import Status
from fleets import capability, node

KNOWN = KnownNames({"python", "core.python"}, {"docker": "docker", "node": "nodejs"})
FLEET = [node(1, capability("python", "3.12.1"), labels={"gpu": ""}), node(2, capability("python", "3.9.1"))]


def test_what_no_definition_covers_is_unknown_on_every_node_and_the_repair_adds_it() -> None:
    requirement = Requirement.parse("!docker; python >=3.10")
    placement = match(requirement, FLEET, known=KNOWN)

    assert placement.best is None
    assert [other.category for other in placement.others] == [Category.UNDECIDED, Category.REJECTED]
    assert [finding.reason for finding in placement.others[1].unmet] == [
        Reason.VERSION_MISMATCH,
        Reason.RUNTIME_UNDEFINED,
    ]
    assert placement.others[0].unmet[0].on(FLEET[0]) == "no definition is called docker"
    assert str(explain(requirement, FLEET, known=KNOWN)).splitlines()[3:] == [
        "term           pass  fail  unknown   because",
        "python >=3.10     1     1        0   w2 3.9.1",
        "!docker           0     0        2   no definition is called docker",
        "nearest   w2: only python and docker fail, python 3.9.1 at /opt/python-3.9.1/bin/python, verified 38s ago by"
        " `python --version`; docker no definition is called docker",
        "repair    attune runtime add --from-catalogue docker  |  without !docker -> 1 worker",
    ]


def test_what_runs_nowhere_has_no_other_repair_than_its_definition() -> None:
    explanation = explain(Requirement.parse("node >=20"), FLEET, known=KNOWN)

    assert [str(repair) for repair in explanation.repairs] == ["attune runtime add --from-catalogue nodejs"]
    data = explanation.repairs[0].to_data()
    assert (data["admits"], explanation.outcome) == (0, PlacementOutcome.BLOCKED)
    assert data["changes"] == [
        {
            "kind": "define",
            "text": "attune runtime add --from-catalogue nodejs",
            "node": None,
            "taint": None,
            "term": "node >=20",
            "replacement": "node >=20",
        }
    ]


@pytest.mark.parametrize(
    ("term", "hint"),
    [("pyhton >=3", "python"), ("!dokcer", "docker"), ("gpuu", "gpu"), ("core.pyton", "core.python"), ("cobol", None)],
)
def test_a_typo_is_answered_with_the_nearest_name(term: str, hint: str | None) -> None:
    (row,) = explain(Requirement.parse(term), FLEET, known=KNOWN).terms

    assert (row.unknown, row.failed, row.hint) == (2, 0, hint)


@pytest.mark.parametrize("term", ["!gpu", "!python >=3.10", "kernel", "zone=eu", "!docker"])
def test_names_that_something_has_and_all_of_them_without_a_list_are_judged_as_ever(term: str) -> None:
    requirement = Requirement.parse(term)
    known = None if term == "!docker" else KNOWN

    assert match(requirement, FLEET, known=known) == match(requirement, FLEET)


@pytest.mark.parametrize("term", ["ruby", "!ruby", "!ruby >=3", "acme.ruby", "!acme.ruby", "ruby verified"])
def test_what_is_defined_is_unknown_on_a_node_that_has_not_looked_for_it(term: str) -> None:
    known = KnownNames({"python", "ruby", "acme.ruby"})
    looked = [
        node(3, capability("ruby", status=Status.UNAVAILABLE, reason="not found", ref="acme.ruby")),
        node(4, capability("ruby", "3.2.1", ref="acme.ruby")),
    ]
    placement = match(Requirement.parse(term), [*FLEET, *looked], known=known)
    unlooked = [other for other in placement.others if other.node in FLEET]

    assert [other.category for other in unlooked] == [Category.UNDECIDED] * 2
    assert [other.unmet[0].reason for other in unlooked] == [Reason.RUNTIME_UNCHECKED] * 2
    assert [candidate.node.id for candidate in placement.eligible] == [3 if term.startswith("!") else 4]
    row = explain(Requirement.parse(term), [*FLEET, *looked], known=known).terms[0]
    assert (row.passed, row.failed, row.unknown) == (1, 1, 2)
    text = str(explain(Requirement.parse(term), FLEET, known=known))
    assert "2: not looked for yet, see attune worker reload" in text or "w1 not looked for yet" in text


def test_what_only_labels_are_called_needs_no_looking() -> None:
    assert [one.node.id for one in match(Requirement.parse("!gpu"), FLEET, known=KNOWN).eligible] == [2]


def test_a_definition_that_no_node_offers_is_no_typo() -> None:
    known = KnownNames({"pythons"})

    assert explain(Requirement.parse("pythons"), FLEET, known=known).terms[0].hint is None


def test_a_preference_that_nothing_covers_ranks_nobody() -> None:
    wish = [Preference.parse("!docker *5")]

    assert [one.score for one in match(Requirement(), FLEET, preferences=wish, known=KNOWN).eligible] == [0, 0]
    assert [one.score for one in match(Requirement(), FLEET, preferences=wish).eligible] == [5, 5]


@pytest.mark.parametrize(
    ("distributions", "names"),
    [
        ({"aliases": ["maven", "MVN", 3]}, {"maven", "mvn", "acme.mvn"}),
        ({"aliases": "x"}, {"apache", "acme.mvn"}),
        ([], {"apache", "acme.mvn"}),
    ],
)
def test_a_definition_is_called_by_its_capability_its_ref_and_its_aliases(distributions: object, names: object) -> None:
    assert names_of_definition(Runtime("acme.mvn", "Apache", distributions)) == names
