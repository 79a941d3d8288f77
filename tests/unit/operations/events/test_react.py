"""Events in, executions out: on tables in memory."""

from __future__ import annotations

import zlib
from typing import Any

import pytest

from attune.core.errors import DatabaseError, UsageError
from attune.core.events.event import Trigger
from attune.core.events.rule import BreakerState, Firing, Rule
from attune.core.sensors.event_line import NewEvent
from attune.operations.events.react import Reaction
from attune.testing import MemoryEvents, MemoryExpressions

pytestmark = pytest.mark.anyio


def runs_away(names: Any) -> bool:
    if names["payload"].get("calm"):
        return True
    raise TimeoutError


WIDE = MemoryExpressions(
    {
        "wide": lambda names: names["payload"]["width"] > 100,
        "half": lambda names: names["payload"]["width"] // 2,
        "runaway": runs_away,
    }
)
TRIGGERS = (
    Trigger(1, "acme.made", True, {"type": "object", "required": ["width"]}),
    Trigger(2, "acme.quiet", False),
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def rule(ref: str, *conditions: Any, trigger: str = "acme.made", **parameters: Any) -> Rule:
    return Rule(zlib.crc32(ref.encode()), ref, "acme.act", trigger, conditions, parameters)


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


MADE = NewEvent("acme.made", {"width": 1})
CALM = NewEvent("acme.made", {"width": 1, "calm": True})
WHY = "expected at most 1 s of processor time, got more, 3 times in a row"


async def test_a_rule_that_goes_over_its_limit_three_times_in_a_row_is_paused_and_the_others_go_on() -> None:
    events = MemoryEvents(
        TRIGGERS, [rule("a.condition", "runaway"), rule("b.good"), rule("c.template", x="${{ runaway }}")]
    )
    recorded = [(await reaction(events).record(None, [MADE]))[0] for _ in range(4)]

    assert [len(one.executions) for one in recorded] == [1, 1, 1, 1]
    assert {*events.breakers} == {"a.condition", "c.template"}
    assert all(
        state.overruns == 3 and (state.paused or "").endswith("3 times in a row") for state in events.breakers.values()
    )
    assert all("the rule is paused" not in problem for one in recorded[:3] for problem in one.problems)
    assert all("the rule is paused: " in problem for problem in recorded[3].problems)


async def test_events_that_are_stored_together_count_one_after_the_other() -> None:
    events = MemoryEvents(TRIGGERS, [rule("a.bad", "runaway")])
    recorded = await reaction(events).record(None, [MADE] * 5)

    assert [one.problems[0].startswith("a.bad: the rule is paused") for one in recorded] == [False] * 3 + [True] * 2


async def test_a_rule_that_is_within_its_limit_once_is_counted_from_the_beginning() -> None:
    events = MemoryEvents(TRIGGERS, [rule("a.moody", "runaway")])
    for event in (MADE, MADE, CALM, MADE, MADE):
        await reaction(events).record(None, [event])

    assert events.breakers == {"a.moody": BreakerState(2)}
    await reaction(events).catch_up(None, MADE, 1)
    assert (events.breakers["a.moody"].paused or "").endswith(WHY)


async def test_the_rules_of_an_event_share_two_seconds_and_what_had_less_is_not_counted() -> None:
    rules = [rule(f"a.runaway{number}", "runaway") for number in range(5)]
    events = MemoryEvents(TRIGGERS, [*rules, rule("z.good", "wide"), rule("z.half", x="${{ half }}")])
    (first,) = await reaction(events).record(None, [NewEvent("acme.made", {"width": 300})])

    assert len(first.executions) == 2
    assert [problem.partition("most ")[2].split()[0] for problem in first.problems] == ["1", "1", "0.1", "0.1", "0.1"]
    assert [*events.breakers] == ["a.runaway0", "a.runaway1"]
    assert all(state.overruns == 1 for state in events.breakers.values())
    (second,) = await reaction(events).record(None, [MADE])
    assert [*events.breakers] == [f"a.runaway{number}" for number in range(4)], "who was not counted comes first"
    assert [state.overruns for state in events.breakers.values()] == [2, 2, 1, 1]
    assert len(second.executions) == 1
