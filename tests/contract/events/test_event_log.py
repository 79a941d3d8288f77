"""`EventReader` and `DeadLetters`: one suite for memory, PostgreSQL and the API."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from attune.client.events import HttpEvents
from attune.composition.events import recorder
from attune.core.access.tokens import Scope
from attune.core.errors import UsageError
from attune.core.events.event import DeadLetter, PendingEvents, RuleRecord, TriggerRecord
from attune.postgres.connection import open_pool
from attune.postgres.events.log import PostgresEventLog
from attune.testing import MemoryCipher, MemoryEventLog
from web_client import serving

pytestmark = pytest.mark.anyio
TRIGGERS = [
    TriggerRecord(ref="acme.made", label="Made", enabled=True, rules=["acme.off"], sensors=[]),
    TriggerRecord(ref="acme.quiet", label="Quiet", enabled=False, rules=[], sensors=[]),
    TriggerRecord(ref="acme.seen", label="Seen", enabled=True, rules=[], sensors=[]),
]
LETTERS = ("acme.seen", "acme.none")
RULE = RuleRecord(
    ref="acme.off",
    label="Off",
    enabled=False,
    trigger_ref="acme.made",
    action_ref="acme.act",
    conditions=[],
    action_params={},
)


def body_of(ref: str) -> str:
    return json.dumps({"trigger_ref": ref, "payload": {"a": 1}})


@pytest.fixture(params=["memory", "postgres", "http"])
async def events(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Any]:
    if request.param == "memory":
        log = MemoryEventLog(TRIGGERS, [RULE])
        for number, ref in enumerate(LETTERS, 1):
            log.letters[number] = DeadLetter(
                id=number, kind="event", source=ref, body=body_of(ref), reason="no", sqlstate="22001", times=1,
                at=datetime.now(UTC),
            )  # fmt: skip
        yield log
        return
    url = request.getfixturevalue("migrated_database")
    async with open_pool(url) as pool:
        async with pool.connection() as connection:
            await connection.execute("INSERT INTO pack (ref, label, version) VALUES ('acme', '', '1.0.0')")
            await connection.execute(
                "INSERT INTO action (ref, pack, pack_ref, label, description, entrypoint)"
                " SELECT 'acme.act', id, ref, '', '', 'act' FROM pack WHERE ref = 'acme'"
            )
            for trigger in TRIGGERS:
                await connection.execute(
                    "INSERT INTO trigger (ref, label, enabled) VALUES (%s, %s, %s)",
                    (trigger.ref, trigger.label, trigger.enabled),
                )
            await connection.execute(
                """
                INSERT INTO rule (ref, pack, pack_ref, label, description, action, action_ref, trigger, trigger_ref,
                                  conditions, enabled)
                SELECT 'acme.off', p.id, p.ref, 'Off', '', a.id, a.ref, t.id, t.ref, '[]', false
                FROM pack AS p, action AS a, trigger AS t WHERE p.ref = 'acme' AND t.ref = 'acme.made'
                """
            )
            for ref in LETTERS:
                await connection.execute(
                    "INSERT INTO dead_letter (kind, source, body, reason, sqlstate)"
                    " VALUES ('event', %s, %s, 'no', '22001')",
                    (ref, body_of(ref)),
                )
        if request.param == "postgres":
            yield PostgresEventLog(pool, recorder(MemoryCipher()))
            return
    async with serving(url) as api, api.wire(api.tokens[Scope.OPERATE]) as wire:
        yield HttpEvents(wire)


async def test_triggers_and_rules_are_listed_by_ref(events: Any) -> None:
    triggers = [one for one in await events.list_triggers() if one.ref.startswith("acme.")]

    assert triggers == TRIGGERS
    assert list(await events.list_rules()) == [RULE]


async def test_a_rule_is_switched_on_and_off(events: Any) -> None:
    assert await events.set_rule_enabled("acme.off", True) is True
    assert [one.enabled for one in await events.list_rules()] == [True]
    assert await events.set_rule_enabled("acme.none", True) is False


async def test_an_event_that_is_sent_is_read_newest_first(events: Any) -> None:
    first = await events.send("acme.made", {"width": 3})
    second = await events.send("acme.seen", {})
    third = await events.send("acme.made", {})

    assert (first.trigger_ref, first.payload, first.source_ref, [*first.enforcements]) == (
        "acme.made",
        {"width": 3},
        None,
        [],
    )
    assert [one.id for one in await events.list_events(10)] == [third.id, second.id, first.id]
    assert [one.id for one in await events.list_events(10, "acme.made")] == [third.id, first.id]
    assert [one.id for one in await events.list_events(1)] == [third.id]
    assert await events.get_event(first.id) == first
    assert await events.get_event(10**6) is None
    assert (await events.send("acme.quiet", {})).trigger_ref == "acme.quiet"  # nothing follows from it
    last = {one.ref: one.last_event for one in await events.list_triggers()}
    assert (last["acme.made"], last["acme.seen"]) == (third.created, second.created)


@pytest.mark.parametrize(("trigger", "payload"), [("acme.none", {}), ("acme.made", {"text": "a\0b"})])
async def test_what_cannot_be_recorded_is_refused(events: Any, trigger: str, payload: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        await events.send(trigger, payload)
    assert list(await events.list_events(10)) == []


async def test_dead_letters_are_listed_the_oldest_first(events: Any) -> None:
    assert [(one.id, one.source, one.times) for one in await events.list_letters()] == [
        (1, "acme.seen", 1),
        (2, "acme.none", 1),
    ]
    assert [one.id for one in await events.list_letters(1)] == [1]
    assert [one.id for one in await events.list_letters(10, 1)] == [2]
    assert (await events.refusals(), await events.pending()) == ({}, PendingEvents())


async def test_a_dead_letter_that_is_stored_is_gone_and_one_that_is_refused_stays(events: Any) -> None:
    assert await events.replay(1) is None
    refusal = await events.replay(2)

    assert [event.trigger_ref for event in await events.list_events(10)] == ["acme.seen"]
    assert "trigger: expected one that exists" in refusal
    assert [(one.id, one.times, one.reason) for one in await events.list_letters()] == [(2, 2, refusal)]
    with pytest.raises(UsageError, match="no dead letter has the number 1"):
        await events.replay(1)


async def test_a_dead_letter_that_holds_no_event_is_refused_and_counted(migrated_database: str) -> None:
    async with open_pool(migrated_database) as pool:
        async with pool.connection() as connection:
            await connection.execute(
                "INSERT INTO dead_letter (id, kind, source, body, reason, sqlstate, times)"
                " VALUES (9, 'event', 'x', '[1]', 'r', '22000', 2147483646)"
            )
        log = PostgresEventLog(pool, recorder(MemoryCipher()))

        for _ in range(2):
            assert await log.replay(9) == "expected an event, got something else"
        assert [one.times for one in await log.list_letters()] == [2147483647]


async def test_a_dead_letter_that_is_removed_is_gone(events: Any) -> None:
    assert await events.remove_letter(1) is True
    assert await events.remove_letter(1) is False
    assert [one.id for one in await events.list_letters()] == [2]
