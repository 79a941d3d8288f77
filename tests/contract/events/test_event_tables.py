"""`EventTables`: one suite for memory and PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from attune.core.events.event import Trigger
from attune.core.events.rule import BreakerState, NewEnforcement, Rule
from attune.core.sensors.event_line import NewEvent
from attune.postgres.connection import open_pool
from attune.postgres.events.store import PostgresEventTables
from attune.testing import MemoryEvents

pytestmark = pytest.mark.anyio

TRIGGERS = (Trigger(0, "acme.made", True, {"type": "object"}), Trigger(0, "acme.quiet", False))
RULES = (
    Rule(0, "acme.b", "acme.act", "acme.made", ("payload.width > 3",), {"a": "${{ payload.b }}"}, pack_ref="acme"),
    Rule(0, "acme.a", "acme.act", "acme.made", ({"field": "x", "operator": "equals", "value": 1},), pack_ref="acme"),
    Rule(0, "acme.off", "acme.act", "acme.made", pack_ref="acme"),
    Rule(0, "acme.quiet", "acme.act", "acme.quiet", pack_ref="acme"),
)


@pytest.fixture(params=["memory", "postgres"])
async def event_tables(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Any]:
    if request.param == "memory":
        yield MemoryEvents(TRIGGERS, RULES, frozenset({"acme.off"}))
        return
    async with open_pool(request.getfixturevalue("migrated_database")) as pool, pool.connection() as connection:
        await connection.execute("INSERT INTO pack (ref, label, version) VALUES ('acme', '', '1.0.0')")
        await connection.execute(
            """
            INSERT INTO action (ref, pack, pack_ref, label, description, entrypoint)
            SELECT 'acme.act', id, ref, '', '', 'act' FROM pack WHERE ref = 'acme'
            """
        )
        for trigger in TRIGGERS:
            await connection.execute(
                "INSERT INTO trigger (ref, label, enabled, out_schema) VALUES (%s, '', %s, %s)",
                (trigger.ref, trigger.enabled, None if trigger.out_schema is None else Jsonb(trigger.out_schema)),
            )
        for rule in RULES:
            await connection.execute(
                """
                INSERT INTO rule (ref, pack, pack_ref, label, description, action, action_ref, trigger, trigger_ref,
                                  conditions, action_params, enabled)
                SELECT %s, p.id, p.ref, '', '', a.id, a.ref, t.id, t.ref, %s, %s, %s
                FROM pack AS p, action AS a, trigger AS t WHERE p.ref = 'acme' AND t.ref = %s
                """,
                (
                    rule.ref,
                    Jsonb(rule.conditions),
                    Jsonb(rule.action_params),
                    rule.ref != "acme.off",
                    rule.trigger_ref,
                ),
            )
        async with connection.transaction():
            yield PostgresEventTables(connection)


async def test_triggers_are_found_by_their_refs(event_tables: Any) -> None:
    found = await event_tables.triggers(["acme.made", "acme.quiet", "acme.nothing"])

    assert {ref: (one.ref, one.enabled, one.out_schema) for ref, one in found.items()} == {
        "acme.made": ("acme.made", True, {"type": "object"}),
        "acme.quiet": ("acme.quiet", False, None),
    }


async def test_the_rules_of_triggers_are_those_that_are_enabled_by_ref(event_tables: Any) -> None:
    found = list(await event_tables.rules(["acme.made"]))
    wanted = [RULES[1], RULES[0]]

    assert [replace(one, id=0, opening="", updated=None) for one in found] == [
        replace(one, opening="") for one in wanted
    ]
    assert await event_tables.rules(["acme.nothing"]) == []


async def test_events_and_enforcements_are_numbered_in_their_order(event_tables: Any) -> None:
    events = [NewEvent("acme.made", {"number": number}) for number in range(5)]
    numbers = list(await event_tables.insert_events(events))
    (rule, *_) = await event_tables.rules(["acme.made"])
    enforcements = [NewEnforcement(rule, number, "acme.made", {}, {}) for number in numbers]
    made = list(await event_tables.insert_enforcements(enforcements))

    assert numbers == sorted(set(numbers))
    assert made == sorted(set(made))
    assert (len(numbers), len(made)) == (5, 5)
    await event_tables.fail_enforcement(made[0], "for a reason")


async def test_the_states_of_circuit_breakers_are_kept(event_tables: Any) -> None:
    first, second = await event_tables.rules(["acme.made"])
    states = [(first, BreakerState(2)), (second, BreakerState(3, "more than 1 s, 3 times in a row"))]
    await event_tables.store_breakers(states)

    assert [rule.breaker for rule in await event_tables.rules(["acme.made"])] == [state for _, state in states]
