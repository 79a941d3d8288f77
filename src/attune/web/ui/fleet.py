"""The fleet: is everything that should run able to run?"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
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
    skip: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> Response:
    """The matrix of nodes and runtimes. What cannot be read of the filter is said, and filters nothing."""
    statuses = [name for name in status or [] if name in NODE_STATES]
    wanted, fault = _filter(statuses, needs, q, label)
    role = role if role in ROLES else "worker"
    matrix = await services.fleet_pages.matrix(ROLES[role], wanted, group=group[:300], skip=skip, limit=_ROWS)
    kept = {"role": role, "needs": needs, "q": q, "status": statuses, "label": label, "group": group}

    def to(**changes: Any) -> str:
        return "/?" + urlencode([(key, value) for key, value in {**kept, **changes}.items() if value], doseq=True)

    return page(
        request,
        "fleet.html",
        pauses=await services.runs.pauses(),
        figures=await services.fleet_pages.figures(),
        demands=[it for it in await _demands(services) if not it[1]["eligible_count"]],
        matrix=matrix,
        columns=matrix.columns if columns == "all" else matrix.columns[:_COLUMNS],
        filtered=bool(statuses or needs.strip() or q or wanted.labels),
        fault=fault,
        filter=kept,
        to=to,
        node_states=NODE_STATES,
        skip=skip,
        following=skip + _ROWS,
    )


def _filter(statuses: Sequence[str], needs: str, q: str, label: str) -> tuple[NodeFilter, str | None]:
    """The filter, and why its terms cannot be read."""
    wanted = NodeFilter(statuses, labels=NodeFilter.label_pairs(lines_of(label[:300])), q=q[:300] or None)
    try:
        terms = lines_of(needs)
        return replace(wanted, requirement=Requirement.parse(terms) if terms else None), None
    except RequirementError as error:
        return wanted, error.caret


async def _demands(services: Services) -> list[tuple[UnservedDemand, Mapping[str, Any]]]:
    """What waits for workers that do not read its queue, as yet at least, and where it could run."""
    demands = {it: Requirement.parse(it.requirement) for it in await services.fleet_pages.unserved(_DEMANDS)}
    return [(it, await services.matcher.answer(MatchQuery(needed, limit=1))) for it, needed in demands.items()]
