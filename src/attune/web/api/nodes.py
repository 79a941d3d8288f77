"""Workers and sensors: the same routes for both roles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from attune.core.node import SENSOR, WORKER, Role
from attune.core.ports import NodeRecord
from attune.web.access import Operator, Reader
from attune.web.api.listing import Listed, Pages
from attune.web.problems import Problem, documented
from attune.web.services import Given, Services

_LARGEST = 2**63 - 1
_EVIDENCE = {"command": ["python3", "--version"], "exit_code": 0, "output": "Python 3.11.7", "duration_ms": 12.5}
_INSTANCES = [{"version": "3.11.7", "path": "/usr/bin/python3", "real_path": "/usr/bin/python3.11"}]
NodeId = Annotated[int, Path(ge=1, le=_LARGEST, description="Its id.")]


class NodeView(BaseModel):
    """A node as the registry knows it. Ages are in seconds by the clock of the database."""

    id: int
    name: str = Field(examples=["worker-build-7"])
    role: str = Field(examples=["worker"])
    host: str | None = Field(examples=["build-7"])
    status: str = Field(examples=["active"])
    capabilities: dict[str, Any] = Field(
        examples=[{"runtimes": ["python"], "runtime_versions": {"python": ["3.11.7"]}, "runtime_source": "database"}]
    )
    last_heartbeat: datetime | None
    heartbeat_age: float | None
    pid: int | None
    generation: int


class RuntimeView(BaseModel):
    """What is known of one runtime on one node, with its evidence and since when."""

    ref: str = Field(examples=["core.python"])
    name: str = Field(examples=["python"])
    status: str = Field(examples=["available"])
    version: str | None = Field(examples=["3.11.7"])
    path: str | None = Field(examples=["/usr/bin/python3"])
    reason: str = Field(examples=["verified by `python3 --version`"])
    instances: Any = Field(examples=[_INSTANCES])
    evidence: Any = Field(examples=[_EVIDENCE])
    checked_at: datetime | None
    since: datetime | None
    failures: int


class CapabilitiesView(BaseModel):
    """What a node can run: what it registered, and every verdict behind it."""

    capabilities: dict[str, Any] = Field(examples=[{"runtimes": ["python"]}])
    generation: int
    results: list[RuntimeView]


class TransitionView(BaseModel):
    """One change of what a node offers."""

    id: int
    runtime_ref: str = Field(examples=["core.python"])
    name: str = Field(examples=["python"])
    from_status: str = Field(examples=["available"])
    to_status: str = Field(examples=["unavailable"])
    reason: str = Field(examples=["python3: not found on PATH"])
    evidence: Any = Field(examples=[_EVIDENCE])
    at: datetime


def nodes_router(role: Role) -> APIRouter:
    """The routes below `/api/workers` or `/api/sensors`."""
    name = role.name
    router = APIRouter(prefix=f"/{name}s", tags=[f"{name}s"])

    @router.get("", summary=f"List the {name}s", operation_id=f"list_{name}s", responses=documented(422))
    async def list_nodes(_caller: Reader, services: Given, pages: Pages) -> Listed[NodeView]:
        """By id, with what each registered."""
        nodes = sorted(await services.nodes.list_nodes(role), key=lambda node: node.id)
        page, following = pages.page(nodes, lambda node: node.id)
        return Listed(data=[NodeView.model_validate(asdict(node)) for node in page], next=following)

    @router.get("/{node_id}", summary=f"Show a {name}", operation_id=f"show_{name}", responses=documented(404, 422))
    async def show(_caller: Reader, services: Given, node_id: NodeId) -> NodeView:
        """The node as the registry knows it."""
        return NodeView.model_validate(asdict(await _find(services, role, node_id)))

    @router.get(
        "/{node_id}/capabilities",
        summary=f"What a {name} can run",
        operation_id=f"capabilities_of_{name}",
        responses=documented(404, 422),
    )
    async def capabilities(_caller: Reader, services: Given, node_id: NodeId) -> CapabilitiesView:
        """Versions, evidence and freshness of every runtime."""
        node = await _find(services, role, node_id)
        results = [RuntimeView.model_validate(asdict(one)) for one in await services.nodes.node_runtimes(node_id)]
        return CapabilitiesView(capabilities=dict(node.capabilities), generation=node.generation, results=results)

    @router.get(
        "/{node_id}/transitions",
        summary=f"What changed on a {name}",
        operation_id=f"transitions_of_{name}",
        responses=documented(404, 422),
    )
    async def transitions(
        _caller: Reader,
        services: Given,
        node_id: NodeId,
        limit: Annotated[int, Query(ge=1, le=1000, description="How many changes at most.")] = 100,
    ) -> Listed[TransitionView]:
        """The last changes of what it offers, newest first."""
        await _find(services, role, node_id)
        found = await services.nodes.node_transitions(node_id, limit)
        return Listed(data=[TransitionView.model_validate(asdict(one)) for one in found], next=None)

    _add_requests(router, role)
    return router


_REQUESTS = (
    ("drain", "Let it finish what it has and take nothing new."),
    ("resume", "Let it take work again after a drain."),
    ("reload", "Let it read the definitions again and verify them."),
)


def _add_requests(router: APIRouter, role: Role) -> None:
    def asking(verb: str, meaning: str) -> None:
        @router.post(
            f"/{{node_id}}/{verb}",
            status_code=204,
            summary=f"{verb.capitalize()} a {role.name}",
            description=meaning,
            operation_id=f"{verb}_{role.name}",
            responses=documented(404, 409, 422),
        )
        async def ask(_caller: Operator, services: Given, node_id: NodeId) -> None:
            node = await _find(services, role, node_id)
            if not await getattr(services.life, verb)(node_id):
                raise Problem(409, f"expected a {role.name} that can {verb}, got {node.name}, which is {node.status}")

    for verb, meaning in _REQUESTS:
        asking(verb, meaning)

    @router.delete(
        "/{node_id}",
        status_code=204,
        summary=f"Forget a {role.name}",
        operation_id=f"remove_{role.name}",
        responses=documented(404, 409, 422),
    )
    async def remove(
        _caller: Operator,
        services: Given,
        node_id: NodeId,
        force: Annotated[
            bool, Query(description="Also one that runs; it registers again with its next heartbeat.")
        ] = False,
    ) -> None:
        """One that runs is refused, unless *force*."""
        node = await _find(services, role, node_id)
        if not force and node.status not in ("inactive", "lost", "error"):
            raise Problem(
                409, "expected a node that is inactive or lost, got one that runs; try: stop it, or use --force"
            )
        await services.life.remove(node_id, force=force)


async def _find(services: Services, role: Role, node_id: int) -> NodeRecord:
    nodes: Sequence[NodeRecord] = await services.nodes.list_nodes(role)
    for node in nodes:
        if node.id == node_id:
            return node
    raise Problem(404, f"no {role.name} has the id {node_id}")


routers = (nodes_router(WORKER), nodes_router(SENSOR))
