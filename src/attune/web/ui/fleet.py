"""The fleet: is everything that should run able to run?"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from attune.core.errors import RequirementError
from attune.core.matching.requirement import Requirement
from attune.core.nodes.role import ROLES
from attune.core.ports.read_models import FleetMatrix, NodeFilter
from attune.web.services import Given
from attune.web.ui.pages import NODE_STATES, Visitor, lines_of, page

router = APIRouter(include_in_schema=False)
_ROWS = 200
_COLUMNS = 12
_SHADES = 4


@router.get("/")
async def fleet_page(
    request: Request,
    _who: Visitor,
    services: Given,
    role: str = "worker",
    needs: str = "",
    q: str = "",
    status: Annotated[list[str] | None, Query()] = None,
    columns: str = "",
    skip: int = 0,
) -> Response:
    """The matrix of nodes and runtimes. What cannot be read of the filter is said, and filters nothing."""
    chosen = ROLES.get(role, ROLES["worker"])
    statuses = [name for name in status or [] if name in NODE_STATES]
    requirement, fault, terms = None, None, lines_of(needs)
    try:
        requirement = Requirement.parse(terms) if terms else None
    except RequirementError as error:
        fault = error.caret
    wanted = NodeFilter(statuses=statuses, requirement=requirement, q=q[:300] or None)
    skip = min(max(0, skip), 10_000_000)
    matrix = await services.fleet_pages.matrix(chosen, wanted, skip=skip, limit=_ROWS)
    shown = matrix.columns if columns == "all" else matrix.columns[:_COLUMNS]
    kept = {"role": chosen.name, "needs": needs, "q": q, "status": statuses}
    return page(
        request,
        "fleet.html",
        pauses=await services.runs.pauses(),
        figures=await services.fleet_pages.figures(),
        matrix=matrix,
        columns=shown,
        folded=len(matrix.columns) - len(shown),
        shades={it.name: {of: min(rank, _SHADES - 1) for rank, of in enumerate(it.versions)} for it in shown},
        filtered=bool(statuses or needs.strip() or q),
        fault=fault,
        filter=kept,
        statuses=NODE_STATES,
        links=_links(kept, matrix, skip),
        skip=skip,
    )


def _links(kept: dict[str, Any], matrix: FleetMatrix, skip: int) -> dict[str, str | None]:
    def link(**changes: Any) -> str:
        return "/?" + urlencode([*((k, v) for k, v in {**kept, **changes}.items() if v)], doseq=True)

    return {
        "all_columns": link(columns="all"),
        "next": link(skip=skip + _ROWS) if skip + _ROWS < matrix.total else None,
        "previous": link(skip=max(0, skip - _ROWS)) if skip else None,
        "overdue": "/?" + urlencode({"status": ["stale", "lost"]}, doseq=True),
        "active": "/?" + urlencode({"status": ["active", "busy"]}, doseq=True),
    }
