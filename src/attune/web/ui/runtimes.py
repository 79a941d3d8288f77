"""Definitions: where is Python, in which versions, and what proves it?"""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from attune.core.ports.read_models import RuntimeCounts
from attune.core.ports.runtimes import RuntimeChange
from attune.core.runtimes.definition import proofs_of
from attune.core.runtimes.runtime import Runtime
from attune.web.api.runtimes import etag_of
from attune.web.services import Services
from attune.web.ui.listing import Listing
from attune.web.ui.pages import pretty

_CHANGES = 20
_EDITED = ("name", "description", "pack_ref", "distributions", "installation")


async def _rows(services: Services, _query: object) -> Sequence[Any]:
    counts = await services.fleet_pages.runtime_counts()
    runtimes = await services.runtimes.list_runtimes()
    return [(it, counts.get(it.ref, RuntimeCounts()), proofs_of(it)) for it in runtimes]


async def _more(services: Services, runtime: Runtime) -> Mapping[str, Any]:
    nodes = [it for it in await services.nodes.list_nodes() if it.status in ("active", "busy", "draining", "degraded")]
    counts = await services.fleet_pages.runtime_counts(runtime.ref)
    history = list(await services.runtimes.runtime_history(runtime.ref))[:_CHANGES]
    return {
        "proofs": proofs_of(runtime),
        "coverage": counts.get(runtime.ref, RuntimeCounts()),
        "history": [(change, diff_of(change)) for change in history],
        "body": pretty({name: getattr(runtime, name) for name in _EDITED}),
        "etag": etag_of(runtime),
        "nodes": nodes[:100],
    }


def diff_of(change: RuntimeChange) -> list[tuple[str, str]]:
    """The lines of *change* as a unified diff, each with what it is: plus, minus, place or same."""
    lines = difflib.unified_diff(_text(change.old), _text(change.new), lineterm="", n=2)
    kinds = {"+": "plus", "-": "minus", "@": "place"}
    return [(kinds.get(line[:1], "same"), line) for line in list(lines)[2:400]]


def _text(row: Any) -> list[str]:
    if row is None:
        return []
    kept = {name: row.get(name) for name in _EDITED} if isinstance(row, dict) else row
    return pretty(kept).splitlines()


router = Listing(
    "runtimes",
    "Runtimes",
    _rows,
    lambda services, ref: services.runtimes.get_runtime(ref),
    _more,
    kinds="node transition runtime",
).router
