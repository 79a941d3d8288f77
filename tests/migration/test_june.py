"""A database of June 2026 is adopted with its meaning, what cannot be said is named, and all of it can be undone."""

from __future__ import annotations

import pytest

from attune.core.matching.requirement import Preference, Requirement
from attune.core.runtimes.definition import parse_definition
from attune.core.runtimes.runtime import Runtime
from attune.postgres.migrations.run import downgrade, state, upgrade, upgrade_sql
from schema_dump import HERE, rows_of, schema_of

UNIFIED = "20260203000001_unify_runtimes"
OURS = ("pack", "runtime", "action", "sensor", "worker", "trigger", "event", "rule", "enforcement", "execution")
THEIRS = ("identity", "workflow_definition", "workflow_execution", "permission_set", "execution_history")
ALL = (*OURS, *THEIRS, "runtime_version")


@pytest.fixture
def adopted(june):
    assert upgrade(june.url).adopted == UNIFIED
    assert state(june.url).finding is None
    return june


def row(database, table, ref):
    return database.value(f"SELECT to_jsonb(t) FROM {table} AS t WHERE ref = %s", ref)


def left(database):
    return {
        (table, ref): said
        for table, ref, said in database.query(
            "SELECT table_name, new #>> '{}', old FROM migration_original WHERE column_name = 'left'"
        )
    }


def test_no_row_is_lost_and_what_is_theirs_stays(june):
    before = rows_of(june, *ALL)

    upgrade(june.url)

    after = rows_of(june, *ALL)
    assert {table: len(rows) for table, rows in after.items()} == {table: len(rows) for table, rows in before.items()}
    assert {table: after[table] for table in (*THEIRS, "runtime_version")} == {
        table: before[table] for table in (*THEIRS, "runtime_version")
    }
    for table in ("action", "sensor", "rule", "runtime"):
        kept = {one["ref"]: (one["created"], one["updated"]) for one in before[table]}
        assert {one["ref"]: (one["created"], one["updated"]) for one in after[table]} == kept


def test_where_and_how_long_work_may_run_is_kept(adopted):
    deploy = row(adopted, "action", "acme.deploy")

    assert sorted(deploy["requires"]) == [
        *("disk=ssd", 'rack in ("r2", "r3")', "tier=gold", 'tolerates "gpu=true"', "tolerates gpu", "tolerates spot"),
        "zone=eu",
    ]
    assert deploy["prefers"] == ['rack="r1" *10']
    Requirement.parse(deploy["requires"])
    Preference.parse(deploy["prefers"][0])
    assert (deploy["timeout_seconds"], deploy["retries"], deploy["runtime_version_constraint"]) == (30, 2, ">=3.11")
    plain = row(adopted, "action", "acme.plain")
    assert (plain["requires"], plain["prefers"], plain["timeout_seconds"], plain["retries"]) == ([], [], None, 0)
    odd = row(adopted, "action", "acme.odd")
    assert (odd["requires"], odd["timeout_seconds"], odd["retries"]) == (['n="7"', "zone in (eu, us)"], None, 0)
    Requirement.parse(odd["requires"])
    assert row(adopted, "sensor", "acme.watch")["requires"] == ["zone=eu"]


def test_versions_aliases_and_start_become_part_of_the_definition(adopted):
    python = row(adopted, "runtime", "core.python")["distributions"]

    assert [(one["binary"], one["priority"]) for one in python["verification"]["commands"]] == [
        *(("python3", 1), ("/usr/bin/python3.12", 101), ("python3.11", 102)),
    ]
    assert (python["verification"]["discover"], python["aliases"]) == ("all", ["python", "python3"])
    assert python["start"] == {
        "args": ["-u"],
        "environment": {"GREETING": "hello", "PYTHONPATH": "/tmp/planted", "LD_PRELOAD": "/tmp/x.so"},
    }
    for ref, distributions in adopted.query("SELECT ref, distributions FROM runtime"):
        parse_definition(Runtime(ref=ref, name="N", distributions=distributions))
    assert row(adopted, "runtime", "acme.ruby")["distributions"] == {"aliases": ["Ruby", "rb"]}
    changed = adopted.query("SELECT DISTINCT runtime_ref FROM runtime_history WHERE operation = 'update' ORDER BY 1")
    assert changed == [("acme.ruby",), ("core.python",)]


def test_a_cordoned_node_drains_for_its_reason(adopted):
    status, meta = adopted.query("SELECT status::text, meta FROM worker WHERE name = 'build-2'")[0]

    assert (status, meta["drain_reason"], meta["pid"]) == ("draining", "disk is full", 7)
    adopted.query("INSERT INTO worker (name, worker_type, worker_role) VALUES ('build-1', 'local', 'sensor')")


