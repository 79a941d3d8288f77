"""What a node registers, and how the matcher sees it."""

from __future__ import annotations

import pytest

from attune.core.matching.registered import registered_node
from attune.core.nodes.capabilities import (
    build_capabilities,
    execution_limit,
    stored_capabilities,
    versions_by_name,
)
from attune.core.nodes.role import WORKER
from attune.core.ports.nodes import Registration
from attune.core.runtimes.selection import Selection, Source
from attune.core.runtimes.verdict import Instance, Status, Verdict

PYTHON = Verdict(
    "core.python",
    "python",
    Status.AVAILABLE,
    "",
    "Python",
    tuple(Instance(version, "/bin/p", "/bin/p") for version in ("3.11.7", "3.11.7", None)),
)
RUBY = Verdict("extras.ruby", "ruby", Status.UNAVAILABLE, "not found on PATH", "Ruby")


def registration(**capabilities: object) -> Registration:
    return Registration("w1", WORKER, "host", 7, capabilities, (PYTHON, RUBY), {"zone": "eu"}, ["gpu", "gpu"])


def test_only_what_is_offered_is_registered_with_each_version_once() -> None:
    selection = Selection(Source.CONFIG, ("python",), (), {"own": 1, "runtimes": "theirs"})
    made = build_capabilities(selection, [PYTHON, RUBY], version="0.1", max_concurrent_executions=2)

    assert made["runtimes"] == ["python"]
    assert made["runtime_versions"] == versions_by_name([PYTHON, RUBY]) == {"python": ["3.11.7"]}
    assert (made["own"], made["max_concurrent_executions"], made["runtime_source"]) == (1, 2, "config")


def test_what_was_declared_is_offered_without_a_version() -> None:
    named = Verdict("cobol", "cobol", Status.DECLARED, "declared by the config file")

    assert (named.status.offered, versions_by_name([named])) == (True, {"cobol": []})


def test_labels_and_taints_are_stored_where_there_are_any() -> None:
    stored = stored_capabilities(registration(runtimes=["python"]))

    assert (stored["labels"], stored["taints"]) == ({"zone": "eu"}, ["gpu"])
    assert stored_capabilities(Registration("w1", WORKER, "host", 7, {"runtimes": []}, ())) == {"runtimes": []}


@pytest.mark.parametrize(
    ("value", "limit"),
    [(0, 0), (1, 1), (10_000, 10_000), (2**40, 2**31 - 1), (-1, None), (None, None), (True, None), ("4", None)],
)
def test_a_limit_is_a_number_from_zero_and_anything_else_is_none(value: object, limit: int | None) -> None:
    assert execution_limit(value) == limit


def test_a_node_that_may_run_nothing_is_full() -> None:
    assert registered_node(1, registration(max_concurrent_executions=0)).is_full
    assert not registered_node(1, registration()).is_full
