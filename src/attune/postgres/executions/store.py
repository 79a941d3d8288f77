"""The table `execution`, written: asked for, started, ended, cancelled. Who takes what is `routing.py`.

Every write of an attempt names its number: one that was given to another can no longer change anything.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, TypeVar

from psycopg import AsyncConnection

from attune.core.access.secrets import encrypted, to_encrypt
from attune.core.errors import DatabaseError
from attune.core.ports.access import SecretCipher
from attune.core.ports.executions import NewExecution
from attune.core.ports.worker import AttemptResult, AttemptStart, OutputChunk, StartedAttempt
from attune.postgres.connection import session, translated
from attune.postgres.events.dead_letters import store_each
from attune.postgres.executions.actions import COLUMNS, KEEP_VERSIONS, action_of, versions_of
from attune.postgres.executions.pauses import PAUSE_ACTION, PAUSE_FLEET
from attune.postgres.executions.withdrawal import cancelling
from attune.postgres.rows import (
    PostgresStore,
    Source,
    execute,
    read_all,
    read_pairs,
    read_value,
    read_values,
    transaction,
)
from attune.queue import jobs

R = TypeVar("R", AttemptResult, OutputChunk)
Write = Callable[[Source, Sequence[R]], Awaitable[list[int]]]
_AS_ASKED = ("extra", "policy", "wait_seconds", "timeout_seconds", "retry_of", "delay_seconds")
_ASIDE = "its result was set aside, see `attune dead-letter list`"
PRINTED = "attune_output"

_SUBMIT = f"""
    WITH given AS (
        SELECT coalesce(g.given_id, nextval(pg_get_serial_sequence('execution', 'id'))) AS id, g.*
        FROM ROWS FROM (jsonb_to_recordset(%(rows)s::jsonb) AS (action bigint, action_ref text, parameters jsonb,
            given_id bigint, sealed jsonb, given_priority smallint, version text,
            requirement text, queue text, extra jsonb, policy text, wait_seconds float8, timeout_seconds float8,
            retries integer, retry_delay float8, on_lost text, digest text, retry_of bigint, parent bigint,
            not_before timestamptz, delay_seconds float8))
            WITH ORDINALITY AS g
    ), live AS (
        SELECT queue, is_live(one.queue) AS live FROM (SELECT DISTINCT queue FROM given) AS one
    ), routed AS (
        SELECT g.*, l.live, priority_of(g.given_priority, a.priority, false) AS priority, a.id AS existing,
            row_number() OVER (PARTITION BY l.live ORDER BY g.ordinality) AS turn, l.due
        FROM given AS g LEFT JOIN action AS a ON a.id = g.action JOIN live ON live.queue = g.queue CROSS JOIN LATERAL (
            SELECT due, live.live AND a.concurrency IS NULL AND a.paused_at IS NULL AND due <= now() AS live FROM (
                SELECT coalesce(g.not_before, now() + g.delay_seconds * interval '1 second', now())) AS d (due)) AS l
    ), jobs AS (
        {jobs.put("routed WHERE live")}
    ), versions AS (
        {KEEP_VERSIONS}
    )
    INSERT INTO execution (id, action, action_ref, config, requirement, queue, extra_requires, policy, deadline,
        timeout_seconds, retries, retry_delay_seconds, on_lost, pack_digest, retry_of, parent, status, job, sealed,
        priority, given_priority, action_version, not_before)
    SELECT r.id, r.existing, r.action_ref, r.parameters, r.requirement,
        r.queue, r.extra, r.policy, greatest(now(), r.due) + r.wait_seconds * interval '1 second',
        r.timeout_seconds, r.retries, r.retry_delay, r.on_lost, r.digest, r.retry_of, r.parent,
        CASE WHEN r.live THEN 'scheduled' WHEN r.due > now() THEN 'scheduling' ELSE 'requested'
            END::execution_status_enum, jobs.job, r.sealed, r.priority, r.given_priority, r.version,
        CASE WHEN r.due > now() THEN r.due END
    FROM routed AS r LEFT JOIN jobs ON r.live AND jobs.turn = r.turn ORDER BY r.ordinality
    RETURNING id
"""
_START = f"""
    SELECT s.id AS execution, s.attempt, s.config AS parameters, s.sealed, s.failures, s.losses, s.not_started,
           s.timeout_seconds, s.pack_digest,
           coalesce(v.content, to_jsonb(a)) AS action
    FROM begin_executions(%(rows)s::jsonb, %(worker)s, %(running)s, %(lease)s) AS s
    LEFT JOIN action_version AS v ON v.digest = s.action_version
    LEFT JOIN LATERAL (SELECT {COLUMNS} FROM action AS a WHERE a.id = s.action AND v.digest IS NULL) AS a ON true
