"""`Matcher`: one suite for a fleet in memory, in PostgreSQL and over the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from attune.client.matching import HttpMatcher
from attune.composition.databases import core_runtimes, known_names
from attune.composition.executions import matcher_on
from attune.core.access.tokens import Scope
from attune.core.matching.known_names import KnownNames
from attune.core.matching.requirement import Requirement
from attune.core.nodes.role import SENSOR, WORKER
from attune.core.ports.matching import MatchQuery
from attune.core.ports.nodes import Registration
from attune.core.runtimes.verdict import Instance, Status, Verdict
from attune.operations.matching.place import FleetMatcher
from attune.postgres.connection import open_pool
from attune.postgres.nodes.registry import PostgresNodes
from attune.testing import MemoryFleet, MemoryNodes
from web_client import serving

pytestmark = pytest.mark.anyio


async def register(registries: list[Any]) -> None:
    """Two workers, of which the first has the newer Python."""
    for registry, name, version in zip(registries, ("w1", "w2"), ("3.12.1", "3.10.2"), strict=True):
        found = (Instance(version, "/bin/py", "/bin/py"),)
        verdict = Verdict("core.python", "python", Status.AVAILABLE, "verified", instances=found)
        capabilities = {"runtimes": ["python"], "runtime_versions": {"python": [version]}}
        await registry.claim(name, WORKER, host="host-1", pid=7)
        await registry.register(Registration(name, WORKER, "host-1", 7, capabilities, [verdict]))


async def core_names() -> KnownNames:
    return known_names(core_runtimes())


@pytest.fixture(params=["memory", "postgres", "http"])
async def matcher(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Any]:
    if request.param == "memory":
        fleet = MemoryFleet()
        nodes = [MemoryNodes(fleet), MemoryNodes(fleet)]
        await register(nodes)
        yield FleetMatcher(nodes[0].fleet, core_names)
        return
    url = request.getfixturevalue("migrated_database")
    async with open_pool(url) as pool:
        registries = [PostgresNodes(pool), PostgresNodes(pool)]
        await register(registries)
        if request.param == "postgres":
            yield matcher_on(pool, registries[0].fleet)
        else:
            async with serving(url) as api, api.wire(api.tokens[Scope.READ]) as wire:
                yield HttpMatcher(wire)
        for registry in registries:
            await registry.leave()


def names(answer: Any) -> list[str]:
    return [node["name"] for node in answer["eligible"]]


async def test_the_nodes_that_satisfy_a_requirement_are_ranked_and_the_outcome_is_explained(matcher: Any) -> None:
    query = MatchQuery(Requirement.parse("python >=3.9"))
    answer = await matcher.answer(query)

    assert sorted(names(answer)) == ["w1", "w2"]
    assert len(names(await matcher.answer(replace(query, limit=1)))) == 1
    assert names(await matcher.answer(MatchQuery(Requirement.parse("python >=3.11")))) == ["w1"]
    assert answer["explanation"]


async def test_what_no_node_has_is_explained(matcher: Any) -> None:
    answer = await matcher.answer(MatchQuery(Requirement.parse("ruby")))

    assert names(answer) == []
    assert "ruby" in str(answer["explanation"])
    assert names(await matcher.answer(MatchQuery(Requirement.parse("python"), role=SENSOR))) == []


async def test_a_name_that_no_definition_has_is_unknown_and_the_catalogue_helps(matcher: Any) -> None:
    explanation = (await matcher.answer(MatchQuery(Requirement.parse("!docker"))))["explanation"]
    (row,) = explanation["terms"]

    assert (explanation["outcome"], explanation["fleet"]["undecided"]["count"]) == ("blocked", 2)
    assert (row["unknown"], row["causes"][0]["reason"]) == (2, "runtime_undefined")
    assert explanation["repairs"][0]["text"] == "attune runtime add --from-catalogue docker"


async def test_what_a_node_has_not_looked_for_is_unknown_there(matcher: Any) -> None:
    explanation = (await matcher.answer(MatchQuery(Requirement.parse("!shell"))))["explanation"]

    assert (explanation["outcome"], explanation["fleet"]["undecided"]["count"]) == ("blocked", 2)
    assert explanation["terms"][0]["causes"][0]["reason"] == "runtime_unchecked"
