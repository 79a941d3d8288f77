"""The fleet, indexed: all nodes that satisfy a requirement, in microseconds, at 100,000 nodes.

One bit set for each value of each runtime, label and taint; a requirement is a few operations on them. The nodes
themselves are not kept. `matching.match` is the specification: `eligible` gives the ids that it would call eligible.
Not for several threads at once.
"""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from typing import Union
from weakref import WeakValueDictionary

from attune.core.matching.fleet import Node, NodeStatus
from attune.core.matching.index.facets import EMPTY, Facet, Feature, Key, ManyValues, picked
from attune.core.matching.index.plans import (
    CATEGORY,
    EVERYONE,
    LABEL,
    RUNTIME,
    TAINT,
    RequirementPlan,
    TermPlan,
    offers_of,
    patched,
)
from attune.core.matching.requirement import Requirement
from attune.core.matching.survey import Category, survey
from attune.core.matching.terms import Term

_MANY_VALUES = 1024
_KEPT_PLANS = 128
_KEPT_IDS = 500_000

Row = Union[bytes, "array[int]"]


class FleetIndex:
    """The nodes by id. A label with more than *many_values* values is kept apart, without a bit set for each."""

    def __init__(self, nodes: Iterable[Node] = (), *, many_values: int = _MANY_VALUES) -> None:
        self._many_values = many_values
        self._facets: dict[Key, Facet] = {}
        self._features: list[Feature | None] = []  # by number; None: the number is free or no longer used
        self._free_numbers: list[int] = []
        self._rows: dict[int, Row] = {}  # by node: its slot, then the numbers of its features
        self._ids: list[int] = []  # by slot
        self._ascending = True  # whether the ids are, in the order of slots
        self._free_slots: list[int] = []
        self._clock = 0
        self._epoch = 0  # grows when a slot gets another node
        self._categories: dict[tuple[NodeStatus, bool], Category] = {}
        self._apart: dict[str, ManyValues] = {}
        self._plans: dict[Requirement, RequirementPlan] = {}
        self._terms: WeakValueDictionary[Term, TermPlan] = WeakValueDictionary()
        self._kept_ids = 0
        self._asked = 0  # how often
        for node in nodes:
            self.put(node)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, node_id: int) -> bool:
        return node_id in self._rows

    def put(self, node: Node) -> None:
        """Take in a node, or what has become of one."""
        row = self._rows.get(node.id)
        if row is None:
            slot, old = self._new_slot(node.id), set[int]()
        else:
            slot, old = _read(row)
        new = self._describe(node)
        self._clock += 1
        for number in old - new:
            self._discard(number, slot)
        for number in new - old:
            self._add(number, slot)
        self._put_apart(slot, node.labels)
        self._rows[node.id] = _row(slot, new)

    def remove(self, node_id: int) -> bool:
        """Forget a node; whether it was known."""
        row = self._rows.pop(node_id, None)
        if row is None:
            return False
        self._clock += 1
        slot, numbers = _read(row)
        for number in numbers:
            self._discard(number, slot)
        self._put_apart(slot, {})
        self._free_slots.append(slot)
        return True

    def eligible(self, requirement: Requirement, *, tolerations: Iterable[str] = ()) -> tuple[int, ...]:
        """The ids of all nodes that can take the work now, ascending; those of `matching.match`."""
        plan = self._fresh_plan(requirement, tolerations)
        ids = plan.ids if plan.epoch == self._epoch else None
        if ids is not None and plan.bits == plan.bits_of_ids:
            return ids
        if ids is not None:
            ids = patched(ids, plan.bits_of_ids ^ plan.bits, plan.bits, self._ids.__getitem__)
        self._keep(plan, self._ids_of(plan.bits) if ids is None else ids)
        assert plan.ids is not None
        return plan.ids

    def count(self, requirement: Requirement, *, tolerations: Iterable[str] = ()) -> int:
        """How many nodes can take the work now."""
        return self._fresh_plan(requirement, tolerations).bits.bit_count()

    def undecided(self, requirement: Requirement, *, tolerations: Iterable[str] = ()) -> tuple[int, ...]:
        """The ids of the nodes on which nothing fails but something is unknown, ascending."""
        plan = self._fresh_plan(requirement, tolerations)
        yes, maybe = plan.sets(self._facets)
        categories = self._facets.get(CATEGORY, EMPTY)
        fit = maybe & ~self._repelled(plan) & ~categories.among([Category.REJECTED, Category.GONE])
        return self._ids_of(fit & (~yes | categories.among([Category.UNDECIDED])))

    def _fresh_plan(self, requirement: Requirement, tolerations: Iterable[str]) -> RequirementPlan:
        added = set(tolerations).difference(requirement.tolerations)
        if added:
            requirement = replace(requirement, tolerations=tuple(sorted(added.union(requirement.tolerations))))
        plan = self._plans.get(requirement)
        if plan is None:
            if len(self._plans) >= _KEPT_PLANS:
                oldest = min(self._plans.values(), key=lambda plan: plan.used)
                self._forget_ids(self._plans.pop(oldest.requirement))
            plan = RequirementPlan(
                requirement, [self._terms.setdefault(term, TermPlan(term)) for term in requirement.terms]
            )
            self._plans[requirement] = plan
        self._asked = plan.used = self._asked + 1
        if plan.stamp != self._clock:
            able = self._facets.get(CATEGORY, EMPTY).among([Category.ABLE])
            plan.bits = plan.sets(self._facets).yes & able & ~self._repelled(plan)
            plan.stamp = self._clock
        return plan

    def _repelled(self, plan: RequirementPlan) -> int:
        return self._facets.get(TAINT, EMPTY).where(lambda taint: taint not in plan.requirement.tolerations)

    def _ids_of(self, bits: int) -> tuple[int, ...]:
        node_ids = picked(self._ids, bits)
        return tuple(node_ids if self._ascending else sorted(node_ids))

    def _keep(self, plan: RequirementPlan, ids: tuple[int, ...]) -> None:
        self._forget_ids(plan)
        plan.ids, plan.bits_of_ids, plan.epoch = ids, plan.bits, self._epoch
        self._kept_ids += len(ids)
        if self._kept_ids > _KEPT_IDS:
            for other in sorted(self._plans.values(), key=lambda plan: plan.used):
                if other is not plan and self._kept_ids > _KEPT_IDS:
                    self._forget_ids(other)

    def _forget_ids(self, plan: RequirementPlan) -> None:
        self._kept_ids -= len(plan.ids or ())
        plan.ids = None

    def _new_slot(self, node_id: int) -> int:
        if self._free_slots:
            slot = self._free_slots.pop()
            self._ids[slot] = node_id
            self._epoch += 1
            self._ascending = False
            return slot
        self._ascending = self._ascending and node_id >= self._ids[-1] if self._ids else True
        self._ids.append(node_id)
        return len(self._ids) - 1

    def _describe(self, node: Node) -> set[int]:
        """The numbers of what the index keeps of *node*."""
        state = (node.status, node.is_full)
        category = self._categories.get(state)
        if category is None:
            (profile,) = survey(Requirement(), [replace(node, taints=frozenset())]).profiles
            category = self._categories[state] = profile.category
        numbers = {self._number(EVERYONE, True), self._number(CATEGORY, category)}
        numbers.update(self._number(TAINT, taint) for taint in node.taints)
        numbers.update(self._number((LABEL, k), v) for k, v in node.labels.items() if k not in self._apart)
        for name, capability in node.capabilities.items():
            numbers.update(self._number((RUNTIME, name), offer) for offer in offers_of(capability))
        return numbers

    def _number(self, key: Key, value: Hashable) -> int:
        facet = self._facets.get(key)
        if facet is None:
            facet = self._facets[key] = Facet(key)
        feature = facet.features.get(value)
        if feature is None:
            number = self._free_numbers.pop() if self._free_numbers else len(self._features)
            feature = facet.features[value] = Feature(number, facet, value)
            self._features[number : number + 1] = [feature]
        return feature.number

    def _add(self, number: int, slot: int) -> None:
        feature = self._features[number]
        assert feature is not None
        feature.add(slot)
        feature.facet.changed = self._clock
        if len(feature.facet.features) > self._many_values and feature.facet.key[0] == LABEL:
            self._set_apart(feature.facet)

    def _discard(self, number: int, slot: int) -> None:
        feature = self._features[number]
        if feature is None:
            return
        feature.discard(slot)
        facet = feature.facet
        facet.changed = self._clock
        if feature.count == 0:
            del facet.features[feature.value]
            self._features[number] = None
            self._free_numbers.append(number)
            if not facet.features:
                del self._facets[facet.key]

    def _set_apart(self, facet: Facet) -> None:
        """Go on with *facet*, a label, as one of many values. Rows keep its numbers, which are not used again."""
        for feature in facet.features.values():
            self._features[feature.number] = None
        self._facets[facet.key] = self._apart[facet.key[1]] = ManyValues(facet)

    def _put_apart(self, slot: int, labels: Mapping[str, str]) -> None:
        for name, facet in self._apart.items():
            if facet.put(slot, labels.get(name)):
                facet.changed = self._clock


def _row(slot: int, numbers: Iterable[int]) -> Row:
    """Packed, since there is one for each node: two bytes a number wherever they suffice."""
    halves = (slot & 0xFFFF, slot >> 16)
    try:
        return array("H", (*halves, *numbers)).tobytes()
    except OverflowError:
        return array("I", (*halves, *numbers))


def _read(row: Row) -> tuple[int, set[int]]:
    if isinstance(row, bytes):
        packed = array("H")
        packed.frombytes(row)
        row = packed
    low, high, *numbers = row
    return low | high << 16, set(numbers)
