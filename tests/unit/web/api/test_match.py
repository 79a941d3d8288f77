"""The body and the answer of `POST /api/match`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from attune import Node, Requirement
from attune.core.access.tokens import Caller, Scope
from attune.core.errors import RequirementError
from attune.core.matching.fleet import Capability, CapabilityInstance
from attune.core.nodes.role import Role
from attune.operations.matching.place import FleetMatcher
from attune.web.api.match import MatchAnswer, MatchRequest, match_nodes

NODE = Node(7, "w1", {"python": Capability("python", instances=(CapabilityInstance("3.11.7", "/usr/bin/python3"),))})


async def one_node(role: Role) -> Sequence[Node]:
    return [NODE]


def answer_to(body: MatchRequest) -> MatchAnswer:
    """What the route answers to *body*."""
    services: Any = SimpleNamespace(matcher=FleetMatcher(one_node))
    return asyncio.run(match_nodes(Caller(token_id=1, name="ci", scope=Scope.READ), services, body))


def test_a_body_becomes_a_requirement_and_its_answer_is_json() -> None:
    body = MatchRequest.model_validate_json('{"terms": ["python >=3.9"], "prefer": ["zone=eu *5"]}')
    answer = json.loads(answer_to(body).model_dump_json())

    assert answer["requirement"] == "python >=3.9"
    assert answer["queue"] == Requirement.parse("python >=3.9").queue
    assert answer["eligible"] == [
        {
            "id": 7,
            "name": "w1",
            "score": 0,
            "running": 0,
            "max_concurrent": None,
            "runtimes": {"python": {"version": "3.11.7", "path": "/usr/bin/python3"}},
        }
    ]
    assert answer["explanation"]["outcome"] == "ready"
    assert answer["text"].startswith("READY")


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        '{"terms": []}',
        '{"terms": "python"}',
        '{"terms": [3]}',
        '{"terms": ["python"], "limit": 0}',
        '{"terms": ["python"], "limit": "10"}',
        '{"terms": ["python"], "extra": 1}',
        '{"terms": ["python"], "role": "boss"}',
    ],
)
def test_a_wrong_body_is_refused(body: str) -> None:
    with pytest.raises(ValidationError):
        MatchRequest.model_validate_json(body)


def test_a_term_that_cannot_be_read_has_its_position() -> None:
    with pytest.raises(RequirementError) as caught:
        answer_to(MatchRequest(terms=["python >>3"]))

    assert caught.value.position == 7
