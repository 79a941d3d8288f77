"""The unify step on an existing installation: nothing is lost, everything follows, and it can be undone."""

from __future__ import annotations

import pytest

from attune.core.errors import DatabaseError
from attune.postgres.migrations.run import downgrade, upgrade, upgrade_sql
from schema_dump import rows_of, schema_of

ALL = ("pack", "runtime", "action", "sensor", "worker", "trigger", "event", "rule", "enforcement", "execution")
BASELINE = "20250101000001_baseline"
FAMILIES = {
    "core.python": {1, 2, 3, 4},
    "core.nodejs": {5, 6, 7},
    "core.shell": {8, 9},
    "core.native": {10, 11},
    "core.sensor.builtin": {12},
    "acme.ruby": {13, 14},
    "acme.lua": {15},
    "acme.erlang": {16},
    "acme.nodejs": {17, 18},
    "acme.python": {19},
    "lost.go": {20, 21},
    "odd.thing": {22, 23},
}


def definition(database, ref):
    return database.value("SELECT distributions FROM runtime WHERE ref = %s", ref)


def commands(database, ref):
    return [(c["binary"], c.get("args", [])) for c in definition(database, ref)["verification"]["commands"]]


def test_the_report_counts_what_was_united(legacy):
    report = upgrade(legacy.url)

    assert (report.origin, report.adopted) == ("upstream", BASELINE)
    assert report.applied[0] == "20260203000001_unify_runtimes"
    assert (report.unify.runtimes_before, report.unify.runtimes_after, report.unify.merged) == (23, 12, 8)
    assert report.unify.references == 3 * 11


def test_no_row_is_lost_but_merged_runtimes(legacy):
    before = {table: len(rows) for table, rows in rows_of(legacy, *ALL).items()}

    upgrade(legacy.url)

    after = {table: len(rows) for table, rows in rows_of(legacy, *ALL).items()}
    assert after == {**before, "runtime": len(FAMILIES)}


def test_every_reference_follows_to_the_right_runtime(unified):
    assert {ref for (ref,) in unified.query("SELECT ref FROM runtime")} == FAMILIES.keys()
    for table in ("action", "sensor", "worker"):
        linked = unified.query(f"SELECT t.id, r.ref FROM {table} AS t JOIN runtime AS r ON r.id = t.runtime ORDER BY 1")
        assert linked == sorted((id_, ref) for ref, ids in FAMILIES.items() for id_ in ids)


def test_the_text_of_a_sensor_names_its_runtime(unified):
    assert (
        unified.query("SELECT s.id FROM sensor AS s JOIN runtime AS r ON r.id = s.runtime WHERE s.runtime_ref <> r.ref")
        == []
    )


def test_what_packs_depend_on_follows(unified):
    assert unified.value("SELECT runtime_deps FROM pack WHERE ref = 'acme'") == ["core.python", "acme.ruby", "bash"]


def test_names_say_what_the_runtime_is(unified):
    names = dict(unified.query("SELECT ref, name FROM runtime"))

    assert {ref: name for ref, name in names.items() if ref.startswith("core.")} == {
        "core.python": "Python",
        "core.nodejs": "Node.js",
        "core.shell": "Shell",
        "core.native": "Native",
        "core.sensor.builtin": "Built-in",
    }
    assert (names["acme.ruby"], names["acme.lua"], names["acme.nodejs"]) == ("Acme Ruby", "Lua", "Our Node")


def test_a_list_of_names_becomes_commands_in_its_order(unified):
    assert commands(unified, "core.shell") == [("bash", ["--version"]), ("sh", ["-c", "exit 0"]), ("sh", ["--version"])]
    assert commands(unified, "acme.python") == [("python3.11", ["--version"])]
    assert commands(unified, "acme.nodejs") == [("node18", ["--version"])]


def test_a_listed_name_adds_nothing_to_a_definition_of_the_same_call(unified):
    assert commands(unified, "core.python") == [("python3", ["--version"]), ("python", ["--version"])]
    assert all(c["pattern"] for c in definition(unified, "core.python")["verification"]["commands"])


def test_native_is_no_program(unified):
    assert definition(unified, "core.native") == {
        "languages": ["rust", "go"],
        "verification": {"always_available": True, "check_required": False},
    }


def test_builtin_stays_for_sensors_only(unified):
    assert definition(unified, "core.sensor.builtin")["roles"] == ["sensor"]


