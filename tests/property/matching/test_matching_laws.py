"""Laws of matching, of its explanation and of the repairs, on random fleets."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from attune.core.matching.explain import explain
from attune.core.matching.explanation import PlacementOutcome
from attune.core.matching.fleet import Capability, Node
from attune.core.matching.matcher import match
from attune.core.matching.repair.search import applied
from attune.core.matching.requirement import Preference, Requirement
from attune.core.matching.survey import Category, survey
from attune.core.matching.term_judgement import judge
from attune.core.matching.terms import RuntimeTerm
from attune.core.runtimes.interval import Truth
from fleets import RUNTIMES, capabilities, fleets, nodes, requirements, term_texts, versioned, versioned_fleets

PREFERENCES = (Preference.parse("zone=eu *5"), Preference.parse("docker *-2"))


def ids(requirement: Requirement, fleet: list[Node]) -> list[int]:
    return [one.node.id for one in match(requirement, fleet).eligible]


@given(requirements(), nodes(), st.sampled_from(RUNTIMES).flatmap(capabilities))
def test_adding_a_capability_never_removes_a_match_unless_a_negative_term_names_it(
    requirement: Requirement, node: Node, added: Capability
) -> None:
    negative = {term.name for term in requirement.terms if isinstance(term, RuntimeTerm) and term.negated}
    assume(added.name not in negative and added.name not in node.capabilities)
    more = replace(node, capabilities={**node.capabilities, added.name: added})

    assert set(ids(requirement, [node])) <= set(ids(requirement, [more]))


@given(requirements(), fleets(), st.randoms())
def test_the_order_of_the_nodes_does_not_matter(requirement: Requirement, fleet: list[Node], random: object) -> None:
    shuffled = list(fleet)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one = match(requirement, fleet, preferences=PREFERENCES)
    other = match(requirement, shuffled, preferences=PREFERENCES)

    assert [(c.node.id, c.score, c.instances) for c in one.eligible] == [
        (c.node.id, c.score, c.instances) for c in other.eligible
    ]
    assert [(r.node.id, r.category, r.unmet) for r in one.others] == [
        (r.node.id, r.category, r.unmet) for r in other.others
    ]
    assert explain(requirement, fleet).to_data() == explain(requirement, shuffled).to_data()


@given(requirements(), fleets())
def test_every_node_is_eligible_or_told_why_not(requirement: Requirement, fleet: list[Node]) -> None:
    placement = match(requirement, fleet)

    assert sorted([c.node.id for c in placement.eligible] + [r.node.id for r in placement.others]) == sorted(
        node.id for node in fleet
    )
    for candidate in placement.eligible:
        assert all(judge(term, candidate.node).holds for term in requirement.terms)
        for name, instance in candidate.instances.items():
            assert instance in candidate.node.capabilities[name].instances
    for refusal in placement.others:
        truths = {found.truth for found in refusal.unmet}
        assert (refusal.category is Category.UNDECIDED) <= (Truth.NO not in truths)
        assert (refusal.category in (Category.BUSY, Category.DRAINING, Category.STALE)) <= (not truths)


@given(requirements(), fleets())
def test_a_survey_judges_each_node_as_if_it_were_alone(requirement: Requirement, fleet: list[Node]) -> None:
    surveyed = survey(requirement, fleet)

    for profile in (*surveyed.profiles, *surveyed.refined(surveyed.profiles)):
        for node in profile.nodes:
            alone = survey(requirement, [node]).profiles[0]
            assert (alone.category, alone.taints) == (profile.category, profile.taints)
            assert [found.truth for found in alone.findings] == [found.truth for found in profile.findings]
    for profile in surveyed.refined(surveyed.profiles):
        for node in profile.nodes:
            assert [judge(term, node).found for term in requirement.terms] == [f.found for f in profile.findings]


@given(requirements(), fleets())
def test_categories_and_rows_sum_to_the_fleet(requirement: Requirement, fleet: list[Node]) -> None:
    explanation = explain(requirement, fleet)

    assert sum(one.count for one in explanation.fleet) == len(fleet)
    for row in (*explanation.terms, *explanation.states):
        assert row.passed + row.failed + row.unknown == len(fleet)
        assert sum(cause.count for cause in row.causes if cause.truth is Truth.NO) == row.failed
        assert sum(cause.count for cause in row.causes if cause.truth is Truth.UNKNOWN) == row.unknown
    assert explanation.count(Category.ABLE) == len(ids(requirement, fleet))
    json.dumps(explanation.to_data())
    assert str(explanation).startswith(explanation.outcome.value.upper())


@given(st.one_of(st.tuples(requirements(), fleets()), st.tuples(requirements(versioned), versioned_fleets())))
def test_each_repair_makes_the_work_placeable_on_as_many_nodes_as_it_says(
    case: tuple[Requirement, list[Node]],
) -> None:
    requirement, fleet = case
    explanation = explain(requirement, fleet)

    assert not (explanation.repairs and explanation.outcome is not PlacementOutcome.BLOCKED)
    for repair in explanation.repairs:
        changed, nodes_after = applied(repair.changes, requirement, fleet)
        assert len(match(changed, nodes_after).eligible) == repair.admits > 0
        assert Requirement.parse(str(changed)) == changed
        for change in repair.changes:  # each change is needed
            left = [one for one in repair.changes if one != change]
            assert match(*applied(left, requirement, fleet)).eligible == ()


@given(term_texts, fleets())
def test_a_term_and_its_opposite_never_both_hold(text: str, fleet: list[Node]) -> None:
    term = Requirement.parse(text).terms[0]
    assume(isinstance(term, RuntimeTerm) and not term.verified)
    assert isinstance(term, RuntimeTerm)
    opposite = replace(term, negated=not term.negated)

    for node in fleet:
        assert judge(opposite, node).truth is ~judge(term, node).truth
