"""The table `worker_runtime`: what a node found out about each definition, with its evidence, and what changed since.

Ages come from the node and times from the database, so a host whose clock is wrong tells the right ones.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from attune.core.matching.registered import registered_node
from attune.core.nodes.capabilities import stored_capabilities
from attune.core.nodes.health import registered_anew
from attune.core.ports.nodes import HealthReport
from attune.core.runtimes.verdict import Evidence, Status, Verdict, evidence_data, verdict_data
from attune.postgres.nodes.capabilities import storable_json, write_capabilities
from attune.postgres.rows import read_pairs

CHANNEL = "attune_transition"
"""Where transitions are announced, as JSON: `id`, `worker`, `worker_name`, `runtime`, `name`, `from`, `to`."""


async def write_runtimes(connection: AsyncConnection[Any], node_id: int, verdicts: Sequence[Verdict]) -> None:
    """Write *verdicts* in place of what is known, and what changes by that of what is offered.

    One that is `unknown` keeps what was found the last time.
    """
    rows = [
        {**_row_of(verdict), "since_age": 0.0, "failures": 0 if verdict.status.offered else 1} for verdict in verdicts
    ]
    query = "SELECT runtime_ref, (name, status) FROM worker_runtime WHERE worker = %s"
    known = await read_pairs(connection, query, (node_id,))
    before = {ref: (name, Status(status)) for ref, (name, status) in known.items()}
    if changes := registered_anew(before, verdicts):
        await _write_transitions(connection, node_id, HealthReport(0.0, transitions=changes))
    query = "DELETE FROM worker_runtime WHERE worker = %s AND NOT runtime_ref = ANY(%s)"
    await connection.execute(query, (node_id, [row["runtime_ref"] for row in rows]))
    await _write_rows(connection, node_id, rows, "CASE excluded.failures WHEN 0 THEN 0 ELSE old.failures + 1 END")


async def write_health(
    connection: AsyncConnection[Any], node_id: int, report: HealthReport, epoch: int | None = None
) -> bool:
    """Write *report* in the transaction of *connection*; False, and nothing is written, once lease *epoch* is over."""
    query = "SELECT FROM worker WHERE id = %s AND epoch = coalesce(%s, epoch) FOR NO KEY UPDATE"
    cursor = await connection.execute(query, (node_id, epoch))
    if cursor.rowcount != 1:
        return False
    if report.offer is not None:
        query = "UPDATE worker SET capabilities = %(new)s WHERE id = %(id)s AND capabilities IS DISTINCT FROM %(new)s"
        await connection.execute(query, {"new": Jsonb(stored_capabilities(report.offer)), "id": node_id})
        await write_capabilities(connection, node_id, registered_node(node_id, report.offer))
    if report.checked:
        await _write_checked(connection, node_id, report)
    if report.transitions:
        await _write_transitions(connection, node_id, report)
    return True


async def _write_checked(connection: AsyncConnection[Any], node_id: int, report: HealthReport) -> None:
    changed = {transition.runtime_ref: transition.at for transition in report.transitions}
    rows = []
    for checked in report.checked:
        row = _row_of(checked.verdict)
        row["age"] += report.now - checked.at
        since = changed.get(checked.verdict.ref, checked.at)
        rows.append({**row, "failures": checked.failures, "since_age": report.now - since})
    await _write_rows(connection, node_id, rows, "excluded.failures")


async def _write_transitions(connection: AsyncConnection[Any], node_id: int, report: HealthReport) -> None:
    rows: list[dict[str, Any]] = [
        {
            "runtime_ref": transition.runtime_ref,
            "name": transition.name,
            "from_status": transition.from_status.value,
            "to_status": transition.to_status.value,
            "reason": transition.reason,
            "evidence": _evidence(transition.evidence),
            "age": report.now - transition.at,
        }
        for transition in report.transitions
    ]
    await _tell_transitions(connection, node_id, rows)


async def write_place_transition(
    connection: AsyncConnection[Any], node_id: int, before: str, now: str, reason: str
) -> None:
    """Write that the place of the node, of no runtime, has become unfit or fit again; statuses are the node's."""
    row = {"runtime_ref": "", "name": "place", "from_status": before, "to_status": now, "reason": reason, "age": 0.0}
    await _tell_transitions(connection, node_id, [row])


