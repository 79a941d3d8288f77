"""The table `node_request`: what is asked of nodes, and what they answer. Requests end by the database's clock."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from psycopg.types.json import Jsonb

from attune.core.nodes.requests import NodeRequest
from attune.postgres.connection import Pool, translated
from attune.postgres.nodes.capabilities import storable

_MOST = 20  # requests that a node looks at in one go


class PostgresNodeRequests:
    """`NodeRequests` on PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def ask(
        self, nodes: Sequence[int], kind: str, body: Mapping[str, Any], *, asked_by: str, lasts: float
    ) -> Mapping[int, int]:
        rows = await self._rows(
            """
            WITH old AS (DELETE FROM node_request WHERE expires < now() - interval '1 hour')
            INSERT INTO node_request (worker, kind, body, asked_by, expires)
            SELECT id, %s, %s, %s, now() + %s * interval '1 second' FROM worker WHERE id = ANY(%s)
            RETURNING id, worker
            """,
            kind,
            Jsonb(dict(body)),
            asked_by,
            lasts,
            list(nodes),
        )
        return dict(rows)

    async def answers(self, requests: Collection[int]) -> Mapping[int, Mapping[str, Any]]:
        rows = await self._rows(
            "SELECT id, answer FROM node_request WHERE id = ANY(%s) AND answered_at IS NOT NULL", list(requests)
        )
        return {number: answer for number, answer in rows if isinstance(answer, dict)}

    async def open(self, node_id: int, known: Collection[int] = ()) -> Sequence[NodeRequest]:
        rows = await self._rows(
            """
            SELECT id, kind, body, extract(epoch FROM expires - now())::float8 FROM node_request
            WHERE worker = %s AND answered_at IS NULL AND expires > now() AND NOT id = ANY(%s) ORDER BY id LIMIT %s
            """,
            node_id,
            list(known),
            _MOST,
        )
        return [NodeRequest(*row) for row in rows]

    async def answer(self, request: int, answer: Mapping[str, Any]) -> bool:
        query = """
            UPDATE node_request SET answer = %s, answered_at = now()
            WHERE id = %s AND answered_at IS NULL AND expires > now() RETURNING id
        """
        return bool(await self._rows(query, Jsonb(_storable(answer)), request))

    async def _rows(self, query: str, *parameters: Any) -> Sequence[tuple[Any, ...]]:
        with translated():
            async with self._pool.connection() as connection:
                return await (await connection.execute(query.encode(), parameters)).fetchall()


def _storable(value: Any) -> Any:
    """*value* without the characters that PostgreSQL cannot hold, wherever they are."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return {storable(key): _storable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(one) for one in value]
    return value