def test_differing_definitions_are_united_in_priority_order_and_with_the_wider_limits(unified):
    ruby = definition(unified, "acme.ruby")

    assert [(c["binary"], c["priority"]) for c in ruby["verification"]["commands"]] == [
        ("ruby", 1),
        ("ruby3", 5),
        ("jruby", 6),
    ]
    assert (ruby["min_version"], ruby["version_constraint"], ruby["vendor"]) == ("3.2", ">=3,<4 || >=2.7", "acme")
    assert unified.value("SELECT installation FROM runtime WHERE ref = 'acme.ruby'") == {
        "gems": {"rake": "13", "json": "2"}
    }


def test_a_broken_definition_does_not_break_what_it_is_merged_with(legacy):
    legacy.query(
        """UPDATE runtime SET distributions = '{"verification": {"commands": [null, {"args": []}]}}' WHERE id = 3"""
    )

    upgrade(legacy.url)

    assert commands(legacy, "core.python") == [("python3", ["--version"]), ("python", ["--version"])]


def test_a_pack_known_by_its_ref_alone_is_linked(unified):
    assert unified.query(
        "SELECT pack, pack_ref FROM runtime WHERE ref IN ('core.nodejs', 'acme.erlang') ORDER BY ref"
    ) == [
        (2, "acme"),
        (1, "core"),
    ]
    assert unified.query("SELECT pack, pack_ref FROM runtime WHERE ref = 'lost.go'") == [(None, "gone")]


def test_the_originals_are_kept_in_the_history(legacy):
    originals = {row["id"]: row for row in rows_of(legacy, "runtime")["runtime"]}

    upgrade(legacy.url)

    kept = legacy.query("SELECT runtime_ref, operation, old FROM runtime_history ORDER BY id")
    assert {old["id"]: old for _, _, old in kept} == originals
    assert {(ref, old["id"]) for ref, _, old in kept} == {(ref, id_) for ref, ids in FAMILIES.items() for id_ in ids}
    assert sum(operation == "merge" for _, operation, _ in kept) == 11


def test_capabilities_and_times_stay(legacy):
    query = "SELECT id, capabilities, created, updated FROM worker ORDER BY id"
    before = legacy.query(query)

    upgrade(legacy.url)

    assert legacy.query(query) == before


def test_twins_get_names_of_their_own(unified):
    assert unified.query("SELECT id, name, worker_role::text, meta FROM worker WHERE id > 100 ORDER BY id") == [
        (101, "twin#3", "action", {"renamed_from": "twin"}),
        (102, "twin", "action", {"zone": "eu"}),
        (103, "twin#4", "action", {"meta": [1, 2], "renamed_from": "twin"}),
        (104, "twin", "sensor", None),
        (105, "twin#2", "action", {}),
    ]


def test_the_step_run_again_changes_nothing(unified):
    def rows() -> dict[str, list[dict[str, object]]]:
        """What later steps record again has another time."""
        found = rows_of(unified, *ALL, "runtime_history", "migration_original")
        kept = [{**row, "recorded_at": None} for row in found["migration_original"]]
        return {**found, "migration_original": kept}

    before = rows()
    downgrade(unified.url, "20260301000002_finish_unify")
    unified.query("UPDATE alembic_version SET version_num = '20260301000001_nodes'")

    upgrade(unified.url)

    assert rows() == before


def test_a_downgrade_restores_every_row_and_an_upgrade_gives_the_same_again(legacy):
    original = rows_of(legacy, *ALL)
    schema = schema_of(legacy)
    upgrade(legacy.url)
    unified = rows_of(legacy, *ALL)
    unified_schema = schema_of(legacy)

    downgrade(legacy.url, BASELINE)
    assert rows_of(legacy, *ALL) == original
    kept = ("alembic_version", "runtime_history", "index CREATE INDEX")
    restored = {line for line in schema_of(legacy) if not any(name in line for name in kept)}
    assert restored == {line for line in schema if not any(name in line for name in kept)}
    assert {line for line in schema if "index" in line} <= set(schema_of(legacy))
    upgrade(legacy.url)
    assert rows_of(legacy, *ALL) == unified
    assert schema_of(legacy) == unified_schema


def test_a_downgrade_in_another_time_zone_restores_the_same(legacy):
    original = rows_of(legacy, "runtime")
    upgrade(legacy.url)
    legacy.query(f"ALTER DATABASE {legacy.name} SET timezone = 'Asia/Tokyo'")

    downgrade(legacy.url, BASELINE)

    legacy.query(f"ALTER DATABASE {legacy.name} RESET timezone")
    assert rows_of(legacy, "runtime") == original


