"""Workers and sensors: the same routes for both roles, for a role is data."""

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import QueryParams

from attune.core.errors import RequirementError
from attune.core.matching.fleet import NodeStatus
from attune.core.matching.requirement import Requirement
from attune.core.nodes.role import SENSOR, WORKER, Role
from attune.core.ports.read_models import NodeFilter
from attune.core.runtimes.verdict import Instance
from attune.web.access import Operator, Reader
from attune.web.api.paging import (
    MAX_ID,
    Cursor,
    Limit,
    Page,
    bad_field,
    before_of,
    json_response,
    page_text,
    position_of,
)
from attune.web.middleware.problems import ProblemError, documented, existing, invalid, usage_errors_as
from attune.web.services import Given

NodeId = Annotated[int, Path(ge=1, le=MAX_ID, description="The node's id.", examples=[1])]
Force = Annotated[bool, Query(description="Also one that runs.")]
_Texts = Annotated[list[Annotated[str, Field(max_length=300)]], Field(max_length=20)]


class NodeState(BaseModel):
    """What a node is and offers. Times are the database's; ages are in seconds by its clock."""

    id: int = Field(examples=[1])
    name: str = Field(examples=["worker-build-7"])
    role: str = Field(examples=["worker"])
    status: str = Field(examples=["active"])
    generation: int = Field(description="Grows each time the capabilities change.", examples=[3])
    capabilities: dict[str, Any] = Field(
        examples=[{"runtimes": ["python"], "runtime_versions": {"python": ["3.11.7"]}}]
    )
    last_heartbeat: datetime | None = Field(examples=["2026-11-24T09:00:00Z"])
    heartbeat_age: float | None = Field(examples=[3.2])


class NodeItem(NodeState):
    """A node as the registry knows it. Times are the database's; ages are in seconds by its clock."""

    host: str | None = Field(examples=["build-7"])
    pid: int | None = Field(examples=[4711])
    problem: str | None = Field(description="Why it can run nothing at present, null where it can.", examples=[None])
    running: int = Field(description="How many executions it runs.", examples=[0])
    max_concurrent: int | None = Field(description="How many it may run, null for no limit.", examples=[1])


class RuntimeItem(BaseModel):
    """What is known of one runtime on a node, and how it was found out."""

    ref: str = Field(examples=["core.python"])
    name: str = Field(examples=["python"])
    status: str = Field(examples=["available"])
    version: str | None = Field(examples=["3.11.7"])
    path: str | None = Field(examples=["/usr/bin/python3"])
    instances: list[Instance] = Field(examples=[[{"version": "3.11.7", "path": "/usr/bin/python3"}]])
    reason: str = Field(examples=["verified by `python3 --version`"])
    evidence: dict[str, Any] | None = Field(
        examples=[
            {"command": ["python3", "--version"], "exit_code": 0, "output": "Python 3.11.7\n", "duration_ms": 4.1}
        ]
    )
    checked_at: datetime | None = Field(examples=["2026-11-24T09:00:00Z"])
    age_seconds: float | None = Field(description="How long ago it was checked.", examples=[38.0])
    since: datetime | None = Field(description="When the status became what it is.", examples=["2026-11-23T09:00:00Z"])
    failures: int = Field(description="Checks in a row that did not pass.", examples=[0])


class NodeCapabilities(NodeState):
    """What a node offers: as it registered it, and every verdict with its evidence and its age."""

    as_of: datetime = Field(description="When this was read.", examples=["2026-11-24T09:00:03Z"])
    results: list[RuntimeItem]


class TransitionItem(BaseModel):
    """A change of what a node offers."""

    id: int = Field(examples=[17])
    worker: int = Field(description="The node's id.", examples=[1])
    worker_name: str = Field(examples=["worker-build-7"])
    role: str = Field(examples=["worker"])
    runtime_ref: str = Field(examples=["core.python"])
    name: str = Field(examples=["python"])
    from_status: str = Field(examples=["available"])
    to_status: str = Field(examples=["unavailable"])
    reason: str = Field(examples=["python3: not found on PATH"])
    evidence: dict[str, Any] | None = Field(examples=[None])
    at: datetime = Field(examples=["2026-11-24T09:00:00Z"])


class Asked(BaseModel):
    """What was asked of a node has been passed on to it."""

    id: int = Field(examples=[1])
    asked: str = Field(examples=["drain"])


class NodeQuery(BaseModel):
    """The filters of a list of nodes; all that are given must hold."""

    model_config = ConfigDict(extra="forbid")

    status: list[NodeStatus] = Field(default=[], max_length=20, description="Any of these.", examples=[["active"]])
    runtime: _Texts = Field(default=[], description="Offers all of these, by name.", examples=[["python"]])
    term: _Texts = Field(default=[], description="Satisfies all of these terms.", examples=[["python >=3.9"]])
    label: _Texts = Field(default=[], description="`key=value`, or `key` for any value.", examples=[["zone=eu"]])
    q: str | None = Field(default=None, max_length=300, description="Part of the name or the host.", examples=["build"])
    limit: int = Field(default=100, ge=1, le=1000, description="How many at most.", examples=[100])
    cursor: str | None = Field(default=None, max_length=1000, description="`next` of the page before.")

    @classmethod
    def of(cls, parameters: QueryParams) -> Self:
        """What *parameters* ask for. Raises `ProblemError` with every fault."""
        values: dict[str, object] = {
            name: parameters.getlist(name) if name in _LISTS else parameters.getlist(name)[-1] for name in parameters
        }
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise invalid([{**fault, "loc": ("query", *fault["loc"])} for fault in error.errors()]) from None

    def filter(self) -> NodeFilter:
        """The filter. Raises `ProblemError` for a term that cannot be read."""
        try:
            requirement = Requirement.parse(self.term) if self.term else None
        except RequirementError as error:
            raise bad_field("term", error.expected, f"{error.got} at offset {error.position}") from error
        labels = NodeFilter.label_pairs(self.label)
        return NodeFilter([status.value for status in self.status], self.runtime, labels, requirement, self.q)


