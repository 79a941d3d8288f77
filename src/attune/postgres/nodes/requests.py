"""The table `node_request`: what is asked of nodes, and what they answer. Requests end by the database's clock."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from psycopg.types.json import Jsonb

from attune.core.nodes.requests import NodeRequest
from attune.postgres.nodes.capabilities import storable_json
from attune.postgres.rows import PostgresStore, execute, read_all, read_pairs

_MOST = 20  # requests that a node looks at in one go


class PostgresNodeRequests(PostgresStore):
    """`NodeRequests` on PostgreSQL."""

    async def ask(
        self, nodes: Sequence[int], kind: str, body: Mapping[str, Any], *, asked_by: str, lasts: float
    ) -> Mapping[int, int]:
        query = """
            WITH old AS (DELETE FROM node_request WHERE expires < now() - interval '1 hour')
            INSERT INTO node_request (worker, kind, body, asked_by, expires)
            SELECT id, %s, %s, %s, now() + %s * interval '1 second' FROM worker WHERE id = ANY(%s)
            RETURNING id, worker
        """
        return await read_pairs(self._pool, query, (kind, Jsonb(dict(body)), asked_by, lasts, list(nodes)))

    async def answers(self, requests: Collection[int]) -> Mapping[int, Mapping[str, Any]]:
        query = """
            SELECT id, answer FROM node_request
            WHERE id = ANY(%s) AND answered_at IS NOT NULL AND jsonb_typeof(answer) = 'object'
        """
        return await read_pairs(self._pool, query, (list(requests),))

    async def open(self, node_id: int, known: Collection[int] = ()) -> Sequence[NodeRequest]:
        query = """
            SELECT id, kind, body, extract(epoch FROM expires - now())::float8 AS seconds_left FROM node_request
            WHERE worker = %s AND answered_at IS NULL AND expires > now() AND NOT id = ANY(%s) ORDER BY id LIMIT %s
        """
        return await read_all(self._pool, NodeRequest, query, (node_id, list(known), _MOST))

    async def answer(self, request: int, answer: Mapping[str, Any]) -> bool:
        query = """
            UPDATE node_request SET answer = %s, answered_at = now()
            WHERE id = %s AND answered_at IS NULL AND expires > now()
        """
        return bool(await execute(self._pool, query, (Jsonb(storable_json(answer)), request)))
