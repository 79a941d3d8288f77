"""What an action needs, from the columns of its row."""

from __future__ import annotations

import pytest

from attune.core.errors import RequirementError
from attune.core.executions.action import requirement_of_action
from attune.core.matching.requirement import Requirement


def test_an_actions_own_terms_and_its_runtime_are_one_requirement() -> None:
    found = requirement_of_action(["ffmpeg", "!docker"], runtime="python", version_constraint=">=3.9,<4")

    assert found == Requirement.parse(["python >=3.9,<4", "ffmpeg", "!docker"])


def test_a_runtime_without_a_constraint_means_any_version() -> None:
    assert requirement_of_action(runtime="node") == Requirement.parse("node")


def test_an_action_that_needs_nothing_runs_anywhere() -> None:
    assert requirement_of_action() == Requirement()


def test_a_legacy_constraint_and_a_term_on_the_same_runtime_are_joined() -> None:
    assert requirement_of_action(["python >=3.9"], runtime="python", version_constraint="<4") == Requirement.parse(
        "python >=3.9,<4"
    )


def test_an_action_is_bound_to_the_ref_of_its_runtime_and_what_it_asks_of_the_name_is_asked_of_that() -> None:
    bound = {"runtime": "python", "runtime_ref": "acme.python", "version_constraint": "<4"}

    assert (
        str(requirement_of_action(["python >=3.9 verified", "node"], **bound)) == "acme.python >=3.9,<4 verified; node"
    )
    assert str(requirement_of_action(runtime_ref="acme.python")) == "acme.python"
    assert str(requirement_of_action(["python >=3"], runtime_ref="acme.python")) == "acme.python; python >=3"


@pytest.mark.parametrize("ref", ["acme.ünï", "acme.a b", "node.js", "tool"])
def test_a_runtime_whose_ref_no_requirement_can_say_is_asked_for_by_its_name(ref: str) -> None:
    assert str(requirement_of_action(runtime="tool", runtime_ref=ref)) == "tool"


def test_a_constraint_without_a_runtime_is_an_error() -> None:
    with pytest.raises(RequirementError):
        requirement_of_action(version_constraint=">=3.9")
