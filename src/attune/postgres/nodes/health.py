"""What health checks write: verdicts that were looked at again, transitions, and the capabilities if they changed.

Ages come from the node and times from the database, so a host whose clock is wrong tells the right ones.
"""

from __future__ import annotations

from typing import Any

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from attune.core.matching.registered import registered_node
from attune.core.nodes.capabilities import stored_capabilities
from attune.core.ports.nodes import HealthReport
from attune.postgres.nodes.capabilities import storable, write_capabilities
from attune.postgres.nodes.worker_runtimes import evidence_object, row_of, write_rows

CHANNEL = "attune_transition"
"""Where transitions are announced, as JSON: `id`, `worker`, `worker_name`, `runtime`, `name`, `from`, `to`."""


async def write_health(connection: AsyncConnection[Any], node_id: int, report: HealthReport) -> bool:
    """Write *report* in the transaction of *connection*; False, and nothing is written, if the node has no row."""
    cursor = await connection.execute("SELECT FROM worker WHERE id = %s FOR NO KEY UPDATE", (node_id,))
    if cursor.rowcount != 1:
        return False
    if report.offer is not None:
        await connection.execute(
            "UPDATE worker SET capabilities = %(new)s WHERE id = %(id)s AND capabilities IS DISTINCT FROM %(new)s",
            {"new": Jsonb(stored_capabilities(report.offer)), "id": node_id},
        )
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
        row = row_of(checked.verdict)
        row["age"] += report.now - checked.at
        since = changed.get(checked.verdict.ref, checked.at)
        rows.append({**row, "failures": checked.failures, "since_age": report.now - since})
    await write_rows(connection, node_id, rows, "excluded.failures")


async def _write_transitions(connection: AsyncConnection[Any], node_id: int, report: HealthReport) -> None:
    rows = [
        {
            "runtime_ref": transition.runtime_ref,
            "name": transition.name,
            "from_status": transition.from_status.value,
            "to_status": transition.to_status.value,
            "reason": storable(transition.reason),
            "evidence": evidence_object(transition.evidence),
            "age": report.now - transition.at,
        }
        for transition in report.transitions
    ]
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
    await connection.execute(query, {"id": node_id, "rows": Jsonb(rows), "channel": CHANNEL})