"""
_SETTLE = """
    WITH given AS (
        SELECT * FROM jsonb_to_recordset(%(rows)s::jsonb) AS g (execution bigint, attempt integer, status text,
            reason text, result jsonb, exit_code integer, dropped_bytes bigint, delay_seconds float8, failed boolean,
            lost boolean, not_started boolean)
    ), settled AS (
        UPDATE execution AS e SET
            status = CASE WHEN e.status = 'canceling' AND g.status IN ('scheduling', 'requested') THEN 'cancelled'
                ELSE g.status END::execution_status_enum,
            reason = nullif(left(g.reason, 4000), ''), result = g.result, exit_code = g.exit_code,
            dropped_bytes = g.dropped_bytes,
            failures = e.failures + g.failed::int, losses = e.losses + g.lost::int,
            not_started = e.not_started + g.not_started::int,
            not_before = CASE WHEN g.status = 'scheduling' THEN now() + g.delay_seconds * interval '1 second' END,
            finished_at = CASE WHEN g.status = 'scheduling' AND e.status <> 'canceling' THEN NULL ELSE now() END
        FROM given AS g WHERE e.id = g.execution AND e.attempt = g.attempt AND e.status IN ('running', 'canceling')
        RETURNING e.id
    ), place AS (
        UPDATE worker_load SET running = %(running)s WHERE worker = %(worker)s AND running <> %(running)s
    )
    SELECT id FROM settled
"""
_PRINT = f"""
    WITH given AS (
        SELECT g.* FROM jsonb_to_recordset(%(rows)s::jsonb)
            AS g (execution bigint, attempt integer, number integer, stream text, text text)
        JOIN execution AS x ON x.id = g.execution AND x.attempt = g.attempt
            AND x.status IN ('running', 'canceling')
    ), stored AS (
        INSERT INTO execution_output (execution, attempt, number, stream, text)
        SELECT execution, attempt, number, stream, text FROM given ON CONFLICT DO NOTHING
    )
    SELECT id, pg_notify('{PRINTED}', id::text) FROM (SELECT DISTINCT execution AS id FROM given) AS one
"""


_CANCEL = cancelling("SELECT id, job FROM execution WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE")


class PostgresExecutions(PostgresStore):
    """`AttemptStore` and `ExecutionWriter` on PostgreSQL. All its statements are one transaction each."""

    async def submit(self, asked: Sequence[NewExecution]) -> list[int]:
        with translated():
            async with session(self._pool) as connection:
                return await submit(connection, asked, self._cipher)

    async def start(
        self, wanted: Sequence[AttemptStart], *, worker: int, name: str, running: int
    ) -> dict[int, StartedAttempt]:
        rows = [
            {"job": start.job.id, "execution": start.job.execution, "interpreter": start.interpreters}
            for start in wanted
        ]
        parameters = {"rows": json.dumps(rows), "worker": worker, "running": running, "lease": self._lease()}
        return {attempt.execution: attempt for attempt in await read_all(self._pool, _started, _START, parameters)}

    async def settle(
        self, ended: Sequence[AttemptResult], *, worker: int | None = None, running: int = 0, tries: int = 0
    ) -> set[int]:
        async def write(source: Source, results: Sequence[AttemptResult]) -> list[int]:
            rows = json.dumps([asdict(result) for result in results])
            return await read_values(source, _SETTLE, {"rows": rows, "worker": worker, "running": running})

        return await self._written(ended, write, "result", tries)

    async def print(self, chunks: Sequence[OutputChunk], tries: int = 0) -> set[int]:
        async def write(source: Source, chunks: Sequence[OutputChunk]) -> list[int]:
            return await read_values(source, _PRINT, {"rows": json.dumps([asdict(chunk) for chunk in chunks])})

        return await self._written(chunks, write, "output", tries)

    async def _written(self, rows: Sequence[R], write: Write[R], kind: str, tries: int) -> set[int]:
        """Write *rows*; if they are refused, one after the other. The executions that *write* tells of."""
        try:
            stored = {*await write(self._pool, rows)}
            missed = {row.execution: row.attempt for row in rows if not getattr(row, "lost", False)}
            back = await self.resume({one: attempt for one, attempt in missed.items() if one not in stored})
            again: Sequence[R] = [row for row in rows if row.execution in back]
            return stored | {*await write(self._pool, again)} if again else stored
        except DatabaseError as error:
            if not error.may_be_of_a_row(tries):
                raise
        async with transaction(self._pool) as connection:
            done: set[int] = set()

            async def write_one(row: R) -> None:
                done.update(await write(connection, [row]))

            for row, why in await store_each(connection, rows, write_one, kind, lambda row: row.execution, tries):
                done.add(row.execution)
                if isinstance(row, AttemptResult):  # the execution ends all the same
                    await write(connection, [replace(row, result=None, reason=f"{_ASIDE}: {why}")])
        return done

    async def resume(self, attempts: Mapping[int, int]) -> set[int]:
        given = json.dumps([{"execution": execution, "attempt": attempt} for execution, attempt in attempts.items()])
        return {*await read_values(self._pool, "SELECT resume_attempts(%s::jsonb)", (given,))} if attempts else set()

    async def cancel(self, executions: Sequence[int], reason: str | None = None) -> dict[int, str]:
        return await read_pairs(self._pool, _CANCEL, {"ids": list(executions), "reason": reason})

    async def set_paused(self, action_ref: str | None, by: str | None) -> bool:
        parameters = {"by": by and by[:300], "ref": action_ref}
        return bool(await execute(self._pool, PAUSE_FLEET if action_ref is None else PAUSE_ACTION, parameters))

    async def note(self, execution: int, reason: str) -> None:
        await execute(self._pool, "SELECT note_execution(%s, %s)", (execution, reason))

    async def refuse(self, execution: int, status: str, reason: str) -> bool:
        query = """
            UPDATE execution SET status = %(status)s::execution_status_enum, reason = %(reason)s, finished_at = now()
            WHERE id = %(id)s AND status = 'requested'
        """
        return bool(await execute(self._pool, query, {"id": execution, "status": status, "reason": reason}))


async def submit(
    connection: AsyncConnection[Any], executions: Sequence[NewExecution], cipher: SecretCipher
) -> list[int]:
    """`PostgresExecutions.submit` on a connection, and in a transaction, of the caller's."""
    if not executions:
        return []
    given = [execution.with_defaults for execution in executions]
    hidden = [to_encrypt(new.action.secrets, values) for new, values in zip(executions, given, strict=True)]
    numbers: Sequence[int | None] = [None] * len(executions)
    if any(hidden):
        numbers = await new_numbers(connection, len(executions))
    rows: list[dict[str, Any]] = [
        {
            **columns_of(execution),
            "action": execution.action.id,
            "action_ref": execution.action.ref,
            "parameters": {name: value for name, value in values.items() if name not in texts},
            "given_id": number,
            "sealed": encrypted(cipher, texts, number) or None,
            **{name: getattr(execution, name) for name in _AS_ASKED},
            "given_priority": execution.priority,
            "not_before": execution.not_before and execution.not_before.isoformat(),
        }
        for execution, values, texts, number in zip(executions, given, hidden, numbers, strict=True)
    ]
    await know_classes(connection, {row["queue"]: row["class"] for row in rows})
    versions = versions_of(execution.action for execution in executions)
    submitted = sorted(await read_values(connection, _SUBMIT, {"rows": json.dumps(rows), "versions": versions}))
    limited = {row["queue"] for row, execution in zip(rows, executions, strict=True) if execution.action.concurrency}
    if limited:
        await read_value(connection, "SELECT promote_executions(%s, %s)", (sorted(limited), len(rows)))
    return submitted


