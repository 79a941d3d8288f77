"""Definitions: where is Python, in which versions, and what proves it?"""

from __future__ import annotations

import difflib
import json
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from attune.core.ports.read_models import RuntimeCounts
from attune.core.ports.runtimes import RuntimeChange
from attune.core.runtimes.definition import Definition
from attune.core.runtimes.runtime import Runtime
from attune.operations.runtimes.examine import read_definitions
from attune.web.api.runtimes import etag_of
from attune.web.middleware.problems import existing
from attune.web.services import Given
from attune.web.ui.pages import Visitor, page

router = APIRouter(include_in_schema=False)
_CHANGES = 20
_EDITED = ("name", "description", "pack_ref", "distributions", "installation")


@router.get("/runtimes")
async def list_runtimes_page(request: Request, _who: Visitor, services: Given) -> Response:
    """Every definition, with where it is."""
    runtimes = await services.runtimes.list_runtimes()
    counts = await services.fleet_pages.runtime_counts()
    none = RuntimeCounts()
    rows = [(runtime, counts.get(runtime.ref, none), proofs(runtime)) for runtime in runtimes]
    return page(request, "runtimes.html", rows=rows)


@router.get("/runtimes/{ref}")
async def runtime_page(request: Request, _who: Visitor, services: Given, ref: str) -> Response:
    """One definition: its proof, its versions over the fleet, its history, and a place to change it."""
    runtime = existing(await services.runtimes.get_runtime(ref), f"no definition has the ref {ref!r}")
    history = list(await services.runtimes.runtime_history(ref))[:_CHANGES]
    nodes = [
        node for node in await services.nodes.list_nodes() if node.status in ("active", "busy", "draining", "degraded")
    ]
    body = {name: getattr(runtime, name) for name in _EDITED}
    return page(
        request,
        "runtime.html",
        runtime=runtime,
        proofs=proofs(runtime),
        coverage=(await services.fleet_pages.runtime_counts(ref)).get(ref, RuntimeCounts()),
        history=[(change, diff_of(change)) for change in history],
        body=json.dumps(body, indent=2, ensure_ascii=False, default=str),
        etag=etag_of(runtime),
        nodes=nodes[:100],
    )


def proofs(runtime: Runtime) -> list[str]:
    """What proves the runtime, in words: its commands as a person would type them, or the fault."""
    (read,) = read_definitions([runtime])
    if not isinstance(read, Definition):
        return [f"malformed: {read.reason}"]
    verification = read.verification
    commands = [" ".join(check.argv) for check in verification.checks]
    if verification.always_available:
        return ["always available", *commands]
    return commands or ["no verification command"]


def diff_of(change: RuntimeChange) -> list[tuple[str, str]]:
    """The lines of *change* as a unified diff, each with what it is: plus, minus, place or same."""
    lines = difflib.unified_diff(_text(change.old), _text(change.new), lineterm="", n=2)
    kinds = {"+": "plus", "-": "minus", "@": "place"}
    return [(kinds.get(line[:1], "same"), line) for line in list(lines)[2:400]]


def _text(row: Any) -> list[str]:
    if row is None:
        return []
    kept = {name: row.get(name) for name in _EDITED} if isinstance(row, dict) else row
    return json.dumps(kept, indent=2, ensure_ascii=False, default=str).splitlines()
