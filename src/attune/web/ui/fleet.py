"""The fleet: is everything that should run able to run?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from attune.core.errors import RequirementError
from attune.core.matching.requirement import Requirement
from attune.core.nodes.role import ROLES
from attune.core.ports.matching import MatchQuery
from attune.core.ports.read_models import NodeFilter, UnservedDemand
from attune.web.services import Given, Services
from attune.web.ui.pages import NODE_STATES, Visitor, lines_of, page

router = APIRouter(include_in_schema=False)
_ROWS = 200
_COLUMNS = 12
_SHADES = 4
_DEMANDS = 3  # each is matched against the whole fleet


@router.get("/")
async def fleet_page(
    request: Request,
    _who: Visitor,
    services: Given,
    role: str = "worker",
    needs: str = "",
    q: str = "",
    status: Annotated[list[str] | None, Query()] = None,
    label: str = "",
    group: str = "",
    columns: str = "",
    skip: int = 0,
) -> Response:
    """The matrix of nodes and runtimes. What cannot be read of the filter is said, and filters nothing."""
    statuses = [name for name in status or [] if name in NODE_STATES]
    role = role if role in ROLES else "worker"
    kept = {"role": role, "needs": needs, "q": q, "status": statuses, "label": label, "group": group}
    requirement, fault, terms = None, None, lines_of(needs)
    try:
        requirement = Requirement.parse(terms) if terms else None
    except RequirementError as error:
        fault = error.caret
    labels = NodeFilter.label_pairs(lines_of(label[:300]))
    wanted = NodeFilter(statuses=statuses, labels=labels, requirement=requirement, q=q[:300] or None)
    skip = min(max(0, skip), 10_000_000)
    matrix = await services.fleet_pages.matrix(ROLES[role], wanted, group=group[:300], skip=skip, limit=_ROWS)
    shown = matrix.columns if columns == "all" else matrix.columns[:_COLUMNS]

    def to(**changes: Any) -> str:
        return "/?" + urlencode([(key, value) for key, value in {**kept, **changes}.items() if value], doseq=True)

    return page(
        request,
        "fleet.html",
        pauses=await services.runs.pauses(),
        figures=await services.fleet_pages.figures(),
        demands=[it for it in await _demands(services) if not it[1]["eligible_count"]],
        matrix=matrix,
        columns=shown,
        folded=len(matrix.columns) - len(shown),
        shades={it.name: {of: min(rank, _SHADES - 1) for rank, of in enumerate(it.versions)} for it in shown},
        filtered=bool(statuses or needs.strip() or q or labels),
        fault=fault,
        filter=kept,
        to=to,
        node_states=NODE_STATES,
        skip=skip,
        following=skip + _ROWS,
    )


async def _demands(services: Services) -> list[tuple[UnservedDemand, Mapping[str, Any]]]:
    """What waits for workers that do not read its queue, as yet at least, and where it could run."""
    demands = await services.fleet_pages.unserved(_DEMANDS)
    queries = [MatchQuery(Requirement.parse(demand.requirement), limit=1) for demand in demands]
    return [(demand, await services.matcher.answer(query)) for demand, query in zip(demands, queries, strict=True)]
