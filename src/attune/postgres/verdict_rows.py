"""Verdicts and evidence as the tables hold them."""

from __future__ import annotations

from typing import Any

from attune.core.verdict import Evidence, Verdict


def row_of(verdict: Verdict) -> dict[str, Any]:
    """The row of `worker_runtime` as an object. `age` is that of what was remembered, in seconds."""
    evidence = verdict.evidence
    return {
        "runtime_ref": verdict.ref,
        "name": verdict.capability,
        "status": verdict.status.value,
        "version": storable(verdict.version),
        "path": storable(verdict.path),
        "instances": [
            {"version": storable(one.version), "path": storable(one.path), "real_path": storable(one.real_path)}
            for one in verdict.instances
        ],
        "reason": storable(verdict.reason),
        "evidence": evidence_object(evidence),
        "age": (evidence.cached_age if evidence else None) or 0.0,
        "offered": verdict.status.offered,
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


def storable(text: str | None) -> str | None:
    """*text* without what PostgreSQL cannot hold: NUL, and the surrogates of undecodable file names."""
    if text is None:
        return None
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
