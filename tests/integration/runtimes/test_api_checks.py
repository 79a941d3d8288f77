"""Dry-runs on live nodes: real processes answer, and whoever asks is never kept waiting for a dead one."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from attune.core.access.tokens import Scope
from command_hosts import Machine
from factories import command, verification
from waiting import rows, status, wait_for
from web_client import Api, with_api

Start = Callable[..., subprocess.Popen[str]]
RUBY = {"ref": "core.ruby", "name": "Ruby", "distributions": verification(command(binary="ruby", pattern="ruby 3"))}


@pytest.fixture
def start(tmp_path: Path, migrated_database: str) -> Iterator[Start]:
    """Starts a worker of that name whose host has the given commands, and waits until it is active."""
    running: list[subprocess.Popen[str]] = []

    def begin(name: str, commands: dict[str, str], **variables: str) -> subprocess.Popen[str]:
        (tmp_path / name).mkdir()
        machine = Machine(tmp_path / name)
        machine.variables["DATABASE_URL"] = migrated_database
        machine.variables["ATTUNE__HEARTBEAT__INTERVAL"] = "60s"  # news come at once, whatever the interval
        for one, prints in commands.items():
            machine.command(one, prints)
        running.append(machine.start("worker", "start", "--name", name, **variables))
        wait_for(lambda: status(migrated_database).get(name) == "active")
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.wait()


async def check(api: Api, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    answer = await api.http.post("/api/runtimes/check", json=body, headers=api.as_(Scope.ADMIN), timeout=60)
    return answer.status_code, answer.json()


async def preview(api: Api, body: dict[str, Any]) -> dict[str, Any]:
    answer = await api.http.post("/api/runtimes/preview", json=body, headers=api.as_(Scope.ADMIN), timeout=60)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_node_checks_a_definition_that_nobody_has_saved(start: Start, migrated_database: str) -> None:
    start("w1", {"ruby": "ruby 3.3.1 (2024-04-23)", "python3": "Python 3.11.7"})
    before = rows(migrated_database, "SELECT runtime_ref, status FROM worker_runtime ORDER BY 1")

    async def ask(api: Api) -> None:
        code, said = await check(api, {"worker": "w1", "definition": RUBY})
        verdict = said.get("verdict") or said

        assert code == 200
        assert (verdict["status"], verdict["version"], verdict["name"]) == ("available", "3.3.1", "ruby")
        assert verdict["evidence"]["command"] == ["ruby", "--version"]
        assert "2024-04-23" in verdict["evidence"]["output"]
        number = said["node"]
        answers = await asyncio.gather(
            *(check(api, {"worker": number, "definition": {**RUBY, "ref": f"core.r{n}"}}) for n in range(10)),
            check(api, {"worker": number, "ref": "core.python"}),
            check(api, {"worker": number, "ref": "core.nodejs"}),
        )
        assert [code for code, _ in answers] == [200] * 12
        assert [said["verdict"]["ref"] for _, said in answers[:10]] == [f"core.r{n}" for n in range(10)]
        assert [said["verdict"]["status"] for _, said in answers[10:]] == ["available", "unavailable"]

    with_api(migrated_database, ask)
    assert rows(migrated_database, "SELECT runtime_ref, status FROM worker_runtime ORDER BY 1") == before


def test_the_limits_of_a_host_hold_for_dry_runs(start: Start, migrated_database: str) -> None:
    start("w1", {"ruby": "ruby 3.3.1"}, ATTUNE__HOST__ALLOWED_BINARIES='["python3"]')

    async def ask(api: Api) -> None:
        code, said = await check(api, {"worker": "w1", "definition": RUBY})

        assert (code, said["verdict"]["status"]) == (200, "unavailable")
        assert "allowed" in said["verdict"]["reason"]

    with_api(migrated_database, ask)


def test_a_busy_health_round_does_not_hold_a_dry_run_up(start: Start, migrated_database: str, tmp_path: Path) -> None:
    with psycopg.connect(migrated_database, autocommit=True) as connection:
        connection.execute(
            """
            INSERT INTO runtime (ref, pack_ref, name, distributions) VALUES ('core.slow', 'core', 'Slow',
            '{"verification": {"commands": [{"binary": "slow", "timeout_seconds": 100}]}}')
            """
        )
    slow = {"ATTUNE__HEALTH__INTERVAL": "1s", "ATTUNE__HEALTH__FULL_INTERVAL": "1s"}
    start("w1", {"ruby": "ruby 3.3.1", "slow": "slow 1.0"}, **slow)
    hanging = tmp_path / "w1/bin/slow"
    nap = f"until [ -e {tmp_path}/over ]; do {shutil.which('sleep')} 0.05; done"
    hanging.write_text(f"#!/bin/sh\n: > {tmp_path}/began\n{nap}\n: > {tmp_path}/ended\n")
    wait_for((tmp_path / "began").exists)

    async def ask(api: Api) -> None:
        code, said = await check(api, {"worker": "w1", "definition": RUBY})

        assert (code, said["verdict"]["status"]) == (200, "available")
        assert not (tmp_path / "ended").exists()

    try:
        with_api(migrated_database, ask)
    finally:
        (tmp_path / "over").touch()


def test_whoever_asks_a_node_that_cannot_answer_is_told_in_time(start: Start, migrated_database: str) -> None:
    start("w1", {}).kill()

    async def ask(api: Api) -> None:
        began = time.monotonic()
        code, said = await check(api, {"worker": "w1", "definition": RUBY, "timeout_seconds": 1})
        assert (code, "within 1 s" in said["detail"]) == (504, True)
        assert time.monotonic() - began > 0.9
        async with api.pool.connection() as connection:
            await connection.execute("UPDATE worker SET status = 'lost'")
        code, said = await check(api, {"worker": "w1", "definition": RUBY})
        assert (code, "which does not" in said["detail"]) == (504, True)
        assert (await check(api, {"worker": "w2", "definition": RUBY}))[0] == 404
        assert (await check(api, {"worker": "w1", "ref": "core.ruby"}))[0] == 404

    with_api(migrated_database, ask)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"worker": 0, "ref": "core.python"}, "worker"),
        ({"worker": True, "ref": "core.python"}, "worker"),
        ({"ref": "core.python"}, "worker"),
        ({"worker": 1}, "body"),
        ({"worker": 1, "ref": "core.python", "definition": RUBY}, "body"),
        ({"worker": 1, "ref": "core.python", "timeout_seconds": 1e9}, "timeout_seconds"),
        ({"worker": 1, "definition": {**RUBY, "distributions": {"verification": {"commands": 1}}}}, "verification"),
    ],
)
def test_a_faulty_question_is_refused(migrated_database: str, body: dict[str, Any], field: str) -> None:
    async def ask(api: Api) -> None:
        code, said = await check(api, body)

        assert code == 422, said
        assert any(field in one["field"] for one in said["errors"]), said

    with_api(migrated_database, ask)


def test_a_preview_tells_who_would_gain_and_who_would_lose(start: Start, migrated_database: str) -> None:
    start("new", {"ruby": "ruby 3.3.1", "python3": "Python 3.12.1"})
    start("old", {"python3": "Python 3.9.2"})
    dead = start("dead", {"python3": "Python 3.9.2"})
    start("told", {}, ATTUNE_WORKER_RUNTIMES="python")
    dead.kill()

    async def ask(api: Api) -> None:
        ruby = await preview(api, {"definition": RUBY, "timeout_seconds": 3})
        effects = {one["node_name"]: one["effect"] for one in ruby["nodes"]}
        assert effects == {"new": "gains", "old": "lacks", "dead": "silent", "told": "lacks"}
        assert (ruby["counts"]["gains"], ruby["live"], ruby["name_before"]) == (1, 4, None)

        stored = (await api.http.get("/api/runtimes/core.python", headers=api.as_(Scope.READ))).json()
        commands = stored["distributions"]["verification"]["commands"]
        stricter = {
            "ref": "core.python",
            "name": "Python",
            "distributions": {"verification": {"commands": commands}, "min_version": "3.10"},
        }
        python = await preview(api, {"definition": stricter, "timeout_seconds": 3})
        effects = {one["node_name"]: one["effect"] for one in python["nodes"]}
        assert effects == {"new": "keeps", "old": "loses", "dead": "silent", "told": "declared"}
        lost = next(one for one in python["nodes"] if one["node_name"] == "old")
        assert lost["before"] == {"status": "available", "version": "3.9.2"}
        assert "3.10" in lost["after"]["reason"]

        one = await preview(api, {"ref": "core.python", "nodes": [lost["node"]]})
        assert [(one["node_name"], one["effect"]) for one in one["nodes"]] == [("old", "keeps")]
        unknown = {"ref": "core.python", "nodes": [424242]}
        answer = await api.http.post("/api/runtimes/preview", json=unknown, headers=api.as_(Scope.ADMIN))
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "nodes")

    with_api(migrated_database, ask)
