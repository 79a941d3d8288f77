"""The table `execution`, read: one, some, what they printed, and how many there are of each status."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from attune.core.access.secrets import decrypted
from attune.core.executions.timeline import TimelineEntry
from attune.core.ports.executions import AskedExecution, ExecutionFilter, ExecutionRecord, Pause, StoredOutput
from attune.postgres.executions.pauses import PAUSES
from attune.postgres.rows import PostgresStore, read_all, read_one, read_values

# What the schema of the action marks secret is never read.
_RECORD = """
    SELECT e.id, e.action_ref, e.status::text,
           CASE WHEN jsonb_typeof(e.config) = 'object' THEN e.config || coalesce((
               SELECT jsonb_object_agg(p.key, '***') FROM jsonb_each(CASE jsonb_typeof(a.param_schema -> 'properties')
                   WHEN 'object' THEN a.param_schema -> 'properties' END) AS p
               WHERE p.value -> 'secret' = 'true' AND e.config ? p.key), '{}') || coalesce((
               SELECT jsonb_object_agg(sealed.key, '***') FROM jsonb_object_keys(e.sealed) AS sealed (key)), '{}')
           ELSE e.config END AS parameters,
           e.requirement, e.policy, e.deadline, e.attempt, e.failures, e.losses, e.retries, e.worker,
           coalesce(w.name, e.worker_name) AS worker_name, e.interpreter, e.pack_digest, e.exit_code, e.reason,
           e.result,
           coalesce(e.timeout_seconds, (v.content ->> 'timeout_seconds')::float8,
               CASE WHEN v.digest IS NULL THEN a.timeout_seconds END) AS timeout_seconds, e.dropped_bytes, e.retry_of,
           e.priority, e.not_before, held_back(e) AS held_back,
           f.rule_ref, e.created, e.updated, e.started_at, e.finished_at,
           extract(epoch FROM coalesce(e.started_at, e.finished_at, now()) - e.created)::float8 AS waited,
           extract(epoch FROM coalesce(e.finished_at, now()) - e.started_at)::float8 AS ran,
           CASE WHEN %(id)s::bigint IS NOT NULL THEN e.timeline END AS timeline,
           CASE WHEN %(id)s::bigint IS NOT NULL AND v.digest IS NOT NULL THEN (
               SELECT format('version %%s of %%s', count(*) FILTER (WHERE NOT k.newer), v.action_ref)
                   || CASE WHEN bool_or(k.newer) THEN format(', %%s newer', count(*) FILTER (WHERE k.newer)) ELSE '' END
               FROM (SELECT (o.created, o.digest) > (v.created, v.digest) AS newer FROM action_version AS o
                   WHERE o.action_ref = v.action_ref) AS k) END AS version
    FROM execution AS e LEFT JOIN action AS a ON a.id = e.action LEFT JOIN worker AS w ON w.id = e.worker
    LEFT JOIN action_version AS v ON v.digest = e.action_version LEFT JOIN enforcement AS f ON f.id = e.enforcement
"""
_WANTED = """
    WHERE (%(before)s::bigint IS NULL OR e.id < %(before)s)
      AND (%(status)s::text IS NULL OR e.status::text = %(status)s)
      AND (%(action_ref)s::text IS NULL OR e.action_ref = %(action_ref)s)
      AND (%(worker_name)s::text IS NULL OR e.worker = (
          SELECT id FROM worker WHERE name = %(worker_name)s ORDER BY worker_role::text LIMIT 1))
      AND (%(older_than)s::float8 IS NULL OR e.created < now() - %(older_than)s * interval '1 second')
      AND (NOT %(unfinished)s OR e.policy IS NOT NULL
          AND e.status IN ('requested', 'scheduling', 'scheduled', 'running', 'canceling'))
"""


def _record(*, timeline: Sequence[Mapping[str, Any]] | None, **columns: Any) -> ExecutionRecord:
    return ExecutionRecord(**columns, timeline=tuple(map(TimelineEntry.of, timeline or ())))


class PostgresExecutionPages(PostgresStore):
    """`ExecutionReader` on PostgreSQL."""

    async def get(self, execution: int) -> ExecutionRecord | None:
        return await read_one(self._pool, _record, f"{_RECORD} WHERE e.id = %(id)s", {"id": execution})

    async def list(self, wanted: ExecutionFilter) -> Sequence[ExecutionRecord]:
        query = f"{_RECORD} {_WANTED} ORDER BY e.id DESC LIMIT %(limit)s"
        return await read_all(self._pool, _record, query, {**asdict(wanted), "id": None})

    async def numbers(self, wanted: ExecutionFilter) -> Sequence[int]:
        return await read_values(self._pool, f"SELECT e.id FROM execution AS e {_WANTED} ORDER BY 1", asdict(wanted))

    async def output(self, execution: int, after: tuple[int, int] = (0, 0), limit: int = 500) -> Sequence[StoredOutput]:
        query = """
            SELECT attempt, number, stream, text, created AS at FROM execution_output
            WHERE execution = %s AND (attempt, number) > (%s, %s) ORDER BY attempt, number LIMIT %s
        """
        return await read_all(self._pool, StoredOutput, query, (execution, *after, limit))

    async def pauses(self) -> Sequence[Pause]:
        return await read_all(self._pool, Pause, PAUSES)

    async def last_placeable(self, execution: int) -> tuple[float, str] | None:
        # Of work that was done, only the latest is looked at: it could be the whole table.
        query = """
            WITH own AS (SELECT queue FROM execution WHERE id = %(id)s)
            SELECT extract(epoch FROM now() - could.at)::float8 AS age, could.name FROM (
                SELECT n.last_heartbeat AS at, n.name
                FROM own JOIN worker_class AS c USING (queue) JOIN node AS n ON n.id = c.worker
                UNION ALL
                SELECT e.started_at, e.worker_name FROM (
                    SELECT queue, started_at, worker_name FROM execution ORDER BY id DESC LIMIT 10000) AS e
                JOIN own USING (queue)) AS could
            WHERE could.at IS NOT NULL AND could.name IS NOT NULL ORDER BY could.at DESC LIMIT 1
        """
        return await read_one(self._pool, lambda age, name: (age, name), query, {"id": execution})

    async def asked(self, execution: int) -> AskedExecution | None:
        query = """
            SELECT action_ref, coalesce(extra_requires, '[]') AS extra,
                   CASE jsonb_typeof(config) WHEN 'object' THEN config ELSE '{}' END AS parameters, sealed
            FROM execution WHERE id = %s
        """

        def asked(*, parameters: dict[str, Any], sealed: dict[str, str] | None, **columns: Any) -> AskedExecution:
            opened = decrypted(self._cipher, sealed or {}, execution)
            return AskedExecution(**columns, parameters={**parameters, **opened})

        return await read_one(self._pool, asked, query, (execution,))
