from __future__ import annotations

import sys

from attune.agent.worker.suspect_runtimes import interpreters_on
from attune.core.matching.fleet import Capability, CapabilityInstance, Node
from attune.core.matching.requirement import Requirement


def given(**keys: object) -> object:
    instances = (CapabilityInstance("3.11.7", sys.executable),)
    capability = Capability("python", instances=instances, age=90.0, **keys)  # type: ignore[arg-type]
    interpreters, missing = interpreters_on(Requirement.parse("python"), Node(1, "w1", {"python": capability}))
    assert missing == []
    return interpreters["python"]


def test_interpreter_that_is_only_cached_says_so_with_its_age() -> None:
    assert given(cached=True) == {"version": "3.11.7", "path": sys.executable, "cached_age_seconds": 90.0}
    assert given() == {"version": "3.11.7", "path": sys.executable}
