"""Nodes over the API: `NodeReader` and `NodeControl`."""

from collections.abc import Sequence

from attune.client.wire import ApiAnswer, OverWire, Wire, record_of
from attune.core.errors import UsageError
from attune.core.nodes.health import TransitionRecord
from attune.core.nodes.role import ROLES, Role
from attune.core.ports.nodes import NodeRecord, RuntimeRecord

_RUNS = 409  # the node is in no state for what was asked
_GONE = 404


class HttpNodes(OverWire):
    """`NodeReader` over the API."""

    async def list_nodes(self, role: Role | None = None) -> Sequence[NodeRecord]:
        roles = ROLES.values() if role is None else [role]
        nodes = [
            record_of(NodeRecord, data, role=each.name)
            for each in roles
            for data in await self._wire.pages(f"/api/{each.name}s")
        ]
        return sorted(nodes, key=lambda node: (node.role == "sensor", node.name))

    async def node_runtimes(self, node_id: int) -> Sequence[RuntimeRecord]:
        answer = await _of_either_role(self._wire, "GET", node_id, "/capabilities")
        listed = answer.data["results"] if answer.status == 200 else []
        return [record_of(RuntimeRecord, data) for data in listed]

    async def node_transitions(self, node_id: int, limit: int = 100) -> Sequence[TransitionRecord]:
        answer = await _of_either_role(self._wire, "GET", node_id, "/transitions", limit=limit)
        listed = answer.data["data"] if answer.status == 200 else []
        return [record_of(TransitionRecord, data) for data in listed]


class HttpControl(OverWire):
    """`NodeControl` over the API."""

    async def drain(self, node_id: int) -> bool:
        return await self._ask(node_id, "drain")

    async def resume(self, node_id: int) -> bool:
        return await self._ask(node_id, "resume")

    async def reload(self, node_id: int) -> bool:
        return await self._ask(node_id, "reload")

    async def remove(self, node_id: int, *, force: bool = False) -> None:
        query = {"force": "true"} if force else {}
        answer = await _of_either_role(self._wire, "DELETE", node_id, "", **query)
        if answer.status in (_RUNS, _GONE):
            raise UsageError(
                "expected a node that is inactive or lost, got one that runs", hint="stop it, or use --force"
            )

    async def _ask(self, node_id: int, verb: str) -> bool:
        return (await _of_either_role(self._wire, "POST", node_id, f"/{verb}")).status < 400


async def _of_either_role(wire: Wire, method: str, node_id: int, rest: str, **query: str | int) -> ApiAnswer:
    """What is answered for a node whose role nobody said: ids are unique among all nodes."""
    for role in ROLES.values():
        answer = await wire.ask(method, f"/api/{role.name}s/{node_id}{rest}", query=query, accept=(_GONE, _RUNS))
        if answer.status != _GONE:
            break
    return answer
