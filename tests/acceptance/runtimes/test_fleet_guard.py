"""A definition that is wrong reaches a fleet of workers, each a process with a login of its own."""

from __future__ import annotations

from pathlib import Path

import psycopg

from command_hosts import Machine
from waiting import rows, status, wait_for
from worker_processes import WorkerFleet, ask, load_pack, write_pack

NAMES = ("w1", "w2", "w3", "w4", "w5")
BINARY = """
    UPDATE runtime SET distributions = jsonb_set(distributions, '{verification,commands,0,binary}', %s::jsonb)
    WHERE ref = 'check.ruby'
"""
RUBY = "SELECT w.name, r.status, r.reason FROM worker_runtime r JOIN worker w ON w.id = r.worker WHERE r.name = 'ruby'"


def reload(url: str, binary: str) -> None:
    """Change the definition and ask every node to read it, all at the same moment."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(BINARY, (f'"{binary}"',))
        connection.execute("UPDATE worker SET meta = meta || '{\"reloads\": 1}' WHERE NOT meta ? 'reloads'")
        connection.execute(
            "UPDATE worker SET meta = jsonb_set(meta, '{reloads}', to_jsonb((meta->>'reloads')::int + 1))"
        )
        connection.execute("SELECT pg_notify('attune_node', id::text) FROM worker")


def test_a_wrong_definition_leaves_most_of_a_fleet_as_it_was(tmp_path: Path, migrated_database: str) -> None:
    settings = {"ATTUNE__HEALTH__INTERVAL": "10m"}
    fleet = WorkerFleet(tmp_path, migrated_database, dict.fromkeys(NAMES, ("shell", "ruby")), settings=settings)
    load_pack(fleet.url, write_pack(tmp_path / "pack"))
    try:
        fleet.start(*NAMES)
        wait_for(lambda: status(fleet.url) == dict.fromkeys(NAMES, "active"))
        wait_for(lambda: [one[1] for one in rows(fleet.url, RUBY)] == ["available"] * 5)
        reload(fleet.url, "ruby9")
        wait_for(lambda: sum("ruby9: not found" in one[2] for one in rows(fleet.url, RUBY)) == 5)

        kept = [name for name, _, reason in rows(fleet.url, RUBY) if "kept by the fleet guard: " in reason]
        assert len(kept) >= 4
        assert [name for name, verdict, _ in rows(fleet.url, RUBY) if verdict == "available"] == kept
        ask(fleet.url, [("check.ruby", {"told": str(fleet.told)})] * 4)
        wait_for(lambda: fleet.counts() == {"completed": 4})
        operator = Machine(tmp_path / "operator", {"DATABASE_URL": fleet.logins.url("ops", "admin")})
        operator.bin  # noqa: B018 - makes its folder
        told = operator.attune("doctor").stdout
        assert f"fails on 5 of 5 live workers that had it lately; {len(kept)} keep their last good verdict" in told

        (gone := kept.pop()) and fleet.take(gone, "ruby")
        reload(fleet.url, "ruby8")
        wait_for(lambda: sum("ruby8: not found" in one[2] for one in rows(fleet.url, RUBY)) == 5)
        assert {name for name, verdict, _ in rows(fleet.url, RUBY) if verdict == "available"} == set(kept)
        fleet.give(gone, "ruby")
        reload(fleet.url, "ruby")
        right = "verified by `ruby --version`"
        wait_for(lambda: [one[1:] for one in rows(fleet.url, RUBY)] == [("available", right)] * 5)
    finally:
        fleet.close()
