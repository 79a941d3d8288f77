"""The application: the routes, and the middleware that every request passes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI

from attune.web.access import SECURITY_SCHEME
from attune.web.api import checks, events, executions, match, nodes, packs, pauses, runtimes, stream, system, tokens
from attune.web.front import OPEN
from attune.web.middleware.audit import write_audit
from attune.web.middleware.limits import RequestLimits
from attune.web.middleware.metrics import ObservedApp, RequestFigures
from attune.web.middleware.problems import FieldProblem, ProblemDetails, answer_with_problems, documented
from attune.web.services import Services
from attune.web.ui import activity, api_docs, assets, fleet, login
from attune.web.ui import executions as execution_page
from attune.web.ui import match as match_page
from attune.web.ui import nodes as node_page
from attune.web.ui import packs as pack_page
from attune.web.ui import runtimes as runtime_page
from attune.web.ui.pages import problem_page

# The order is the one of the documentation.
API_ROUTERS: tuple[APIRouter, ...] = (
    runtimes.router,
    checks.router,
    nodes.workers,
    nodes.sensors,
    nodes.transitions,
    match.router,
    executions.actions,
    executions.executions,
    pauses.router,
    packs.router,
    events.router,
    tokens.router,
    stream.router,
)
PAGES = (assets, login, fleet, node_page, runtime_page, match_page, execution_page, pack_page, activity, api_docs)


def create_app(services: Services, *, most_streams: int = 1000) -> FastAPI:
    """The API and the pages on *services*."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        listening = asyncio.create_task(services.hub.run())
        try:
            yield
        finally:
            listening.cancel()
            await asyncio.gather(listening, services.audit.close(), return_exceptions=True)

    app = FastAPI(
        title="Attune",
        version=version("attune"),
        summary="What every machine of a fleet can really run, and where a job can go.",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        lifespan=lifespan,
        redirect_slashes=False,  # it would lead to whatever Host was named
    )
    app.state.services, app.state.figures, app.state.most_streams = services, RequestFigures(), most_streams
    answer_with_problems(app, problem_page)
    app.include_router(system.router)
    for router in API_ROUTERS:
        app.include_router(router, prefix="/api")
    for module in PAGES:
        app.include_router(module.router)

    app.add_middleware(RequestLimits)
    app.add_middleware(ObservedApp, write_audit)
    app.add_middleware(ObservedApp, app.state.figures.count)
    _describe_problems(app)
    return app


def _describe_problems(app: FastAPI) -> None:
    """Have the OpenAPI document say what an error looks like, and where a token is needed."""
    make_document = app.openapi

    def described() -> dict[str, object]:
        document = make_document()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.pop("HTTPValidationError", None)
        schemas.pop("ValidationError", None)
        for model in (FieldProblem, ProblemDetails):
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schema.pop("$defs", None)
            schemas[model.__name__] = schema
        document["components"]["securitySchemes"] = {"HTTPBearer": SECURITY_SCHEME}
        for path, operations in document.get("paths", {}).items():
            for method, operation in operations.items():
                if path not in OPEN:
                    operation["security"] = [{"HTTPBearer": []}]
                _add_problems(operation, may_be_missing="{" in path and method != "put")
        return document

    app.openapi = described  # type: ignore[method-assign]


_GUARDED = (401, 403, 503)  # what `allow` answers
_WITH_BODY = (408, 413)  # what the limits say of bodies


def _add_problems(operation: dict[str, Any], *, may_be_missing: bool) -> None:
    """Add to *operation* the problems that its route need not name: those of the limits, of access and of paths."""
    answers = operation.setdefault("responses", {})
    statuses = [400, 414, 431]  # of any address and head
    if operation.get("security"):
        statuses += _GUARDED
    if "requestBody" in operation:
        statuses += _WITH_BODY
    if may_be_missing:
        statuses.append(404)
    if answers.pop("422", None):
        statuses.append(422)
    for status, answer in documented(*statuses).items():
        answers.setdefault(str(status), answer)
    operation["responses"] = dict(sorted(answers.items()))
