"""Laws of the unify step, for any legacy rows: no reference is lost, and no runtime forgets a command."""

from __future__ import annotations

import json
from collections import Counter

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attune.postgres.migrations.revisions import UNIFY, statement_text
from effort import share
from schema_dump import HERE

NAMES = st.sampled_from(["python", "python3", "node", "nodejs", "native", "builtin", "a-b"])
REFS = st.tuples(st.sampled_from(["core", "acme"]), st.sampled_from(["action", "sensor"]), NAMES).map(".".join)
BINARIES = st.sampled_from(["python3", "python", "node", "sh", "x y", "ünï"])
COMMANDS = st.fixed_dictionaries(
    {"binary": BINARIES},
    optional={
        "args": st.lists(st.sampled_from(["--version", "-v"]), max_size=2),
        "priority": st.one_of(st.integers(-2, 5), st.just("1"), st.none()),
        "pattern": st.sampled_from(["a", "b:c %s"]),
    },
)
VERIFICATION = st.fixed_dictionaries(
    {},
    optional={
        "commands": st.lists(COMMANDS, max_size=3),
        "always_available": st.booleans(),
        "check_required": st.booleans(),
    },
)
OBJECTS = st.fixed_dictionaries(
    {},
    optional={
        "verification": st.one_of(VERIFICATION, st.none(), st.just([1]), st.just("v")),
        "min_version": st.sampled_from(["3.8", "3.10", 3, "x", None]),
        "version_constraint": st.sampled_from([">=1", ">=2", 7]),
        "aliases": st.one_of(st.lists(st.sampled_from(["p", "q"])), st.just("p")),
        "roles": st.sampled_from([["sensor"], ["action"], [], "action", None]),
    },
)
COMMANDED = st.lists(COMMANDS, min_size=1, max_size=3).map(lambda commands: {"verification": {"commands": commands}})
DISTRIBUTIONS = st.one_of(
    COMMANDED,
    OBJECTS,
    st.lists(st.one_of(BINARIES, st.none(), st.just(1)), max_size=3),
    st.none(),
    st.just("py"),
    st.just(1),
)
ROWS = st.dictionaries(
    REFS, st.tuples(DISTRIBUTIONS, st.one_of(st.none(), OBJECTS), st.integers(0, 2)), min_size=1, max_size=10
)


@pytest.fixture(scope="module")
def connection(server):
    """One connection to a legacy database; every example is rolled back."""
    with psycopg.connect(server.url("postgres"), autocommit=True) as administration:
        administration.execute("CREATE DATABASE laws")
        with psycopg.connect(server.url("laws")) as connection:
            connection.execute((HERE / "legacy_schema.sql").read_text())
            connection.execute("INSERT INTO pack (id, ref, label, version) VALUES (1, 'acme', 'A', '1.0.0')")
            connection.execute("INSERT INTO trigger (id, ref, label) VALUES (1, 'acme.t', 'T')")
            connection.commit()
            yield connection
        administration.execute("DROP DATABASE laws WITH (FORCE)")


def called(distributions):
    """What a legacy definition runs, as (binary, args)."""
    if isinstance(distributions, list):
        return {(name, ("--version",)) for name in distributions if isinstance(name, str)}
    verification = distributions.get("verification") if isinstance(distributions, dict) else None
    listed = verification.get("commands", []) if isinstance(verification, dict) else []
    return {(c["binary"], tuple(c.get("args", ()))) for c in listed}


def insert(connection, rows):
    for number, (ref, (distributions, installation, uses)) in enumerate(rows.items(), 1):
        connection.execute(
            "INSERT INTO runtime (id, ref, pack_ref, runtime_type, name, distributions, installation, updated)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, now() - %s * interval '1 day')",
            (
                number,
                ref,
                ref.split(".")[0],
                ref.split(".")[1],
                ref,
                json.dumps(distributions),
                json.dumps(installation),
                number,
            ),
        )
        for use in range(uses):
            key = f"acme.u{number}-{use}"
            connection.execute(
                "INSERT INTO action (ref, pack, pack_ref, label, description, entrypoint, runtime)"
                " VALUES (%s, 1, 'acme', '', '', '', %s)",
                (key, number),
            )
            connection.execute(
                "INSERT INTO sensor (ref, label, description, entrypoint, runtime, runtime_ref, trigger, trigger_ref,"
                " enabled) VALUES (%s, '', '', '', %s, %s, 1, 'acme.t', true)",
                (key, number, ref),
            )
            connection.execute(
                "INSERT INTO worker (name, worker_type, runtime) VALUES (%s, 'local', %s)", (key, number)
            )


def uses(connection):
    """Every row that uses a runtime: its key -> the runtime's ref and distributions."""
    return {
        (table, key): (ref, distributions)
        for table, column in (("action", "ref"), ("sensor", "ref"), ("worker", "name"))
        for key, ref, distributions in connection.execute(
            f"SELECT t.{column}, r.ref, r.distributions FROM {table} AS t JOIN runtime AS r ON r.id = t.runtime"
        )
    }


def run(connection, *names):
    for name in names:
        connection.execute(statement_text(name))


@settings(max_examples=share(40))
@given(rows=ROWS)
def test_no_reference_is_lost_and_no_command_is_forgotten(connection, rows):
    try:
        insert(connection, rows)
        before = uses(connection)
        run(connection, *UNIFY)
        after = uses(connection)
        stale = connection.execute(
            "SELECT s.ref FROM sensor AS s JOIN runtime AS r ON r.id = s.runtime WHERE s.runtime_ref <> r.ref"
        )

        assert after.keys() == before.keys()
        assert stale.fetchall() == []
        for key, (old_ref, old) in before.items():
            new_ref, new = after[key]
            pack, _, name = old_ref.split(".")
            folded = {"python3": "python", "node": "nodejs"}.get(name, name)
            assert new_ref == (old_ref if old_ref == "core.sensor.builtin" else f"{pack}.{folded}")
            if not (isinstance(old, list) and name in ("native", "builtin")):
                assert called(old) <= called(new)
        unified = Counter(new_ref for new_ref, _ in after.values())
        assert all(ref == "core.sensor.builtin" or ref.count(".") == 1 for ref in unified)
    finally:
        connection.rollback()


@settings(max_examples=share(20))
@given(rows=ROWS)
def test_the_split_brings_every_row_back_and_uniting_again_gives_the_same(connection, rows):
    def everything():
        return [
            connection.execute(f"SELECT to_jsonb(t) FROM {table} AS t ORDER BY id").fetchall()
            for table in ("runtime", "action", "sensor", "worker")
        ]

    unify = (*UNIFY, "20260203000001_unify_runtimes")
    try:
        insert(connection, rows)
        original = everything()
        run(connection, *unify)
        united = everything()
        run(connection, *unify)
        assert everything() == united
        run(connection, "reference_functions", "20260203000001_split_runtimes", "drop_functions")
        assert everything() == original
        run(connection, *unify)
        assert everything() == united
    finally:
        connection.rollback()
