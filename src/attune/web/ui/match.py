"""Where can this run? The rows of the explanation, and what would help."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from attune.core.errors import RequirementError
from attune.core.matching.requirement import Preference, Requirement
from attune.core.nodes.role import ROLES
from attune.core.ports.matching import MatchQuery
from attune.web.services import Given
from attune.web.ui.pages import Visitor, lines_of, page

router = APIRouter(include_in_schema=False)
_LISTED = 20


@router.get("/match")
async def match_page(
    request: Request, _who: Visitor, services: Given, needs: str = "", prefer: str = "", role: str = "worker"
) -> Response:
    """Terms stand on lines of their own, or between semicolons."""
    chosen = ROLES.get(role, ROLES["worker"])
    fault, answer = None, None
    try:
        terms, wishes = lines_of(needs), [Preference.parse(line) for line in lines_of(prefer)]
        if terms:
            query = MatchQuery(Requirement.parse(terms), wishes, role=chosen, limit=_LISTED)
            answer = await services.matcher.answer(query)
    except RequirementError as error:
        fault = error.caret
    return page(request, "match.html", needs=needs, prefer=prefer, role=chosen.name, fault=fault, answer=answer)