async def new_numbers(connection: AsyncConnection[Any], count: int) -> list[int]:
    """Numbers for *count* executions that are about to be inserted: what is encrypted is bound to them."""
    query = "SELECT nextval(pg_get_serial_sequence('execution', 'id')) FROM generate_series(1, %s)"
    return sorted(await read_values(connection, query, (count,)))


def columns_of(execution: NewExecution) -> dict[str, Any]:
    """What follows from the action of *execution* and what it requires. Raises `RequirementError`."""
    work, action = execution.work_class, execution.action
    return {
        "requirement": str(work.requirement),
        "class": str(work),
        "queue": work.queue,
        "retries": action.retries,
        "retry_delay": action.retry_delay_seconds,
        "on_lost": action.on_lost.value,
        "digest": action.pack_digest,
        "version": action.version,
        "priority": action.priority,
    }


async def know_classes(connection: AsyncConnection[Any], classes: Mapping[str, str]) -> None:
    """Have a row for each of *classes*, requirements by queue. Who reads them hears of new ones."""
    query = """
        INSERT INTO requirement_class (queue, requirement)
        SELECT g.queue, g.requirement
        FROM unnest(%(queues)s::text[], %(requirements)s::text[]) AS g (queue, requirement)
        WHERE NOT EXISTS (SELECT FROM requirement_class AS c WHERE c.queue = g.queue) ORDER BY 1
        ON CONFLICT DO NOTHING
    """
    await connection.execute(query, {"queues": list(classes), "requirements": list(classes.values())})


def _started(
    *,
    action: Mapping[str, Any],
    parameters: Mapping[str, Any] | None,
    sealed: Mapping[str, str] | None,
    pack_digest: str | None,
    timeout_seconds: float | None,
    **columns: Any,
) -> StartedAttempt:
    loaded = action_of({**action, "pack_digest": pack_digest or action["pack_digest"]})
    columns["timeout_seconds"] = timeout_seconds or loaded.timeout_seconds
    return StartedAttempt(**columns, action=loaded, parameters=parameters or {}, sealed=sealed or {})
