"""What is said of a term, a node, an attempt: sentences for people, for every reason that there is."""

from __future__ import annotations

import re
from random import Random

import pytest

from attune.core.backoff import Backoff
from attune.core.executions.action import OnLost
from attune.core.executions.execution import after_loss, after_outcome
from attune.core.executions.work import WorkEnding, WorkOutcome
from attune.core.matching.explain import explain
from attune.core.matching.fleet import Node, NodeStatus
from attune.core.matching.known_names import KnownNames
from attune.core.matching.matcher import match
from attune.core.matching.requirement import Requirement
from attune.core.matching.term_judgement import Reason, judge
from random_fleets import random_node, random_requirement

# An object, an enumeration, a call with named fields, a container or None, as Python writes them.
REPR = re.compile(
    r"<[\w.]+ object|<\w+\.\w+: |\b(Status|NodeStatus|Reason|Truth|Category|WorkEnding|OnLost)\.[A-Z_]+\b"
    r"|\b\w+\([a-z_]+=|\b(frozenset|OrderedDict|deque)\(|\[\'|\{\'|\(\'|\bNone\b|\bTrue\b|\bFalse\b"
)


def test_no_reason_is_ever_a_repr() -> None:
    seen: set[Reason] = set()
    for seed in range(300):
        random = Random(seed)
        nodes = [random_node(random, number) for number in range(6)]
        needs = random_requirement(random)
        known = KnownNames({"python", "node", "java", "docker", "kernel", "gpu"}) if seed % 3 == 0 else None
        explanation = explain(needs, nodes, known=known)
        assert not REPR.search(str(explanation)), str(explanation)
        for row in (*explanation.terms, *explanation.states):
            seen |= {cause.reason for cause in row.causes}
        for refusal in match(needs, nodes, known=known).others:
            said = [finding.on(refusal.node) for finding in refusal.unmet]
            seen |= {finding.reason for finding in refusal.unmet}
            assert not [text for text in said if REPR.search(text) or not text.strip()], said
        seen |= {judge(term, node).reason for term in needs.terms for node in nodes}
    assert {*Reason} - seen == set()


@pytest.mark.parametrize("ending", WorkEnding)
@pytest.mark.parametrize("retries", [0, 2])
def test_what_follows_an_attempt_is_said_in_words(ending: WorkEnding, retries: int) -> None:
    outcome = WorkOutcome(ending, 1, reason="ended with exit code 1")
    then = after_outcome(outcome, failures=0, retries=retries, backoff=Backoff(1 / 3, 60.0), chance=0.77)
    lost = [after_loss(on_lost, worker="w1", losses=losses) for on_lost in OnLost for losses in (0, 9)]
    assert not [step.reason for step in (then, *lost) if REPR.search(step.reason) or not step.reason]


@pytest.mark.parametrize("status", [NodeStatus.INACTIVE, NodeStatus.LOST])
def test_nodes_that_are_gone_are_a_category_of_their_own_and_no_near_miss(status: NodeStatus) -> None:
    gone = [Node(number, f"old{number}", status=status) for number in range(40)]
    said = str(explain(Requirement.parse("ruby"), [*gone, Node(99, "w1")]))

    fleet = next(line for line in said.splitlines() if line.startswith("fleet"))
    assert "41 = 0 able" in fleet and "40 gone" in fleet and "1 rejected (w1)" in fleet
    nearest = [line for line in said.splitlines() if line.startswith("nearest")]
    assert nearest and "old" not in nearest[0] and "w1" in nearest[0]
