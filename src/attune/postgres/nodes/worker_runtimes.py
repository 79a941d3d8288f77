"""The table `worker_runtime`: what a node found out about each definition, with its evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from attune.core.runtimes.verdict import Evidence, Verdict
from attune.postgres.nodes.capabilities import storable


async def write_runtimes(connection: AsyncConnection[Any], node_id: int, verdicts: Sequence[Verdict]) -> None:
    """Write *verdicts* in place of what is known. One that is `unknown` keeps what was found the last time."""
    rows = [
        {**row_of(verdict), "since_age": 0.0, "failures": 0 if verdict.status.offered else 1} for verdict in verdicts
    ]
    await connection.execute(
        "DELETE FROM worker_runtime WHERE worker = %s AND NOT runtime_ref = ANY(%s)",
        (node_id, [row["runtime_ref"] for row in rows]),
    )
    await write_rows(connection, node_id, rows, "CASE excluded.failures WHEN 0 THEN 0 ELSE old.failures + 1 END")


async def write_rows(
    connection: AsyncConnection[Any], node_id: int, rows: Sequence[Mapping[str, Any]], failures: str
) -> None:
    """Insert or update *rows*: those of `row_of` with `since_age` and `failures`. *failures*, SQL, is the new count."""
    await connection.execute(
        f"""
        INSERT INTO worker_runtime AS old (worker, runtime_ref, name, status, version, path, instances, reason,
                                           evidence, checked_at, since, failures)
        SELECT %s, new.runtime_ref, new.name, new.status, new.version, new.path, new.instances, new.reason,
               new.evidence, now() - new.age * interval '1 second', now() - new.since_age * interval '1 second',
               new.failures
        FROM jsonb_to_recordset(%s) AS new(runtime_ref text, name text, status text, version text, path text,
                                           instances jsonb, reason text, evidence jsonb, age float8,
                                           since_age float8, failures int)
        ON CONFLICT (worker, runtime_ref) DO UPDATE SET
            name = excluded.name, status = excluded.status, reason = excluded.reason, evidence = excluded.evidence,
            version = CASE excluded.status WHEN 'unknown' THEN old.version ELSE excluded.version END,
            path = CASE excluded.status WHEN 'unknown' THEN old.path ELSE excluded.path END,
            instances = CASE excluded.status WHEN 'unknown' THEN old.instances ELSE excluded.instances END,
            checked_at = excluded.checked_at, failures = {failures},
            since = CASE WHEN old.status = excluded.status THEN old.since ELSE excluded.since END
        """.encode(),
        (node_id, Jsonb(rows)),
    )


def row_of(verdict: Verdict) -> dict[str, Any]:
    """The row of a verdict as an object. `age` is that of what was remembered, in seconds."""
    evidence = verdict.evidence
    return {
        "runtime_ref": verdict.ref,
        "name": verdict.capability,
        "status": verdict.status.value,
        "version": _text(verdict.version),
        "path": _text(verdict.path),
        "instances": [
            {"version": _text(instance.version), "path": _text(instance.path), "real_path": _text(instance.real_path)}
            for instance in verdict.instances
        ],
        "reason": storable(verdict.reason),
        "evidence": evidence_object(evidence),
        "age": (evidence.cached_age if evidence else None) or 0.0,
    }


def evidence_object(evidence: Evidence | None) -> dict[str, Any] | None:
    """Column `evidence` as an object."""
    if evidence is None:
        return None
    return {
        "command": [storable(word) for word in evidence.command],
        "exit_code": evidence.exit_code,
        "output": storable(evidence.output),
        "duration_ms": round(evidence.duration_ms, 3),
        "cached": evidence.cached_age is not None,
    }


def _text(text: str | None) -> str | None:
    return None if text is None else storable(text)