def test_a_sensor_has_its_trigger_back(adopted):
    bound = adopted.query("SELECT ref, trigger, trigger_ref FROM sensor ORDER BY id")

    assert bound == [
        ("acme.watch", 1, "acme.found"),
        ("core.interval_timer_sensor", 3, "core.intervaltimer"),
        ("acme.idle", None, ""),
    ]
    assert adopted.value("SELECT config FROM sensor WHERE id = 2") == {"unit": "seconds", "interval": 10}
    assert adopted.query("SELECT updated = created FROM event") == [(True,)]
    assert adopted.query("SELECT updated = resolved_at FROM enforcement ORDER BY id") == [(True,), (None,)]


def test_executions_keep_who_ran_them_and_what_nobody_holds_ends(adopted):
    assert adopted.query("SELECT id, status::text, worker, started_at IS NULL FROM execution ORDER BY id") == [
        (1, "completed", 1, False),
        (2, "abandoned", 1, False),
        (3, "cancelled", None, True),
    ]
    assert row(adopted, "action", "acme.flow")["is_workflow"] is True


def test_actions_get_their_parameters_as_before(adopted):
    assert adopted.query(
        "SELECT ref, parameter_delivery FROM action WHERE parameter_delivery <> 'stdin' ORDER BY id"
    ) == [
        ("acme.deploy", "file"),
        ("acme.odd", "dotenv"),
    ]


def test_what_cannot_be_carried_is_named(adopted):
    found = left(adopted)

    assert found["trigger", "acme.hook"] == ["its webhook: nothing receives it here"]
    assert "sensor acme.watch is bound to trigger acme.found" in found["trigger", "acme.lost"][0]
    assert found["sensor", "acme.idle"] == ["no trigger names it"]
    assert found["action", "acme.flow"] == ["it is a workflow: nothing runs workflows here"]
    assert found["action", "acme.deploy"] == ['default_execution_permission_set_refs ["acme.all"]']
    odd = " ".join(found["action", "acme.odd"])
    for said in (
        "accesses_mcp true",
        'zone with blanks and "quotes"',
        '"text"',
        "tolerations",
    ):
        assert said in odd
    assert found["rule", "acme.rule"] == ['permission_set_refs ["acme.all"]']
    assert found["rule", "acme.gone"] == ["its action acme.removed is gone", "its trigger acme.removed is gone"]
    assert [said.partition(" ")[0] for said in found["runtime", "core.python"]] == ["dependencies", "environment"]
    assert found["runtime_version", "acme.ruby 3.2"] == ["it names no command by which it can be told"]
    assert len(found) == 10


def test_the_report_names_all_of_it_and_what_needs_somebody(june):
    report = upgrade(june.url)

    assert {
        "action acme.flow: it is a workflow: nothing runs workflows here",
        "pack acme has no files here: attune pack load DIR",
        "tables left as they are: execution_history, identity, permission_set, runtime_version, workflow_definition,"
        " workflow_execution",
    } <= set(report.left)
    assert not any("pack core" in said for said in report.left)
    assert upgrade(june.url).left == report.left


def test_down_restores_rows_and_schema_and_up_again_gives_the_same(june):
    original, schema = rows_of(june, *ALL), schema_of(june)
    upgrade(june.url)
    adopted, adopted_schema = rows_of(june, *ALL), schema_of(june)

    downgrade(june.url, UNIFIED)

    assert rows_of(june, *ALL) == original
    kept = ("alembic_version", "runtime_history", "migration_original", "index CREATE INDEX", "rights")
    assert {one for one in schema_of(june) if not any(name in one for name in kept)} == {
        one for one in schema if not any(name in one for name in kept)
    }
    upgrade(june.url)
    assert rows_of(june, *ALL) == adopted
    assert schema_of(june) == adopted_schema


def test_each_step_down_and_up_again_changes_nothing(adopted):
    before = rows_of(adopted, *ALL)

    downgrade(adopted.url, state(adopted.url).head.replace("20260601000002_earlier_values", "20260510000001_uptime"))
    upgrade(adopted.url)

    assert rows_of(adopted, *ALL) == before


def test_printed_sql_adopts_in_the_same_way(june, new_database):
    printed = new_database(june.name)

    printed.psql(upgrade_sql(printed.url))
    upgrade(june.url)

    assert rows_of(printed, *ALL) == rows_of(june, *ALL)


def test_a_stage_between_is_adopted_too(new_database):
    database = new_database()
    between = (HERE / "june_schema.sql").read_text().partition("-- mark")[0]
    database.psql((HERE / "legacy_schema.sql").read_text() + between)
    database.query("INSERT INTO pack (id, ref, label, version) VALUES (1, 'acme', 'A', '1.0.0')")
    database.query(
        "INSERT INTO action (ref, pack, pack_ref, label, description, entrypoint, timeout_seconds, max_retries,"
        " parameter_delivery) VALUES ('acme.a', 1, 'acme', 'A', '', 'a.sh', 5, 1, 'file')"
    )
    before = rows_of(database, *OURS)

    upgrade(database.url)

    action = row(database, "action", "acme.a")
    assert (action["timeout_seconds"], action["retries"], action["parameter_delivery"]) == (5, 1, "file")
    assert left(database) == {}
    downgrade(database.url, UNIFIED)
    assert rows_of(database, *OURS) == before
