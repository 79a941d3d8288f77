"""The stream of changes: nothing missed, nothing twice, ended with its token."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import psycopg

from attune.core.access.tokens import Scope
from registered_nodes import register, verdict
from web_client import Api, with_server


class Reader:
    """The events of one stream, as they come."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines
        self.last_id = ""

    async def event(self, *kinds: str) -> dict[str, Any]:
        """The next event of *kinds*."""
        found: dict[str, str] = {}
        async with asyncio.timeout(100):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if line and name:
                    found[name] = value
                elif "event" in found:
                    self.last_id = found.get("id", self.last_id)
                    if not kinds or found["event"] in kinds:
                        return {"event": found["event"], **json.loads(found["data"])}
                    found = {}
                else:
                    found = {}
        raise AssertionError("the stream ended")


@asynccontextmanager
async def stream(api: Api, last_id: str = "", query: str = "", scope: Scope = Scope.READ) -> AsyncIterator[Reader]:
    headers = {**api.as_(scope), **({"Last-Event-ID": last_id} if last_id else {})}
    async with api.http.stream("GET", f"/api/stream{query}", headers=headers) as answer:
        assert answer.status_code == 200
        reader = Reader(answer.aiter_lines())
        await reader.event("hello")
        yield reader


def test_what_happened_meanwhile_is_told_once_when_a_stream_comes_back(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        async with stream(api) as reader:
            await register(api.pool, "w1", verdict("python", "3.11.7"))
            first = await reader.event("node")
        await register(api.pool, "w2")
        await register(api.pool, "w3")
        async with stream(api, reader.last_id) as reader:
            again = [(await reader.event("node"))["name"] for _ in range(2)]
            await register(api.pool, "w4")
            again.append((await reader.event("node"))["name"])

        assert (first["name"], first["role"], first["status"]) == ("w1", "worker", "active")
        assert again == ["w2", "w3", "w4"]

    with_server(migrated_database, check)


def test_a_change_that_becomes_visible_late_is_told_all_the_same(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        async with (
            stream(api, query="?kinds=runtime") as reader,
            await psycopg.AsyncConnection.connect(migrated_database) as slow,
            await psycopg.AsyncConnection.connect(migrated_database) as quick,
        ):
            await slow.execute("UPDATE runtime SET description = 'slow' WHERE ref = 'core.python'")
            await quick.execute("UPDATE runtime SET description = 'quick' WHERE ref = 'core.shell'")
            await quick.commit()
            await asyncio.sleep(0.2)
            await slow.commit()
            told = {(await reader.event())["ref"] for _ in range(2)}

        assert told == {"core.python", "core.shell"}

    with_server(migrated_database, check)


def test_a_stream_goes_on_when_the_connection_that_listens_was_lost(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        async with stream(api, query="?kinds=node") as reader:
            async with api.pool.connection() as connection:
                lost = await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = 'attune api (listening)' AND datname = current_database()"
                )
                assert lost.rowcount == 1
            await register(api.pool, "w1")

            assert (await reader.event("node"))["name"] == "w1"

    with_server(migrated_database, check)


def test_a_heartbeat_is_no_change(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        worker = await register(api.pool, "w1")
        async with api.pool.connection() as connection:
            before = await (await connection.execute("SELECT count(*) FROM change")).fetchone()
            await connection.execute("UPDATE worker SET last_heartbeat = now() WHERE id = %s", (worker,))
            await connection.execute("UPDATE worker SET status = status WHERE id = %s", (worker,))
            after = await (await connection.execute("SELECT count(*) FROM change")).fetchone()

        assert before == after

    with_server(migrated_database, check)


def test_revoking_a_token_refuses_it_at_once_and_ends_its_streams(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        ids = {one.scope: one.id for one in await api.services.tokens.list_tokens()}
        async with stream(api, scope=Scope.OPERATE) as reader:
            for _ in range(3):
                assert (await api.http.get("/api/me", headers=api.as_(Scope.OPERATE))).status_code == 200
            gone = await api.http.delete(f"/api/tokens/{ids[Scope.OPERATE]}", headers=api.as_(Scope.ADMIN))
            refused = await api.http.get("/api/me", headers=api.as_(Scope.OPERATE))
            try:
                await reader.event("node")
                ended = False
            except (AssertionError, httpx.RemoteProtocolError):
                ended = True

        assert (gone.status_code, refused.status_code, ended) == (204, 401, True)

    with_server(migrated_database, check)


def test_a_stream_that_was_away_too_long_is_told_to_look_anew(migrated_database: str) -> None:
    async def check(api: Api) -> None:
        await register(api.pool, "w1")
        async with stream(api) as reader:
            await register(api.pool, "w2")
            await reader.event("node")
        async with api.pool.connection() as connection:
            await connection.execute("DELETE FROM change")
            await connection.execute("SELECT setval('change_id_seq', 50000)")
        await register(api.pool, "w3")
        async with stream(api, reader.last_id) as reader:
            assert (await reader.event())["event"] == "reset"
            assert (await reader.event())["name"] == "w3"

    with_server(migrated_database, check)
