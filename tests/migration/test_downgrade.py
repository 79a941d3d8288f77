"""Going down after life went on: what was made or changed since then is split too, and nothing is lost."""

from __future__ import annotations

import pytest

from attune.core.errors import DatabaseError
from attune.postgres.migrations.run import downgrade, upgrade
from schema_dump import rows_of

BASELINE = "20250101000001_baseline"
SENSOR = (
    "INSERT INTO sensor (ref, label, description, entrypoint, runtime, runtime_ref, trigger, trigger_ref, enabled)"
    " SELECT 'acme.' || %s, '', '', '', id, ref, 1, 'acme.tick', true FROM runtime WHERE ref = %s"
)
ACTION = (
    "INSERT INTO action (ref, pack, pack_ref, label, description, entrypoint, runtime)"
    " SELECT 'acme.' || %s, 2, 'acme', '', '', '', id FROM runtime WHERE ref = %s"
)


def refs(database, like):
    return [ref for (ref,) in database.query("SELECT ref FROM runtime WHERE ref LIKE %s ORDER BY ref", like)]


def used(database, table, name):
    return database.value(
        f"SELECT r.ref FROM {table} AS t JOIN runtime AS r ON r.id = t.runtime WHERE t.ref = %s", name
    )


def test_a_runtime_made_since_then_becomes_one_of_each_type(unified):
    unified.query(
        "INSERT INTO runtime (ref, pack, pack_ref, name, distributions)"
        " VALUES ('acme.perl', 2, 'acme', 'Perl', '{\"a\": 1}')"
    )
    unified.query(ACTION, "a", "acme.perl")
    unified.query(SENSOR, "s", "acme.perl")
    before = rows_of(unified, "runtime", "action", "sensor")

    downgrade(unified.url, BASELINE)

    assert refs(unified, "acme.%.perl") == ["acme.action.perl", "acme.sensor.perl"]
    assert (used(unified, "action", "acme.a"), used(unified, "sensor", "acme.s")) == (
        "acme.action.perl",
        "acme.sensor.perl",
    )
    assert unified.value("SELECT runtime_ref FROM sensor WHERE ref = 'acme.s'") == "acme.sensor.perl"
    upgrade(unified.url)
    assert rows_of(unified, "runtime", "action", "sensor") == before


def test_a_runtime_for_sensors_only_gets_no_action_half(unified):
    unified.query(
        "INSERT INTO runtime (ref, name, distributions) VALUES ('acme.tap', 'Tap', '{\"roles\": [\"sensor\"]}')"
    )

    downgrade(unified.url, BASELINE)

    assert refs(unified, "acme.%tap") == ["acme.sensor.tap"]


def test_a_sensor_made_since_then_on_an_action_runtime_gets_a_half_of_its_own(unified):
    unified.query(SENSOR, "s", "acme.lua")
    unified.query("DELETE FROM sensor WHERE id = 15")

    downgrade(unified.url, BASELINE)

    assert refs(unified, "acme.%.lua") == ["acme.action.lua", "acme.sensor.lua"]
    assert used(unified, "sensor", "acme.s") == "acme.sensor.lua"


def test_a_definition_changed_since_then_keeps_the_change_in_both_halves(unified):
    unified.query("UPDATE runtime SET distributions = '{\"new\": 1}' WHERE ref = 'acme.ruby'")

    downgrade(unified.url, BASELINE)

    assert unified.query("SELECT ref, name, distributions FROM runtime WHERE ref LIKE 'acme.%ruby' ORDER BY ref") == [
        ("acme.action.ruby", "Acme Ruby", {"new": 1}),
        ("acme.sensor.ruby", "Ruby", {"new": 1}),
    ]
    upgrade(unified.url)
    assert unified.value("SELECT distributions FROM runtime WHERE ref = 'acme.ruby'") == {"new": 1}


def test_what_was_moved_or_removed_since_then_is_not_brought_back(unified):
    unified.query("UPDATE action SET runtime = (SELECT id FROM runtime WHERE ref = 'core.shell') WHERE id = 13")
    for table in ("action", "worker"):
        unified.query(
            f"UPDATE {table} SET runtime = NULL WHERE runtime = (SELECT id FROM runtime WHERE ref = 'acme.ruby')"
        )
    unified.query("DELETE FROM runtime WHERE ref = 'acme.ruby'")

    downgrade(unified.url, BASELINE)

    assert refs(unified, "acme.%ruby") == []
    assert used(unified, "action", "acme.do13") == "core.action.shell"


def test_the_split_is_in_the_history_and_the_history_stays(unified):
    downgrade(unified.url, BASELINE)

    assert unified.query(
        "SELECT new ->> 'ref' FROM runtime_history WHERE operation = 'split' AND runtime_ref = 'acme.ruby'"
    ) == [
        ("acme.action.ruby",),
        ("acme.sensor.ruby",),
    ]


def test_a_ref_that_the_split_cannot_express_is_refused_and_nothing_changes(unified):
    unified.query("INSERT INTO runtime (ref, name, distributions) VALUES ('ruby', 'R', '{}')")
    before = rows_of(unified, "runtime", "worker", "alembic_version")

    with pytest.raises(DatabaseError, match=r"expected runtime refs of the form pack\.name, got ruby"):
        downgrade(unified.url, BASELINE)

    assert rows_of(unified, "runtime", "worker", "alembic_version") == before


def test_new_states_of_a_worker_become_the_nearest_former_ones(unified):
    unified.query(
        "UPDATE worker SET status = CASE id WHEN 3 THEN 'draining' ELSE 'lost' END::worker_status_enum"
        " WHERE id IN (3, 5)"
    )

    downgrade(unified.url, BASELINE)

    assert unified.query("SELECT id, status::text FROM worker WHERE id IN (3, 5) ORDER BY id") == [
        (3, "busy"),
        (5, "inactive"),
    ]


def test_labels_that_something_else_was_built_on_stay(unified):
    unified.query("CREATE VIEW busy AS SELECT id FROM worker WHERE status = 'busy'")

    downgrade(unified.url, BASELINE)

    assert unified.value("SELECT 'lost'::worker_status_enum::text") == "lost"
    upgrade(unified.url)


def test_a_database_that_is_not_ours_yet_is_not_downgraded(legacy):
    with pytest.raises(DatabaseError, match="expected a database that Attune has migrated, got one of origin upstream"):
        downgrade(legacy.url, BASELINE)