async def _tell_transitions(connection: AsyncConnection[Any], node_id: int, rows: Sequence[Mapping[str, Any]]) -> None:
    # A notification holds less than 8,000 bytes, so names are cut; of two equal ones PostgreSQL sends one, so each
    # has its id.
    query = """
        WITH told AS (
            INSERT INTO runtime_transition (worker, runtime_ref, name, from_status, to_status, reason, evidence, at)
            SELECT %(id)s, new.runtime_ref, new.name, new.from_status, new.to_status, new.reason, new.evidence,
                   now() - new.age * interval '1 second'
            FROM jsonb_to_recordset(%(rows)s) AS new(runtime_ref text, name text, from_status text, to_status text,
                                                     reason text, evidence jsonb, age float8)
            RETURNING id, runtime_ref, name, from_status, to_status
        )
        SELECT pg_notify(%(channel)s, jsonb_build_object(
            'id', told.id, 'worker', worker.id, 'worker_name', left(worker.name, 300),
            'runtime', left(told.runtime_ref, 300), 'name', left(told.name, 300),
            'from', told.from_status, 'to', told.to_status)::text)
        FROM told, worker WHERE worker.id = %(id)s
    """
    await connection.execute(query, {"id": node_id, "rows": Jsonb(storable_json(list(rows))), "channel": CHANNEL})


async def _write_rows(
    connection: AsyncConnection[Any], node_id: int, rows: Sequence[Mapping[str, Any]], failures: str
) -> None:
    """Insert or update *rows*: of `_row_of` with `since_age` and `failures`. *failures*, SQL, is the new count."""
    query = f"""
        INSERT INTO worker_runtime AS old (worker, runtime_ref, name, status, version, path, instances, reason,
                                           evidence, checked_at, since, failures, lost_at)
        SELECT %s, new.runtime_ref, new.name, new.status, new.version, new.path, new.instances, new.reason,
               new.evidence, now() - new.age * interval '1 second', now() - new.since_age * interval '1 second',
               new.failures, CASE WHEN new.kept THEN now() END
        FROM jsonb_to_recordset(%s) AS new(runtime_ref text, name text, status text, version text, path text,
                                           instances jsonb, reason text, evidence jsonb, age float8,
                                           since_age float8, failures int, kept boolean)
        ON CONFLICT (worker, runtime_ref) DO UPDATE SET
            name = excluded.name, status = excluded.status, reason = excluded.reason, evidence = excluded.evidence,
            version = CASE excluded.status WHEN 'unknown' THEN old.version ELSE excluded.version END,
            path = CASE excluded.status WHEN 'unknown' THEN old.path ELSE excluded.path END,
            instances = CASE excluded.status WHEN 'unknown' THEN old.instances ELSE excluded.instances END,
            checked_at = excluded.checked_at, failures = {failures},
            since = CASE WHEN old.status = excluded.status THEN old.since ELSE excluded.since END,
            lost_at = CASE
                WHEN excluded.status IN ('available', 'declared', 'assumed') AND excluded.lost_at IS NULL THEN NULL
                WHEN old.status IN ('available', 'declared', 'assumed') THEN coalesce(old.lost_at, now())
                ELSE coalesce(old.lost_at, excluded.lost_at) END
    """
    await connection.execute(query.encode(), (node_id, Jsonb(storable_json(rows))))


def _row_of(verdict: Verdict) -> dict[str, Any]:
    """The row of a verdict as an object, and more. `age` is that of what was remembered, in seconds."""
    evidence = verdict.evidence
    age = (evidence.cached_age if evidence else None) or 0.0
    own = {"runtime_ref": verdict.ref, "evidence": _evidence(evidence), "age": age, "kept": bool(verdict.kept)}
    return {**verdict_data(verdict), **own}


def _evidence(evidence: Evidence | None) -> dict[str, Any] | None:
    """Column `evidence` as an object, which has no times by the host's clock."""
    told = evidence_data(evidence) or {}
    return {name: value for name, value in told.items() if name not in ("at", "cached_age_seconds")} or None
