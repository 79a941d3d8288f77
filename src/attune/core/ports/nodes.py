"""Where nodes register and live."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from attune.core.nodes.role import Role
from attune.core.runtimes.verdict import Verdict

if TYPE_CHECKING:  # `attune detect` needs neither, and starts often
    from attune.core.matching.fleet import Node
    from attune.core.nodes.fleet_losses import RuntimeLoss
    from attune.core.nodes.health import CheckedVerdict, Transition, TransitionRecord
    from attune.core.nodes.requests import NodeRequest


@dataclass(frozen=True, slots=True)
class Registration:
    """What a node says of itself when it joins. `labels` are facts and what the operator set, as written."""

    name: str
    role: Role
    host: str
    pid: int
    capabilities: Mapping[str, Any]
    verdicts: Sequence[Verdict] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRecord:
    """A node as the registry knows it; ages are in seconds. `generation` grows whenever its capabilities change.

    `problem` is why it can run nothing at present, None where it can.
    """

    id: int
    name: str
    role: str
    host: str | None
    status: str
    capabilities: Mapping[str, Any] = field(default_factory=dict)
    last_heartbeat: datetime | None = None
    heartbeat_age: float | None = None
    pid: int | None = None
    generation: int = 0
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeRecord:
    """What the registry knows of one runtime on one node."""

    ref: str
    name: str
    status: str
    version: str | None
    path: str | None
    reason: str
    instances: Any = ()
    evidence: Any = None
    checked_at: datetime | None = None
    since: datetime | None = None
    failures: int = 0


@dataclass(frozen=True, slots=True)
class HealthReport:
    """What health checks found by *now*, on the sender's clock; `offer` is what it registers, None for no change."""

    now: float
    checked: "Sequence[CheckedVerdict]" = ()
    transitions: "Sequence[Transition]" = ()
    offer: Registration | None = None


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a node learns from its own heartbeat: its status, and how often it has been asked to reload."""

    status: str
    reloads: int = 0


@dataclass(frozen=True, slots=True)
class Predecessor:
    """Who held a name until it was taken over: heard of *age* seconds before, on this boot of the machine or not."""

    age: float
    same_boot: bool


@dataclass(frozen=True, slots=True)
class NodeInstance:
    """What tells one node of a name from others: the key of its data folder, and this boot of its machine."""

    key: str | None = None
    boot: str | None = None


@dataclass(frozen=True, slots=True)
class Overdue:
    """When a node without a heartbeat counts as what, in seconds."""

    stale_after: float = 30.0
    lost_after: float = 60.0
    amnesty: float = 60.0
    look_every: float = 5.0


class NodeControl(Protocol):
    """What operators ask of nodes; False where there is none that could."""

    async def drain(self, node_id: int) -> bool: ...

    async def resume(self, node_id: int) -> bool: ...

    async def reload(self, node_id: int) -> bool: ...

    async def remove(self, node_id: int, *, force: bool = False) -> None:
        """Forget a node. Raises `UsageError` for one that runs, unless *force*."""


class NodeLifecycle(NodeControl, Protocol):
    """What operators ask of nodes, and what becomes of nodes that are not heard of."""

    async def mark_overdue(self, rules: Overdue, judge: int) -> int:
        """Mark nodes `stale` and `lost`; how many changed.

        Nothing happens unless node *judge* is itself heard of, and a pause between two looks that is longer than
        `rules.stale_after` counts as a tenth of `rules.lost_after`: nobody may have reached the database meanwhile.
        """


class NodeReader(Protocol):
    """What is known of nodes."""

    async def list_nodes(self, role: Role | None = None) -> Sequence[NodeRecord]:
        """The nodes, by role and name."""

    async def node_runtimes(self, node_id: int) -> Sequence[RuntimeRecord]:
        """What is known of every runtime on a node, by ref."""

    async def node_transitions(self, node_id: int, limit: int = 100) -> "Sequence[TransitionRecord]":
        """The last changes of what a node offers, newest first."""


class NodeRegistry(NodeReader, Protocol):
    """Where nodes register what they can run."""

    async def claim(
        self, name: str, role: Role, *, host: str, pid: int, instance: NodeInstance | None = None
    ) -> Predecessor | None:
        """Take over the lease of *name*, where it is free, lost, or of the same instance; who may still work under it.

        Raises `NameTakenError` that says who holds it.
        """

    @property
    def epoch(self) -> int | None:
        """The number of the lease of the name, None while none is held."""

    async def register(self, registration: Registration) -> int:
        """Write the node, active, with its capabilities and verdicts; its id."""

    async def heartbeat(self, node_id: int, refused: str = "") -> Heartbeat | None:
        """Note that the node lives, and what it cannot store; what there is to say to it, None if its row is gone.

        Raises `SupersededError`, as everything does that is written under a lease, once the name was taken over.
        """

    async def news(self, node_id: int, timeout_seconds: float) -> None:
        """Wait until somebody asks something of this node, at most *timeout_seconds*."""

    async def record_health(self, node_id: int, report: HealthReport) -> bool:
        """Write what health checks found, all or nothing, and announce the transitions; False if the row is gone."""

    async def degrade(self, node_id: int, problem: str | None) -> None:
        """Note why the node can run nothing, None that it can again; a change between the two is a transition."""

    async def leave(self, node_id: int | None = None) -> None:
        """Mark the node inactive and give its name back."""

    async def fleet(self, role: Role) -> "Sequence[Node]":
        """Every node of *role* as the matcher sees it, by id."""


class FleetLosses(Protocol):
    """Where nodes see how much of the fleet loses a runtime within minutes."""

    async def note_losing(self, node_id: int, refs: Collection[str]) -> "Sequence[RuntimeLoss]":
        """Note, for all others at once, which of *refs* a node loses unless it keeps them; each among its role."""

    async def list_losses(self) -> "Sequence[RuntimeLoss]":
        """What is lost or kept at present, by role and ref."""


class NodeRequests(Protocol):
    """Where requests wait for their nodes, and answers for whoever asked."""

    async def ask(
        self, nodes: Sequence[int], kind: str, body: Mapping[str, Any], *, asked_by: str, lasts: float
    ) -> Mapping[int, int]:
        """Ask each of *nodes*, for *lasts* seconds; the node of each request by its id. Nodes that are gone are not."""

    async def answers(self, requests: Collection[int]) -> Mapping[int, Mapping[str, Any]]:
        """The answers that are there, by the id of the request."""

    async def open(self, node_id: int, known: Collection[int] = ()) -> "Sequence[NodeRequest]":
        """What is asked of a node and not answered yet, oldest first, without those that are *known*."""

    async def answer(self, request: int, answer: Mapping[str, Any]) -> bool:
        """Answer a request; False if nobody waits for it any more."""
