"""Which interpreter work is started with, and what is recorded of it."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from attune.agent.interpreters import interpreter_of, interpreters_on
from attune.core.errors import AttuneError
from attune.core.matching.fleet import Capability, CapabilityInstance, Node, by_name
from attune.core.matching.requirement import Requirement
from attune.core.runtimes.verdict import Status

CORE = Capability(
    "python",
    instances=(CapabilityInstance("3.11.7", sys.executable, "/real/python3.11"),),
    evidence="python3 --version",
    age=90.0,
    ref="core.python",
    checked_at=0.0,
)
ACME = replace(CORE, instances=(CapabilityInstance("3.13.1", "/bin/sh"),), ref="acme.python")
RECORD = {
    "ref": "core.python",
    "name": "python",
    "version": "3.11.7",
    "path": sys.executable,
    "real_path": "/real/python3.11",
    "status": "available",
    "verified_by": "python3 --version",
    "verified_at": "1970-01-01T00:00:00.000+00:00",
}


def on(requirement: str, *capabilities: Capability) -> object:
    return interpreters_on(Requirement.parse(requirement), Node(1, "w1", by_name(capabilities)))


def test_what_is_recorded_says_which_file_ran_and_how_that_was_verified() -> None:
    assert on("core.python", CORE) == ({"python": RECORD}, {})
    assert on("python", CORE) == ({"python": RECORD}, {})
    cached = {**RECORD, "status": "cached", "cached_age_seconds": 90.0}
    assert on("core.python", replace(CORE, cached=True)) == ({"python": cached}, {})
    declared = replace(CORE, status=Status.DECLARED, evidence="", checked_at=None)
    told = {**RECORD, "status": "declared", "verified_by": None, "verified_at": None}
    assert on("core.python", declared) == ({"python": told}, {})


def test_a_ref_names_its_own_interpreter_and_a_name_the_best_of_all() -> None:
    interpreters, missing = on("core.python; acme.python; python >=3.12", CORE, ACME)  # type: ignore[misc]

    assert missing == {}
    used = {key: (one["ref"], one["path"]) for key, one in interpreters.items()}
    assert used == {
        "acme.python": ("acme.python", "/bin/sh"),
        "core.python": ("core.python", sys.executable),
        "python": ("acme.python", "/bin/sh"),
    }


def test_an_interpreter_that_is_gone_or_was_never_found_is_missing_by_its_ref() -> None:
    gone = replace(CORE, instances=(CapabilityInstance("3.11.7", "/no/such"),))
    nowhere = replace(CORE, instances=(), status=Status.DECLARED)

    assert on("core.python", gone) == ({}, {"core.python": "python"})
    assert on("python", gone) == ({}, {"core.python": "python"})
    assert on("python", nowhere) == ({}, {"core.python": "python"})
    two = (replace(one, instances=()) for one in (CORE, ACME))
    assert on("python", *two) == ({}, {"core.python": "python", "acme.python": "python"})


def test_what_is_executed_itself_has_no_interpreter_and_a_label_of_a_runtimes_name_needs_none() -> None:
    native = Capability("native", Status.ASSUMED, ref="core.native")
    assert on("core.native", native) == ({}, {})
    assert interpreter_of("core.native", {}, Node(1, "w1", by_name([native]))) is None
    gpu = Capability("gpu", Status.UNAVAILABLE, ref="acme.gpu")
    node = Node(1, "w1", by_name([gpu]), labels={"gpu": "a100"})
    assert interpreters_on(Requirement.parse("gpu"), node) == ({}, {})


def test_work_is_started_by_the_runtime_that_it_is_bound_to_or_not_at_all() -> None:
    node = Node(1, "w1", by_name([CORE, ACME]))
    by_words, _ = interpreters_on(Requirement.parse("python"), node)  # as classes of earlier versions ask

    assert by_words["python"]["ref"] == "acme.python"
    assert interpreter_of("core.python", by_words, node) == sys.executable
    with pytest.raises(AttuneError, match=r"other\.python is not offered by w1"):
        interpreter_of("other.python", by_words, node)
    nowhere = replace(CORE, instances=(), status=Status.DECLARED)
    with pytest.raises(AttuneError, match="declared, and no command for it was found"):
        interpreter_of("core.python", {}, Node(1, "w1", by_name([nowhere])))


def test_without_a_runtime_those_of_its_name_that_are_left_still_count() -> None:
    node = Node(1, "w1", by_name([CORE, ACME])).without({"acme.python"})

    assert sorted(node.capabilities) == ["core.python", "python"]
    assert node.capabilities["python"].instances == CORE.instances
    assert sorted(node.without({"core.python"}).capabilities) == []
    assert sorted(Node(1, "w1", {"python": Capability("python")}).without({"python"}).capabilities) == []
