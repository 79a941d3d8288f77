"""The index and the pure matcher give the same answer, whatever happened to the fleet."""

from __future__ import annotations

from random import Random

from benchmarks.fleet_index import FleetIndex
from hypothesis import given, settings
from hypothesis import strategies as st

from attune.core.matching.fleet import Node
from attune.core.matching.matcher import match
from attune.core.matching.requirement import Requirement
from effort import share
from random_fleets import TAINTS, changed_node, random_node, random_requirement

SEEDS = st.integers(0, 2**32).map(Random)


def change(random: Random, index: FleetIndex, fleet: dict[int, Node]) -> None:
    """One step in the life of a fleet: a node comes, goes or changes."""
    step = random.random()
    if step < 0.3 or not fleet:
        node = random_node(random, random.randrange(10_000))
    elif step < 0.5:
        gone = random.choice(sorted(fleet))
        assert index.remove(gone) is True
        del fleet[gone]
        return
    else:
        node = changed_node(random, fleet[random.choice(sorted(fleet))])
    index.put(node)
    fleet[node.id] = node


def assert_same(index: FleetIndex, fleet: dict[int, Node], requirement: Requirement, *tolerations: str) -> None:
    placement = match(requirement, fleet.values(), tolerations=tolerations)
    eligible = index.eligible(requirement, tolerations=tolerations)

    assert list(eligible) == sorted(one.node.id for one in placement.eligible), requirement
    assert index.count(requirement, tolerations=tolerations) == len(eligible)


@settings(max_examples=share(60))
@given(SEEDS)
def test_the_index_and_the_matcher_agree_while_the_fleet_changes(random: Random) -> None:
    index = FleetIndex()
    fleet: dict[int, Node] = {}
    requirements = [random_requirement(random) for _ in range(6)]
    for _ in range(30):
        for _ in range(random.choice((1, 1, 2, 12))):
            change(random, index, fleet)
        tolerations = random.sample(TAINTS, random.choice((0, 0, 1)))
        assert_same(index, fleet, random.choice(requirements), *tolerations)
    for requirement in (*requirements, random_requirement(random)):
        assert_same(index, fleet, requirement)

    assert len(index) == len(fleet)
    assert all(node_id in index for node_id in fleet)


@settings(max_examples=share(15))
@given(SEEDS)
def test_they_agree_on_fleets_that_fill_many_words(random: Random) -> None:
    fleet = {node_id: random_node(random, node_id) for node_id in random.sample(range(10**6), 700)}
    index = FleetIndex(fleet.values())
    requirements = [random_requirement(random) for _ in range(25)]

    for requirement in requirements:
        assert_same(index, fleet, requirement)
    for _ in range(3):
        change(random, index, fleet)
        for requirement in requirements:
            assert_same(index, fleet, requirement)


@settings(max_examples=share(20))
@given(SEEDS)
def test_a_fleet_that_left_leaves_nothing_behind(random: Random) -> None:
    index = FleetIndex()
    for node_id in range(60):
        index.put(random_node(random, node_id))
    for node_id in range(60):
        assert index.remove(node_id) is True
    assert index.remove(0) is False
    index.put(random_node(random, 7))

    fresh = FleetIndex()
    assert index.eligible(Requirement()) in ((), (7,))
    assert len(index) == 1
    assert fresh.eligible(Requirement()) == ()
