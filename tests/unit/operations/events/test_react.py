"""Events in, executions out: on tables in memory."""

from __future__ import annotations

from typing import Any

import pytest

from attune.core.errors import DatabaseError, UsageError
from attune.core.events.event import Trigger
from attune.core.events.rule import Firing, Rule
from attune.core.sensors.event_line import NewEvent
from attune.operations.events.react import Reaction
from attune.testing import MemoryEvents, MemoryExpressions

pytestmark = pytest.mark.anyio

WIDE = MemoryExpressions(
    {"wide": lambda names: names["payload"]["width"] > 100, "half": lambda names: names["payload"]["width"] // 2}
)
TRIGGERS = (
    Trigger(1, "acme.made", True, {"type": "object", "required": ["width"]}),
    Trigger(2, "acme.quiet", False),
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def rule(ref: str, *conditions: Any, trigger: str = "acme.made", **parameters: Any) -> Rule:
    return Rule(1, ref, "acme.act", trigger, conditions, parameters)


def reaction(events: MemoryEvents, create: Any = None) -> Reaction[None]:
    return Reaction(lambda _connection: events, WIDE, create or events.create)


async def test_each_rule_that_holds_makes_an_execution() -> None:
    events = MemoryEvents(TRIGGERS, [rule("a.half", "wide", width="${{ half }}"), rule("b.always", width=1)])
    wide, narrow = await reaction(events).record(
        None, [NewEvent("acme.made", {"width": 300}), NewEvent("acme.made", {"width": 3})]
    )

    assert (wide.executions, narrow.executions) == ((1, 2), (3,))
    assert events.executions == [
        Firing("acme.act", {"width": 150}, 1),
        Firing("acme.act", {"width": 1}, 2),
        Firing("acme.act", {"width": 1}, 3),
    ]


async def test_a_rule_fires_for_its_own_trigger_only() -> None:
    triggers = (*TRIGGERS, Trigger(3, "acme.sold", True))
    events = MemoryEvents(triggers, [rule("a.made", width=1), rule("a.sold", trigger="acme.sold", width=2)])
    await reaction(events).record(None, [NewEvent("acme.made", {"width": 1}), NewEvent("acme.sold")])

    assert events.executions == [Firing("acme.act", {"width": 1}, 1), Firing("acme.act", {"width": 2}, 2)]


async def test_refused_events_are_not_stored_and_the_numbers_belong_to_the_others() -> None:
    events = MemoryEvents(TRIGGERS)
    given = [NewEvent("acme.made"), NewEvent("acme.made", {"width": 1}), NewEvent("acme.mode", {"width": 1})]
    first, second, third = await reaction(events).record(None, given)

    assert (first.event, second.event, third.event) == (None, 1, None)
    assert first.refusal == "payload.width: expected a value, got nothing"
    assert third.refusal == "trigger: expected one that exists, got 'acme.mode', did you mean acme.made?"


async def test_events_of_a_disabled_trigger_and_disabled_rules_lead_to_nothing() -> None:
    events = MemoryEvents(TRIGGERS, [rule("a.quiet", trigger="acme.quiet"), rule("a.off")], frozenset({"a.off"}))
    given = [NewEvent("acme.quiet", {"width": 1}), NewEvent("acme.made", {"width": 1})]

    assert [one.executions for one in await reaction(events).record(None, given)] == [(), ()]
    assert len(events.events) == 2
    assert events.enforcements == []


async def test_an_execution_that_is_refused_is_told_and_the_next_rule_fires() -> None:
    events = MemoryEvents(TRIGGERS, [rule("a.first"), rule("b.second", "unheard of"), rule("c.third")])

    async def create(connection: None, firing: Firing) -> int:
        if firing.enforcement == 1:
            raise UsageError("parameters.x: expected a text, got 3")
        return await events.create(connection, firing)

    (recorded,) = await reaction(events, create).record(None, [NewEvent("acme.made", {"width": 1})])

    assert recorded.executions == (1,)
    assert events.failed == {1: "parameters.x: expected a text, got 3"}
    assert recorded.problems == (
        "a.first: parameters.x: expected a text, got 3",
        "b.second: conditions[0]: 'unheard of': unknown",
    )


async def test_a_database_that_fails_ends_it() -> None:
    async def create(_connection: None, _firing: Firing) -> int:
        raise DatabaseError("cannot reach the database")

    with pytest.raises(DatabaseError):
        await reaction(MemoryEvents(TRIGGERS, [rule("a.first")]), create).record(
            None, [NewEvent("acme.made", {"width": 1})]
        )
