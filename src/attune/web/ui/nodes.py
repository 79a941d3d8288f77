"""One node: what can this machine run, and why not something else? And what an operator asks of it."""

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from attune.core.nodes.role import ROLES, Role
from attune.web.access import Operator
from attune.web.middleware.problems import ProblemError, existing, usage_errors_as
from attune.web.services import Given
from attune.web.ui.pages import Visitor, page

router = APIRouter(include_in_schema=False)
_ORDER = {"available": 0, "declared": 1, "assumed": 2, "unknown": 3, "invalid": 4, "unavailable": 5}
_VERBS = ("drain", "resume", "reload", "remove")


def _add_pages(role: Role) -> None:
    @router.get(f"/{role.name}s/{{node_id}}")
    async def node_page(request: Request, _who: Visitor, services: Given, node_id: int) -> Response:
        nodes = await services.nodes.list_nodes(role)
        node = existing(next((it for it in nodes if it.id == node_id), None), f"no {role.name} has the id {node_id}")
        runtimes = await services.nodes.node_runtimes(node_id)
        return page(
            request,
            "node.html",
            node=node,
            runtimes=sorted(runtimes, key=lambda it: (_ORDER.get(it.status, len(_ORDER)), it.name)),
            transitions=await services.nodes.node_transitions(node_id, 50),
        )

    @router.post(f"/{role.name}s/{{node_id}}/{{verb}}")
    async def request_verb(_who: Operator, services: Given, node_id: int, verb: str) -> Response:
        if verb not in _VERBS or not await services.node_pages.exists(role, node_id):
            raise ProblemError(404, f"no {role.name} has the id {node_id}, or nothing is called {verb}")
        if verb == "remove":
            with usage_errors_as(409):
                await services.control.remove(node_id)
        else:
            await getattr(services.control, verb)(node_id)
        services.forget()
        return RedirectResponse("/" if verb == "remove" else f"/{role.name}s/{node_id}", 303)


for _role in ROLES.values():
    _add_pages(_role)
