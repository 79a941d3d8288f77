"""The revisions of the schema, oldest first, and the files of `sql/` that each of them runs on its way up and down."""

import re
from functools import cache
from importlib.metadata import distribution
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


def _with_rights(name: str, *again: str) -> Revision:
    """After which rights are granted; on its way down, *again* follows what undoes it."""
    return Revision(name, (name, "rights"), (f"{name}_down", *again, *(("rights",) if again else ())))


def _again(name: str, functions: str) -> list[str]:
    """Those *functions* as the file *name* makes them."""
    return [f"{name}:{function}" for function in functions.split()]


_EARLIER = "20260601000001_earlier_columns"
_NODES = "20260301000001_nodes"
_EXECUTIONS = "20260420000001_executions"
_NODE_VIEW = "20260422000001_node_view"
_DEGRADED = "20260424000001_degraded"
_LETTERS = "20260425000001_dead_letters"
_ROLES = "20260502000001_roles"
_LEASES = "20260506000001_leases"
REVISIONS = (
    Revision(BASELINE, (BASELINE, "reference_indexes"), ()),  # the first one: nothing is below it
    Revision(UNIFIED, (*UNIFY, UNIFIED), ("reference_functions", "20260203000001_split_runtimes", "drop_functions")),
    # For databases that the steps of the earlier installation after February 2026 have changed.
    Revision(_EARLIER, ("records", _EARLIER), (f"{_EARLIER}_down",)),
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
    _plain(_LETTERS),
    _plain("20260426000001_judged_by_age"),
    _plain("20260501000001_secrets"),
    Revision(_ROLES, (_ROLES, "rights"), (f"{_ROLES}_down", f"{_LETTERS}:replay_dead_letter", "rights_before")),
    _with_rights("20260503000001_audit"),
    _with_rights("20260504000001_circuit_breaker"),
    _with_rights(_LEASES, *_again(_ROLES, "take_leases begin_executions sweep_lost mark_overdue")),
    _with_rights("20260509000001_timeline"),
    _with_rights(
        "20260508000001_order",
        *_again(_ROLES, "is_live offer_executions promote_executions tidy_executions take_jobs filled_queues"),
        *_again(_LEASES, "begin_executions resume_attempts"),
    ),
    _with_rights("20260508000002_overlap"),
    _with_rights("20260511000001_action_versions"),
    _with_rights("20260510000001_uptime", *_again(_LEASES, "note_writing mark_overdue")),
    _with_rights(
        "20260512000001_run_later", "20260508000001_order:held_back", "20260509000001_timeline:record_timeline"
    ),
    _with_rights("20260512000002_prefers", "20260508000001_order:take_jobs"),
    _with_rights("20260612000001_retention"),
    _plain("20260601000002_earlier_values"),
    _with_rights("20260613000001_own_rows"),
    _plain("20260614000001_fleet_guard"),
    _with_rights("20260615000001_moves"),
    _plain("20260614000002_deliveries"),
    _with_rights("20260616000001_api_processes"),
)
NAMES = tuple(revision.name for revision in REVISIONS)


@cache
def statement_text(name: str) -> str:
    """The text of `sql/<name>.sql`, or of the function of a name like `file:function`; the engine brings its own."""
    file, _, function = name.partition(":")
    if file == "procrastinate":
        return Path(str(distribution(file).locate_file("procrastinate/sql/schema.sql"))).read_text(encoding="utf-8")
    text = (Path(__file__).parent / "sql" / f"{file}.sql").read_text(encoding="utf-8")
    if not function:
        return text
    found = re.search(rf"^CREATE (?:OR REPLACE )?(FUNCTION {function}\(.*?\$\$;)$", text, re.DOTALL | re.MULTILINE)
    assert found is not None, name
    return (
        f"SET LOCAL check_function_bodies = off;\nCREATE OR REPLACE {found[1]}\nSET LOCAL check_function_bodies = on;\n"
    )
