"""Events, rules, executions: on a real database, with real expressions."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from attune.composition.decisions import decide_once
from attune.composition.events import recorder
from attune.core.errors import DatabaseError, UsageError
from attune.core.events.rule import BreakerState
from attune.operations.events import react
from attune.postgres.connection import Pool, open_pool
from attune.postgres.events.log import PostgresEventLog
from attune.postgres.events.store import PostgresEventTables
from attune.testing import MemoryCipher
from logins import Logins
from pack_folders import IMAGES, happen, load, write_pack

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def pool(migrated_database: str, anyio_backend: str, tmp_path: Path) -> AsyncIterator[Pool]:
    async with open_pool(migrated_database) as opened:
        await load(opened, write_pack(tmp_path / "img"))
        yield opened


async def rows_in(pool: Pool, query: str) -> list[tuple[Any, ...]]:
    async with pool.connection() as connection:
        return await (await connection.execute(query.encode())).fetchall()


async def add_rule(pool: Pool, ref: str, conditions: Any, parameters: Any, **columns: Any) -> None:
    async with pool.connection() as connection:
        await connection.execute(
            """
            INSERT INTO rule (ref, pack, pack_ref, label, description, action, action_ref, trigger, trigger_ref,
                              conditions, action_params, enabled)
            SELECT %(ref)s, p.id, 'img', '', '', a.id, a.ref, t.id, t.ref, %(conditions)s, %(parameters)s, %(enabled)s
            FROM pack AS p, action AS a, trigger AS t
            WHERE p.ref = 'img' AND a.ref = 'img.resize' AND t.ref = 'img.made'
            """,
            {
                "ref": ref,
                "conditions": json.dumps(conditions),
                "parameters": json.dumps(parameters),
                "enabled": columns.get("enabled", True),
            },
        )


async def test_an_event_becomes_an_execution_with_its_parameters(pool: Pool) -> None:
    (recorded,) = await happen(pool, "img.made", {"path": "a.png", "width": 300})

    assert recorded.refusal is None
    (number,) = recorded.executions
    assert await rows_in(pool, "SELECT id, action_ref, config, status::text FROM execution") == [
        (number, "img.resize", {"width": 150, "path": "of a.png"}, "requested")
    ]
    ((status, config, conditions, payload, event),) = await rows_in(
        pool, "SELECT status::text, config, conditions, payload, event FROM enforcement"
    )
    assert (status, config, conditions) == (
        "processed",
        {"width": 150, "path": "of a.png"},
        ["payload.width > 100"],
    )
    assert (payload, event) == ({"path": "a.png", "width": 300}, recorded.event)


async def test_an_event_that_no_rule_wants_is_kept_without_an_enforcement(pool: Pool) -> None:
    (recorded,) = await happen(pool, "img.made", {"path": "a.png", "width": 3})

    assert (recorded.executions, recorded.problems) == ((), ())
    assert await rows_in(pool, "SELECT (SELECT count(*) FROM event), (SELECT count(*) FROM enforcement)") == [(1, 0)]


async def test_events_of_a_batch_keep_their_order_and_each_has_its_own_executions(pool: Pool) -> None:
    payloads = [{"path": f"{width}", "width": width} for width in (90, 200, 50, 400)]
    recorded = await happen(pool, "img.made", *payloads)

    assert [len(one.executions) for one in recorded] == [0, 1, 0, 1]
    stored = await rows_in(pool, "SELECT id, payload FROM event ORDER BY id")
    assert stored == [(one.event, payload) for one, payload in zip(recorded, payloads, strict=True)]


async def test_a_rule_that_cannot_be_evaluated_stops_no_other_and_says_why(pool: Pool) -> None:
    await add_rule(pool, "img.a_broken", ["payload.hight > 3"], {"width": 1})
    await add_rule(pool, "img.b_endless", ["payload.path.matches('x') || " + _endless()], {"width": 1})
    await add_rule(
        pool,
        "img.c_wrong",
        [],
        {"width": "${{ payload.path }}", "token": "${{ payload.path + payload.path + payload.path + payload.path }}"},
    )
    await add_rule(pool, "img.d_odd", [{"field": "path", "operator": "resembles", "value": "a"}], {"width": 1})
    await add_rule(pool, "img.e_unclosed", [], {"width": "${{ payload.path"})
    (recorded,) = await happen(pool, "img.made", {"path": "a", "width": 300})

    assert len(recorded.executions) == 1
    found = dict(
        await rows_in(
            pool, "SELECT rule_ref, config ->> 'reason' FROM enforcement WHERE status = 'disabled' ORDER BY id"
        )
    )
    assert found["img.a_broken"] == "conditions[0]: 'payload.hight > 3': there is no 'hight'"
    assert "processor time, got more" in found["img.b_endless"]
    assert found["img.c_wrong"] == "parameters.width: expected an integer, got 'a'"
    assert found["img.d_odd"].startswith("conditions[0]: operator: expected one of")
    assert found["img.e_unclosed"].startswith("parameters: expected }} after the template")
    assert [one.partition(":")[0] for one in recorded.problems] == sorted(found)


def _endless() -> str:
    numbers = f"[{','.join(map(str, range(150)))}]"
    return f"{numbers}.map(x, [x, x, x]).all(a, {numbers}.all(b, {numbers}.all(c, a.all(d, b + c + d >= 0))))"


async def test_a_runaway_rule_is_paused_until_it_is_changed_or_enabled(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(react, "RULE_SECONDS", 0.1)
    await add_rule(pool, "img.runaway", [_endless()], {"width": 1})
    log = PostgresEventLog(pool, recorder(MemoryCipher()))

    async def paused() -> str | None:
        return {rule.ref: rule.paused for rule in await log.list_rules()}["img.runaway"]

    async def event() -> tuple[int, str]:
        (recorded,) = await happen(pool, "img.made", {"path": "a", "width": 300})
        return len(recorded.executions), recorded.problems[0]

    async def pause() -> None:
        for _ in range(3):
            assert await paused() is None
            assert (await event())[0] == 1

    await pause()
    why = await paused()
    assert why is not None and why.endswith("expected at most 0.1 s of processor time, got more, 3 times in a row")
    assert await event() == (1, f"img.runaway: the rule is paused: {why}")
    await log.set_rule_enabled("img.runaway", True)
    await pause()
    await rows_in(pool, "UPDATE rule SET label = 'other' WHERE ref = 'img.runaway' RETURNING id")
    assert await paused() is not None
    await rows_in(pool, "UPDATE rule SET conditions = '[\"payload.width > 5\"]' WHERE ref = 'img.runaway' RETURNING id")
    assert await paused() is None
    (recorded,) = await happen(pool, "img.made", {"path": "a", "width": 300})
    assert (len(recorded.executions), recorded.problems) == (2, ())


async def test_a_rule_that_was_changed_while_it_was_judged_is_not_paused_for_what_it_was(pool: Pool) -> None:
    async with pool.connection() as connection:
        tables = PostgresEventTables(connection)
        (rule,) = await tables.rules(["img.made"])
        await rows_in(pool, "UPDATE rule SET conditions = '[]' RETURNING id")
        await tables.store_breakers([(rule, BreakerState(3, "too slow"))])
        assert [rule.breaker for rule in await tables.rules(["img.made"])] == [BreakerState()]


async def test_rules_of_earlier_versions_fire(pool: Pool) -> None:
    conditions = [{"field": "payload.path", "operator": "starts_with", "value": "in/"}]
    await add_rule(pool, "img.old", conditions, {"width": 7})
    await add_rule(pool, "img.older", [], None)
    recorded = await happen(pool, "img.made", {"path": "in/a"}, {"path": "out/a"})

    assert [len(one.executions) for one in recorded] == [1, 0]
    assert {problem.partition(":")[0] for problem in recorded[1].problems} == {"img.older", "img.shrink"}


async def test_templates_of_rules_that_no_folder_has_declared_may_be_written_as_earlier(pool: Pool) -> None:
    given = {"width": "{{ event.payload.width }}", "path": "of {{ trigger.payload.path }}, {{payload.width}}"}
    await add_rule(pool, "img.old", ["payload.width == 7"], given)
    await add_rule(pool, "img.own", ["payload.width == 7"], {"width": 1, "path": "${{ payload.path }} {{ x }}"})
    await happen(pool, "img.made", {"path": "a", "width": 7})

    assert await rows_in(pool, "SELECT config FROM execution ORDER BY id") == [
        ({"width": 7, "path": "of a, 7"},),
        ({"width": 1, "path": "a {{ x }}"},),
    ]


async def test_secrets_are_not_repeated_in_the_enforcement(pool: Pool) -> None:
    await add_rule(pool, "img.own", [], {"width": 1, "token": "${{ payload.path }}"})
    await happen(pool, "img.made", {"path": "hunter2", "width": 1})

    assert await rows_in(pool, "SELECT config FROM enforcement") == [({"width": 1, "token": "***"},)]
    ((config, sealed),) = await rows_in(pool, "SELECT config, sealed FROM execution")
    assert (config, list(sealed), "hunter2" in str(sealed)) == ({"width": 1}, ["token"], False)


async def test_an_event_cannot_name_a_secret_and_the_rule_and_its_pack_can(pool: Pool) -> None:
    await add_rule(pool, "img.a_event", [], {"width": 1, "path": "${{ payload.path }}"})
    await add_rule(pool, "img.b_part", [], {"width": 1, "path": "secret:${{ payload.part }}"})
    await add_rule(pool, "img.c_own", [], {"width": 1, "path": "secret:event", "token": "${{ 'secret:' + 'own' }}"})
    (recorded,) = await happen(pool, "img.made", {"path": "secret:stolen", "part": "stolen", "width": 1})

    assert await rows_in(pool, "SELECT config FROM execution WHERE config ? 'path'") == [
        ({"width": 1, "path": "secret:event", "token": "secret:own"},)
    ]
    sentence = "parameters.path: expected a value from the event, got a reference to a secret"
    assert [problem for problem in recorded.problems if "img.shrink" not in problem] == [
        f"img.a_event: {sentence}",
        f"img.b_part: {sentence}",
    ]


async def test_disabled_rules_and_rules_of_disabled_triggers_do_not_fire(pool: Pool) -> None:
    log = PostgresEventLog(pool, recorder(MemoryCipher()))
    assert await log.set_rule_enabled("img.shrink", False) is True
    (first,) = await happen(pool, "img.made", {"path": "a", "width": 300})
    await log.set_rule_enabled("img.shrink", True)
    async with pool.connection() as connection:
        await connection.execute("UPDATE trigger SET enabled = false")
    (second,) = await happen(pool, "img.made", {"path": "a", "width": 300})

    assert (first.executions, second.executions) == ((), ())
    assert first.event is not None
    assert second.event is not None
    assert await log.set_rule_enabled("img.nothing", False) is False


@pytest.mark.parametrize(
    ("trigger", "payload", "refusal"),
    [
        ("img.made", {}, "payload.path: expected a value, got nothing"),
        ("img.made", {"path": "a", "width": "wide"}, "payload.width: expected an integer, got 'wide'"),
        ("img.nothing", {}, "trigger: expected one that exists, got 'img.nothing'"),
    ],
)
async def test_an_event_that_does_not_fit_is_refused_and_the_others_are_kept(
    pool: Pool, trigger: str, payload: dict[str, Any], refusal: str
) -> None:
    (refused,) = await happen(pool, trigger, payload)
    (kept,) = await happen(pool, "img.made", {"path": "a", "width": 300, "more": [1, None]})

    assert (refused.event, refused.refusal) == (None, refusal)
    assert len(kept.executions) == 1
    assert await rows_in(pool, "SELECT id FROM event") == [(kept.event,)]


async def test_expressions_see_the_event_and_the_configuration_of_their_pack(pool: Pool, tmp_path: Path) -> None:
    head = (
        f"{IMAGES['pack.yaml']}".replace("        ", "") + "config: {limit: 7}\nconf_schema: {limit: {type: integer}}\n"
    )
    rule = """
        name: shrink
        label: S
        trigger: img.made
        when: [event.trigger == 'img.made', event.source == null, payload == event.payload]
        action: img.resize
        parameters: {width: "${{ pack.config.limit }}", path: "${{ pack.ref }}"}
        """
    await load(pool, write_pack(tmp_path / "img", {"pack.yaml": head, "rules/shrink.yaml": rule}))
    await happen(pool, "img.made", {"path": "a"})

    assert await rows_in(pool, "SELECT config FROM execution") == [({"width": 7, "path": "img"},)]


async def test_people_see_what_followed_from_an_event(pool: Pool) -> None:
    log = PostgresEventLog(pool, recorder(MemoryCipher()))
    await add_rule(pool, "img.a_broken", ["payload.hight > 3"], {"width": 1})
    sent = await log.send("img.made", {"path": "a", "width": 300})
    await log.send("img.made", {"path": "b", "width": 30})

    assert [(one.rule_ref, one.status, one.execution_status) for one in sent.enforcements] == [
        ("img.a_broken", "disabled", None),
        ("img.shrink", "processed", "requested"),
    ]
    assert sent.enforcements[0].reason == "conditions[0]: 'payload.hight > 3': there is no 'hight'"
    assert [one.payload["path"] for one in await log.list_events(10, "img.made")] == ["b", "a"]
    assert await log.list_events(10, "img.other") == []
    assert await log.get_event(sent.id) == sent
    assert await log.get_event(4711) is None
    with pytest.raises(UsageError, match=r"payload\.path: expected a value, got nothing"):
        await log.send("img.made", {})
    ((trigger),) = await log.list_triggers()
    assert (trigger.ref, trigger.sensors, trigger.rules) == ("img.made", ["img.ticks"], ["img.a_broken", "img.shrink"])
    assert [one.ref for one in await log.list_rules()] == ["img.a_broken", "img.shrink"]


async def test_an_event_of_a_node_waits_for_a_process_of_the_operator(pool: Pool, logins: Logins) -> None:
    async with pool.connection() as connection:
        await connection.execute(
            "INSERT INTO event (trigger, trigger_ref, payload, pending)"
            ' SELECT id, ref, \'{"path": "a", "width": 300}\', true FROM trigger WHERE ref = \'img.made\''
        )

    for role, expected in (("node", 0), ("admin", 1)):
        async with open_pool(logins.url("x", role)) as other:  # type: ignore[arg-type]
            with suppress(DatabaseError):
                await decide_once(other, MemoryCipher())
        found = await rows_in(pool, "SELECT count(*) FROM execution WHERE queue IS NOT NULL")
        assert found == [(expected,)], role


async def test_what_events_ask_for_does_not_wait_for_the_events_after_them(pool: Pool) -> None:
    async with pool.connection() as connection:
        await connection.execute(
            "INSERT INTO event (trigger, trigger_ref, payload, pending)"
            ' SELECT id, ref, \'{"path": "a", "width": 300}\', true'
            " FROM trigger, generate_series(1, 25) WHERE ref = 'img.made'"
        )
        await decide_once(pool, MemoryCipher())

    query = "SELECT count(*), min(updated) < max(created) FROM execution WHERE queue IS NOT NULL"
    assert await rows_in(pool, query) == [(25, True)]