def test_printed_sql_does_what_the_upgrade_does(legacy, new_database):
    printed = new_database(legacy.name)

    printed.psql(upgrade_sql(printed.url))
    upgrade(legacy.url)

    assert rows_of(printed, *ALL, "alembic_version") == rows_of(legacy, *ALL, "alembic_version")
    assert schema_of(printed) == schema_of(legacy)


def test_a_failure_midway_leaves_the_database_as_it_was(legacy):
    legacy.query("CREATE VIEW worker_runtime AS SELECT 1")
    before, schema = rows_of(legacy, *ALL), schema_of(legacy)

    with pytest.raises(DatabaseError, match=r'relation "worker_runtime" already exists; nothing was changed'):
        upgrade(legacy.url)

    assert rows_of(legacy, *ALL) == before
    assert schema_of(legacy) == schema


def test_tables_of_others_that_reference_a_runtime_follow_too(legacy):
    legacy.query(
        "CREATE SCHEMA other; CREATE TABLE other.uses (id int PRIMARY KEY,"
        " lang bigint REFERENCES runtime (id) ON DELETE CASCADE, lang_ref text);"
        " INSERT INTO other.uses SELECT id, id, ref FROM runtime;"
        " CREATE TABLE keyless (runtime bigint REFERENCES runtime (id)); INSERT INTO keyless SELECT id FROM runtime"
    )
    before = rows_of(legacy, "other.uses")

    upgrade(legacy.url)

    assert legacy.query(
        "SELECT u.id, r.ref, u.lang_ref FROM other.uses AS u JOIN runtime AS r ON r.id = u.lang ORDER BY 1"
    ) == sorted((id_, ref, ref) for ref, ids in FAMILIES.items() for id_ in ids)
    assert legacy.value("SELECT count(*) FROM keyless") == 23
    downgrade(legacy.url, BASELINE)
    assert rows_of(legacy, "other.uses") == before


def test_a_table_that_cannot_hold_both_halves_as_one_stops_the_step(legacy):
    legacy.query(
        "CREATE TABLE uses (runtime bigint UNIQUE REFERENCES runtime (id)); INSERT INTO uses VALUES (13), (14)"
    )

    with pytest.raises(DatabaseError, match="table uses has rows of both halves of one runtime"):
        upgrade(legacy.url)


def test_ref_texts_of_actions_and_workers_follow_where_an_installation_has_them(legacy):
    legacy.query(
        "ALTER TABLE action ADD runtime_ref text; ALTER TABLE worker ADD runtime_ref text;"
        " UPDATE action AS a SET runtime_ref = r.ref FROM runtime AS r WHERE r.id = a.runtime;"
        " UPDATE worker SET runtime_ref = 'core.sensor.python' WHERE runtime IS NULL"
    )
    before = rows_of(legacy, "action", "worker")

    upgrade(legacy.url)

    assert (
        legacy.value(
            "SELECT count(*) FROM action AS a JOIN runtime AS r ON r.id = a.runtime WHERE a.runtime_ref = r.ref"
        )
        == 23
    )
    assert {ref for (ref,) in legacy.query("SELECT runtime_ref FROM worker WHERE runtime IS NULL")} == {"core.python"}
    downgrade(legacy.url, BASELINE)
    assert rows_of(legacy, "action", "worker") == before


def test_a_row_that_has_the_unified_ref_already_takes_the_others_in(legacy):
    legacy.query(
        "ALTER TABLE runtime DROP CONSTRAINT runtime_ref_format;"
        " INSERT INTO runtime (id, ref, runtime_type, name, distributions)"
        """ VALUES (30, 'acme.ruby', 'action', 'The Ruby', '{"vendor": "us"}')"""
    )

    upgrade(legacy.url)

    assert legacy.query("SELECT id, name, distributions ->> 'vendor' FROM runtime WHERE ref = 'acme.ruby'") == [
        (30, "The Ruby", "us")
    ]
    assert legacy.query("SELECT DISTINCT runtime FROM action WHERE id IN (13, 14)") == [(30,)]


def test_triggers_that_an_administrator_disabled_stay_disabled(legacy):
    legacy.query("ALTER TABLE sensor DISABLE TRIGGER update_sensor_updated")

    upgrade(legacy.url)

    modes = dict(legacy.query("SELECT tgname, tgenabled::text FROM pg_trigger WHERE NOT tgisinternal"))
    assert modes.pop("update_sensor_updated") == "D"
    assert set(modes.values()) == {"O"}