_LISTS = ("status", "runtime", "term", "label")


def _parameters() -> list[dict[str, object]]:
    """The parameters of `NodeQuery` for the OpenAPI document: FastAPI would take longer to read them than all else."""
    properties = NodeQuery.model_json_schema()["properties"]
    properties["status"]["items"] = {"type": "string", "enum": [status.value for status in NodeStatus]}
    return [
        {"name": name, "in": "query", "required": False, "schema": schema, "description": schema["description"]}
        for name, schema in properties.items()
    ]


def nodes_router(role: Role) -> APIRouter:
    """The routes of the nodes of *role*; their names say it too: `list_workers`, `get_sensor`."""
    router = APIRouter(prefix=f"/{role.name}s", tags=[f"{role.name}s"])
    _add_list(router, role)
    _add_reads(router, role)
    for verb, summary in (
        ("drain", "Finish what runs and take nothing new"),
        ("resume", "Take work again"),
        ("reload", "Read the definitions again and verify them"),
    ):
        _add_request(router, role, verb, summary)
    _add_delete(router, role)
    return router


def _unknown(role: Role, node_id: int) -> str:
    return f"no {role.name} has the id {node_id}"


async def _require(services: Given, role: Role, node_id: int) -> None:
    if not await services.node_pages.exists(role, node_id):
        raise ProblemError(404, _unknown(role, node_id))


def _add_list(router: APIRouter, role: Role) -> None:
    what = role.name

    @router.get(
        "",
        name=f"list_{what}s",
        response_model=Page[NodeItem],
        summary=f"List {what}s",
        responses=documented(422),
        openapi_extra={"parameters": _parameters()},
    )
    async def list_nodes(request: Request, _who: Reader, services: Given) -> Response:
        """By name, page by page."""

        async def read() -> str:
            query = NodeQuery.of(request.query_params)
            after = position_of(query.cursor, str, int)
            return page_text(await services.node_pages.page(role, query.filter(), after=after, limit=query.limit))

        return json_response(
            await services.answers.of(request, (request.url.path, request.scope["query_string"]), read) or b""
        )


def _add_reads(router: APIRouter, role: Role) -> None:
    what = role.name

    @router.get("/{node_id}", name=f"get_{what}", response_model=NodeItem, summary=f"Show a {what}")
    async def get_node(_who: Reader, services: Given, node_id: NodeId) -> Response:
        """What the registry knows of it."""
        return json_response(existing(await services.node_pages.show(role, node_id), _unknown(role, node_id)))

    @router.get(
        "/{node_id}/capabilities",
        name=f"get_{what}_capabilities",
        response_model=NodeCapabilities,
        summary=f"What a {what} can run",
    )
    async def get_capabilities(request: Request, _who: Reader, services: Given, node_id: NodeId) -> Response:
        """With versions, evidence and freshness, for every definition, offered or not."""
        key = ("capabilities", what, node_id)
        body = await services.answers.of(request, key, lambda: services.node_pages.capabilities(role, node_id))
        return json_response(existing(body, _unknown(role, node_id)))

    @router.get(
        "/{node_id}/transitions",
        name=f"list_{what}_transitions",
        response_model=Page[TransitionItem],
        summary=f"What a {what} gained and lost",
    )
    async def list_node_transitions(
        _who: Reader, services: Given, node_id: NodeId, limit: Limit = 100, cursor: Cursor = None
    ) -> Response:
        """Newest first."""
        before = before_of(cursor)
        await _require(services, role, node_id)
        page = await services.node_pages.transitions(node_id=node_id, before=before, limit=limit)
        return json_response(page_text(page))


def _add_request(router: APIRouter, role: Role, verb: str, summary: str) -> None:
    @router.post(
        f"/{{node_id}}/{verb}",
        status_code=202,
        name=f"{verb}_{role.name}",
        summary=f"{summary} ({role.name})",
        responses=documented(409),
    )
    async def request_verb(_who: Operator, services: Given, node_id: NodeId) -> Asked:
        """It is asked at once, and does so at its next heartbeat."""
        await _require(services, role, node_id)
        if not await getattr(services.control, verb)(node_id):
            state = "draining" if verb == "resume" else "running"
            raise ProblemError(409, f"expected a {role.name} that is {state}, got one that is not")
        services.forget()
        return Asked(id=node_id, asked=verb)


def _add_delete(router: APIRouter, role: Role) -> None:
    @router.delete(
        "/{node_id}",
        status_code=204,
        name=f"delete_{role.name}",
        summary=f"Forget a {role.name}",
        responses=documented(409),
    )
    async def delete_node(_who: Operator, services: Given, node_id: NodeId, force: Force = False) -> None:
        """One that runs is refused, unless forced; it registers again if it lives."""
        await _require(services, role, node_id)
        with usage_errors_as(409):
            await services.control.remove(node_id, force=force)
        services.forget()


workers = nodes_router(WORKER)
sensors = nodes_router(SENSOR)
transitions = APIRouter(prefix="/transitions", tags=["transitions"])


@transitions.get("", response_model=Page[TransitionItem], summary="What the fleet gained and lost")
async def list_transitions(_who: Reader, services: Given, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """Newest first, of all nodes."""
    page = await services.node_pages.transitions(before=before_of(cursor), limit=limit)
    return json_response(page_text(page))
