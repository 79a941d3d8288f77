"""What only pages, graphs and lists read of a fleet. What is only passed on is JSON text."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from attune.core.matching.requirement import Requirement
from attune.core.nodes.role import Role

PROBE_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class NodeFilter:
    """Which nodes. `runtimes` are offered by name, `labels` as they stand, `q` is part of the name or host."""

    statuses: Sequence[str] = ()
    runtimes: Sequence[str] = ()
    labels: Sequence[tuple[str, str | None]] = ()
    requirement: Requirement | None = None
    q: str | None = None

    @staticmethod
    def label_pairs(texts: Iterable[str]) -> list[tuple[str, str | None]]:
        """The labels that *texts* are: `key=value`, or `key` for any value."""
        pairs = (text.partition("=") for text in texts)
        return [(key.strip(), value.strip() if equals else None) for key, equals, value in pairs]


@dataclass(frozen=True, slots=True)
class JsonPage:
    """Items as the text of a JSON list, and what the next page begins after, None on the last."""

    items: str
    next: tuple[Any, ...] | None


@dataclass(frozen=True, slots=True)
class MatrixColumn:
    """A runtime that somebody offers. `versions` says how many offer each, the most frequent first."""

    name: str
    offered: int
    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixRow:
    """A node. `cells` are by name: status, version and ref; `group` is its value of the label that groups them."""

    id: int
    name: str
    status: str
    group: str | None
    cells: dict[str, tuple[str, str | None, str]]


@dataclass(frozen=True, slots=True)
class FleetMatrix:
    """The nodes of a page, and what the whole filtered fleet offers; `labels` counts its nodes by key and value."""

    total: int
    columns: Sequence[MatrixColumn]
    rows: Sequence[MatrixRow]
    labels: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnservedDemand:
    """How many executions wait since when for what no worker that takes work has."""

    requirement: str
    executions: int
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetFigures:
    """What an operator looks at first."""

    active: int
    overdue: int
    troubled: int
    waiting: int
    stranded: int


@dataclass(frozen=True, slots=True)
class RuntimeCounts:
    """Counts of nodes that are not gone. `nodes` is the whole fleet of the roles that verify the runtime."""

    statuses: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)

    @property
    def nodes(self) -> int:
        return self.statuses.total()


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """How long the latest check of runtime *name* took on each node: how many less than each of `PROBE_BUCKETS`."""

    name: str
    counts: Sequence[int]
    total: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetMetrics:
    """Counts by labels; `without_worker` of the executions that have not ended need what no live worker offers."""

    workers: Mapping[tuple[str, str], int]
    runtimes: Mapping[tuple[str, str, str], int]
    probes: Sequence[Probes]
    transitions: Mapping[tuple[str, str], int]
    executions: Mapping[tuple[str, str], int]
    without_worker: int
    dead_letters: Mapping[str, int]
    refusing_nodes: int
    pending_events: int
    paused_rules: int
    removed: Mapping[str, int]
    losses: Mapping[tuple[str, str, str], int]


class NodePages(Protocol):
    """The nodes of one role."""

    async def page(
        self, role: Role, wanted: NodeFilter, *, after: tuple[str, int] | None = None, limit: int = 100
    ) -> JsonPage:
        """The next *limit* nodes by name."""

    async def show(self, role: Role, node_id: int) -> str | None:
        """One node as JSON; None if there is none of that role."""

    async def capabilities(self, role: Role, node_id: int) -> str | None:
        """What a node offers and how each verdict was reached, as JSON; None if there is none of that role."""

    async def exists(self, role: Role, node_id: int) -> bool:
        """Whether there is such a node of that role."""

    async def transitions(self, *, node_id: int | None = None, before: int | None = None, limit: int = 100) -> JsonPage:
        """What nodes, or one node, gained and lost, newest first."""


class FleetPages(Protocol):
    """The fleet at a glance."""

    async def matrix(
        self, role: Role, wanted: NodeFilter, *, group: str = "", skip: int = 0, limit: int = 200
    ) -> FleetMatrix:
        """The nodes of *role* that *wanted* leaves, by the label *group* and by name."""

    async def unserved(self, limit: int) -> Sequence[UnservedDemand]:
        """The demand that nobody can serve, the largest first."""

    async def figures(self) -> FleetFigures:
        """The figures at the top of the fleet."""

    async def runtime_counts(self, ref: str | None = None) -> Mapping[str, RuntimeCounts]:
        """Where every definition that some node has looked at is, or *ref* alone, by ref."""

    async def metrics(self) -> FleetMetrics:
        """The figures of the whole fleet, at most a few seconds old."""
