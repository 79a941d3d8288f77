"""Nodes as the matcher sees them: what they can run, their labels and taints, and whether they can take work."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from attune.core.runtimes.aliases import is_ref
from attune.core.runtimes.verdict import Instance, Status, Verdict

CapabilityInstance = Instance  # its name in programs that were written for earlier versions


class NodeStatus(StrEnum):
    """Whether a node takes work."""

    ACTIVE = "active"
    BUSY = "busy"
    DRAINING = "draining"  # finishes what it has, takes nothing new
    DEGRADED = "degraded"  # has no place to run anything, heals by itself
    STALE = "stale"  # its heartbeat is late
    LOST = "lost"  # not heard of for so long that its work was given to others
    STARTING = "starting"  # has not said yet what it can run
    INACTIVE = "inactive"  # left
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Capability:
    """What a node knows of one runtime. Ages are in seconds.

    `evidence` is the command that decided, as a person would type it. `last_good_version` and `last_good_age`
    tell of the last time it was available, where it is not now. `cached`: an earlier run of the node verified it, this
    one not yet. `ref` is that of its definition, "" where several are joined. `checked_at` is when it was verified, by
    the host's clock (epoch), where the node itself asks.
    """

    name: str
    status: Status = Status.AVAILABLE
    instances: tuple[Instance, ...] = ()
    reason: str = ""
    evidence: str = ""
    age: float | None = None
    last_good_version: str | None = None
    last_good_age: float | None = None
    cached: bool = False
    ref: str = ""
    checked_at: float | None = None

    @classmethod
    def of(cls, verdict: Verdict) -> "Capability":
        """What *verdict* says, without an age: it was reached just now."""
        evidence = verdict.evidence
        return cls(
            verdict.capability,
            verdict.status,
            verdict.instances,
            verdict.reason,
            " ".join(evidence.command) if evidence else "",
            evidence.cached_age if evidence else None,
            verdict.version if verdict.status is Status.UNKNOWN else None,
            cached=verdict.is_cached,
            ref=verdict.ref,
            checked_at=evidence.at if evidence else None,
        )


@dataclass(frozen=True, slots=True)
class Node:
    """One node, its capabilities by folded name and by ref, its labels by folded name.

    `max_concurrent` is how many executions it runs at once, None for no limit.
    """

    id: int
    name: str
    capabilities: Mapping[str, Capability] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: frozenset[str] = frozenset()
    status: NodeStatus = NodeStatus.ACTIVE
    role: str = "worker"
    running: int = 0
    max_concurrent: int | None = None

    def without(self, runtimes: Collection[str]) -> "Node":
        """The same node as if it had none of *runtimes* (refs, or names that stand for no ref)."""
        gone = {self.capabilities[key].name for key in runtimes if key in self.capabilities}
        left = {key: kept for key, kept in self.capabilities.items() if key not in runtimes and key not in gone}
        return replace(self, capabilities=left | by_name(kept for kept in left.values() if kept.name in gone))

    @property
    def is_full(self) -> bool:
        """Whether it takes work in principle, but not now."""
        limit = self.max_concurrent
        return (limit is not None and self.running >= limit) or self.status is NodeStatus.BUSY

    @property
    def load(self) -> float:
        """How much of its capacity is in use; without a limit, a node is as loaded as one with a limit of 100."""
        return self.running / (self.max_concurrent or 100)


def first_by_name(nodes: Iterable[Node], limit: int) -> list[Node]:
    """The first *limit* nodes by name, w2 before w12. Sorts no more than it must, for there may be 100,000."""
    lengths: dict[int, list[Node]] = {}
    for node in nodes:
        lengths.setdefault(len(node.name), []).append(node)
    first: list[Node] = []
    for length in sorted(lengths):
        first.extend(sorted(lengths[length], key=lambda node: (node.name, node.id))[: limit - len(first)])
        if len(first) == limit:
            break
    return first


def capabilities_of(verdicts: Iterable[Verdict]) -> dict[str, Capability]:
    """What *verdicts* say, by name and by ref."""
    return by_name(Capability.of(verdict) for verdict in verdicts)


def by_name(capabilities: Iterable[Capability]) -> dict[str, Capability]:
    """Each by its ref, which no name stands for, and those of one name by that: the best wins, instances add up."""
    by_ref: dict[str, Capability] = {}
    joined: dict[str, Capability] = {}
    for new in capabilities:
        if "." in new.ref:
            by_ref[new.ref] = new
        if not is_ref(new.name):
            old = joined.get(new.name)
            joined[new.name] = new if old is None else _joined(old, new)
    return joined | by_ref


_RANK = (Status.AVAILABLE, Status.DECLARED, Status.ASSUMED, Status.UNKNOWN, Status.INVALID, Status.UNAVAILABLE)


def _joined(old: Capability, new: Capability) -> Capability:
    best, other = sorted((old, new), key=lambda capability: _RANK.index(capability.status))
    if best.status is not other.status or not best.status.offered:
        return best
    instances = tuple(dict.fromkeys((*best.instances, *other.instances)))
    cached = best.cached or other.cached
    return Capability(best.name, best.status, instances, best.reason, best.evidence, best.age, cached=cached)
