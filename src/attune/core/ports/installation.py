"""What commands ask of an installation, wherever it is: of its database, or of its API on another machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from attune.core.access.tokens import Scope, TokenRecord
from attune.core.events.event import EventReader
from attune.core.matching.requirement import Preference, Requirement
from attune.core.nodes.health import TransitionRecord
from attune.core.nodes.role import WORKER, Role
from attune.core.packs.pack import PackStore
from attune.core.ports.executions import ExecutionStore
from attune.core.ports.nodes import NodeRecord, RuntimeRecord
from attune.core.ports.runtimes import RuntimeStore
from attune.core.ports.sensors import SensorReader


class NodeReader(Protocol):
    """The reading half of `NodeRegistry`."""

    async def list_nodes(self, role: Role | None = None) -> Sequence[NodeRecord]: ...

    async def node_runtimes(self, node_id: int) -> Sequence[RuntimeRecord]: ...

    async def node_transitions(self, node_id: int, limit: int = 100) -> Sequence[TransitionRecord]: ...


class NodeControl(Protocol):
    """What operators ask of nodes: `NodeLifecycle` without the watching."""

    async def drain(self, node_id: int) -> bool: ...

    async def resume(self, node_id: int) -> bool: ...

    async def reload(self, node_id: int) -> bool: ...

    async def remove(self, node_id: int, *, force: bool = False) -> None: ...


@dataclass(frozen=True, slots=True)
class MatchQuery:
    """Where can work run that needs *requirement*? At most *limit* nodes are listed."""

    requirement: Requirement
    preferences: Sequence[Preference] = ()
    tolerations: Sequence[str] = ()
    role: Role = WORKER
    limit: int = 10


class Matcher(Protocol):
    """Answers where work can run."""

    async def answer(self, query: MatchQuery) -> Mapping[str, Any]:
        """The ranked nodes and the explanation, as `Placed.to_data` has them."""
        ...


class TokenStore(Protocol):
    """Who may use the API."""

    async def create(
        self, name: str, scope: Scope, *, created_by: str, expires_in: float | None = None
    ) -> tuple[TokenRecord, str]:
        """A new token and its text. Raises `UsageError` for a name that a live token has."""
        ...

    async def list_tokens(self) -> Sequence[TokenRecord]:
        """Every token, newest first."""
        ...

    async def revoke(self, token_id: int) -> bool:
        """End a token and its sessions; False if there is no live one."""
        ...

    async def login_link(self, token_id: int) -> str:
        """A code that opens the page in the name of a token, for a day."""
        ...


@dataclass(frozen=True, slots=True)
class Installation:
    """The stores of one installation. `origin` names where they are, for people, without any secret.

    `sensors`, `packs` and `events` are None where only the database can tell of them.
    """

    origin: str
    runtimes: RuntimeStore
    nodes: NodeReader
    control: NodeControl
    matcher: Matcher
    tokens: TokenStore
    sensors: SensorReader | None = None
    packs: PackStore | None = None
    events: EventReader | None = None
    executions: ExecutionStore | None = None
