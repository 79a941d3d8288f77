"""The smallest changes that would make work placeable, each tried before it is told: one change, or two together."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from itertools import product

from attune.core.matching.fleet import Node, NodeStatus
from attune.core.matching.nearest import Distance, nearness
from attune.core.matching.repair.fixes import ChangeKind, Remedy, RepairChange, fixes_for
from attune.core.matching.requirement import Requirement
from attune.core.matching.survey import Category, FleetSurvey, Profile, survey

_PER_KIND = {ChangeKind.RESUME: 3}  # 2 of any other that changes a node
_TRIED = 12  # pairs that are tried
MAX_TOGETHER = 2  # changes that one repair may combine
_SOURCES = 60  # groups of nodes whose faults are looked at, nearest first
_MATCHES = 20_000  # of single nodes, for all the trials of one explanation
_TOLD = 8
_NODES = 3  # of one group, for changes of a node
_ORDER = tuple(ChangeKind)


@dataclass(frozen=True, slots=True)
class Repair:
    """Changes that together make the work placeable; `admits` nodes can then take it at once."""

    changes: tuple[RepairChange, ...]
    admits: int

    def to_data(self) -> dict[str, object]:
        return {"text": str(self), "admits": self.admits, "changes": [change.to_data() for change in self.changes]}

    def __str__(self) -> str:
        text = " and ".join(map(str, self.changes))
        if all(change.kind is ChangeKind.RESUME for change in self.changes):
            return f"{text} -> runs now"
        if not self.admits or any(change.node_id is not None for change in self.changes):
            return text
        return f"{text} -> {self.admits} {'worker' if self.admits == 1 else 'workers'}"


def repairs_for(surveyed: FleetSurvey) -> tuple[Repair, ...]:
    """What would help where no node is able, best first. Empty where more than two changes would be needed."""
    requirement = surveyed.requirement
    idle = [profile for profile in surveyed.profiles if not profile.nodes[0].is_full]
    for together in range(1, MAX_TOGETHER + 1):
        fine = surveyed.refined(profile for profile in idle if _changes_needed(profile) == together)
        limit = _NODES if together == 1 else 1
        sources = nsmallest(_SOURCES, fine, key=nearness())
        near = [fixes for profile in sources if (fixes := fixes_for(requirement, profile, limit))]
        repairs = _tried(requirement, _combined(near, together), fine)
        if repairs:
            return repairs
    return ()


def applied(
    changes: Iterable[RepairChange], requirement: Requirement, nodes: Iterable[Node]
) -> tuple[Requirement, list[Node]]:
    """The requirement and the fleet as they are after *changes*; the arguments stay as they are."""
    changed = list(nodes)
    for change in changes:
        requirement, changed = change.apply(requirement, changed)
    return requirement, changed


def _changes_needed(profile: Profile) -> int:
    return profile.faults + (profile.nodes[0].status is not NodeStatus.ACTIVE)


Combination = tuple[Remedy, ...]


def _combined(near: Sequence[list[list[Remedy]]], together: int) -> list[Combination]:
    """The combinations that cure a node each, least first, few of a kind."""
    best: dict[tuple[str, ...], tuple[list[Distance], Combination]] = {}
    for fixes in near:
        worded = [[(str(remedy.change), remedy) for remedy in some] for some in fixes]
        for pairs in product(*worded):
            texts = tuple([text for text, _ in pairs])
            combination = tuple([remedy for _, remedy in pairs])
            far = sorted([remedy.distance for remedy in combination], reverse=True)
            if texts not in best or far < best[texts][0]:
                best[texts] = (far, combination)
    kept: list[Combination] = []
    counts = Counter[object]()
    for texts in sorted(best, key=lambda texts: (best[texts][0], [len(text) for text in texts], texts)):
        combination = best[texts][1]
        kind, limit = _kind(combination)
        counts[kind] += 1
        if counts[kind] <= limit:
            kept.append(combination)
    return kept[: _TRIED if together > 1 else None]


def _kind(combination: Combination) -> tuple[object, int]:
    """What it is one of, and how many of those are worth telling."""
    if len(combination) > 1:
        changes = [remedy.change for remedy in combination]
        on_node = any(change.node_id is not None for change in changes)
        kinds = tuple((change.kind, change.taint, change.term and str(change.term)) for change in changes)
        return kinds, 1 if on_node else 2
    change = combination[0].change
    if change.node_id is not None:
        return change.kind, _PER_KIND.get(change.kind, 2)
    return (change.kind, change.term, change.taint, combination[0].direction), 1


def _tried(
    requirement: Requirement, combinations: Iterable[Combination], fine: Sequence[Profile]
) -> tuple[Repair, ...]:
    trial = _Trial(requirement, fine)
    tried = [tuple(remedy.change for remedy in combination) for combination in combinations]
    repairs = [Repair(changes, admits) for changes in tried if (admits := trial.admitted(changes))]
    ranks = {repair: sorted(_ORDER.index(change.kind) for change in repair.changes)[::-1] for repair in repairs}
    return tuple(sorted(repairs, key=lambda repair: (ranks[repair], -repair.admits))[:_TOLD])


class _Trial:
    """Applies changes and matches again. One node of each profile stands for the others, which no term tells apart."""

    def __init__(self, requirement: Requirement, profiles: Sequence[Profile]) -> None:
        self._requirement = requirement
        self._profile_of = {profile.nodes[0].id: profile for profile in profiles}
        self._affordable = max(2, _MATCHES // max(1, len(profiles)))
        self._able: dict[tuple[RepairChange, ...], dict[int, Profile]] = {}

    def admitted(self, changes: Sequence[RepairChange]) -> int:
        """How many nodes are able after *changes*."""
        relaxed = tuple(change for change in changes if change.node_id is None)
        able = self._able_when(relaxed)
        count = sum(len(profile.nodes) for profile in able.values())
        for node_id in {change.node_id for change in changes if change.node_id is not None}:
            pairs = ((profile, node) for profile in self._profile_of.values() for node in profile.nodes)
            profile, node = next((profile, node) for profile, node in pairs if node.id == node_id)
            (after,) = survey(*applied(changes, self._requirement, [node])).profiles
            count += (after.category is Category.ABLE) - (profile.nodes[0].id in able)
        return count

    def _able_when(self, relaxed: tuple[RepairChange, ...]) -> dict[int, Profile]:
        """The profiles that are able when only what is asked for changes, by the id of their first node."""
        profiles = self._able.get(relaxed)
        if profiles is None and len(self._able) >= self._affordable:
            return {}  # not tried, so not told
        if profiles is None:
            firsts = [profile.nodes[0] for profile in self._profile_of.values()]
            surveyed = survey(*applied(relaxed, self._requirement, firsts))
            able = [profile for profile in surveyed.profiles if profile.category is Category.ABLE]
            profiles = {node.id: self._profile_of[node.id] for profile in able for node in profile.nodes}
            self._able[relaxed] = profiles
        return profiles
