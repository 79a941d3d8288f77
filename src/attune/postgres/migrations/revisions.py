"""The revisions of the schema, oldest first, and the files of `sql/` that each of them runs on its way up and down."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

BASELINE = "20250101000001_baseline"
UNIFIED = "20260203000001_unify_runtimes"
FINISHED = "20260301000002_finish_unify"
# The data step that two revisions share.
UNIFY = ("records", "reference_functions", "unify_functions", "unify_data", "drop_functions")


class Revision(NamedTuple):
    """One step of the schema: its name, at most 32 characters, and the names of its files."""

    name: str
    up: tuple[str, ...]
    down: tuple[str, ...]


def _plain(name: str) -> Revision:
    return Revision(name, (name,), (f"{name}_down",))


_NODES = "20260301000001_nodes"
_EXECUTIONS = "20260420000001_executions"
_NODE_VIEW = "20260422000001_node_view"
_DEGRADED = "20260424000001_degraded"
_ROLES = "20260502000001_roles"
_AUDIT = "20260503000001_audit"
_BREAKER = "20260504000001_circuit_breaker"
_LEASES = "20260506000001_leases"
_UPTIME = "20260510000001_uptime"
_TIMELINE = "20260509000001_timeline"
_ORDER = "20260508000001_order"
_OVERLAP = "20260508000002_overlap"
_VERSIONS = "20260511000001_action_versions"
_RETENTION = "20260612000001_retention"
REVISIONS = (
    Revision(BASELINE, (BASELINE, "reference_indexes"), ()),  # the first one: nothing is below it
    Revision(UNIFIED, (*UNIFY, UNIFIED), ("reference_functions", "20260203000001_split_runtimes", "drop_functions")),
    Revision(
        _NODES,
        ("records", "reference_functions", _NODES, "reference_indexes", "drop_functions"),
        ("reference_functions", f"{_NODES}_down", "drop_functions"),
    ),
    # For databases on which another program had begun to unite. The rows stay united: they fit the revision below.
    Revision(FINISHED, UNIFY, ()),
    _plain("20260315000001_matching"),
    _plain("20260316000001_action_requires"),
    _plain("20260401000002_life"),
    _plain("20260401000003_health"),
    _plain("20260415000001_packs"),
    _plain("20260416000001_access"),
    _plain("20260417000001_requests"),
    Revision(_EXECUTIONS, ("procrastinate", _EXECUTIONS), (f"{_EXECUTIONS}_down", "procrastinate_down")),
    _plain("20260421000001_sensing"),
    _plain(_NODE_VIEW),
    Revision(_DEGRADED, (_DEGRADED,), (f"{_DEGRADED}_down", _NODE_VIEW)),
    _plain("20260425000001_dead_letters"),
    _plain("20260426000001_judged_by_age"),
    _plain("20260501000001_secrets"),
    Revision(_ROLES, (_ROLES, "rights"), (f"{_ROLES}_down", "rights_before")),
    Revision(_AUDIT, (_AUDIT, "rights"), (f"{_AUDIT}_down",)),
    Revision(_BREAKER, (_BREAKER, "rights"), (f"{_BREAKER}_down",)),
    Revision(_LEASES, (_LEASES, "rights"), (f"{_LEASES}_down", "rights")),
    Revision(_TIMELINE, (_TIMELINE, "rights"), (f"{_TIMELINE}_down",)),
    Revision(_ORDER, (_ORDER, "rights"), (f"{_ORDER}_down", "rights")),
    Revision(_OVERLAP, (_OVERLAP, "rights"), (f"{_OVERLAP}_down",)),
    Revision(_VERSIONS, (_VERSIONS, "rights"), (f"{_VERSIONS}_down",)),
    Revision(_UPTIME, (_UPTIME, "rights"), (f"{_UPTIME}_down", "rights")),
    Revision(_RETENTION, (_RETENTION, "rights"), (f"{_RETENTION}_down",)),
)
NAMES = tuple(revision.name for revision in REVISIONS)


@cache
def statement_text(name: str) -> str:
    """The text of `sql/<name>.sql`."""
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text(encoding="utf-8")
