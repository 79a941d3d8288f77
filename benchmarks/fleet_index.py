"""The fleet, indexed: all nodes that satisfy a requirement, within milliseconds, at 100,000 nodes.

One set of nodes for each key of `capability_keys`; a requirement is a few operations on them. The nodes themselves are
not kept. `matching.match` is the specification: `eligible` gives the ids that it would call eligible. Not for several
threads at once.
"""

from collections.abc import Iterable
from functools import reduce
from itertools import compress
from operator import or_

from attune.core.matching.capability_keys import Key, keys_of, need_of
from attune.core.matching.fleet import Node, NodeStatus
from attune.core.matching.requirement import Requirement

_FEW = 32  # nodes up to which they are listed instead of having a bit each
_SPARSE = 500  # bits up to which they are looked for one by one
_ONES = bytes(code == ord("1") for code in range(256))


class KeyHolders:
    """The nodes that have one key; a node is a small number here, its slot."""

    __slots__ = ("_few", "_many", "key")

    def __init__(self, key: Key) -> None:
        self.key = key
        self._few: tuple[int, ...] = ()
        self._many = 0  # a bit for each node that is not among the few

    def __bool__(self) -> bool:
        return bool(self._few or self._many)

    def add(self, slot: int) -> None:
        """Note a node that is not in it."""
        if self._many:
            self._many |= 1 << slot
        elif len(self._few) < _FEW:
            self._few = (*self._few, slot)
        else:
            self._many, self._few = self.bits | 1 << slot, ()

    def discard(self, slot: int) -> None:
        """Forget a node that is in it."""
        if self._many:
            self._many ^= 1 << slot
        else:
            self._few = tuple(one for one in self._few if one != slot)

    @property
    def bits(self) -> int:
        """A number with a bit for each node."""
        return self._many | sum(1 << slot for slot in self._few)


class FleetIndex:
    """The nodes by id."""

    def __init__(self, nodes: Iterable[Node] = ()) -> None:
        self._known: dict[tuple[str, str], dict[tuple[str, str], KeyHolders]] = {}
        self._able = KeyHolders(Key("", ""))  # those that take work now
        self._rows: dict[int, tuple[int, tuple[KeyHolders, ...]]] = {}  # by node: its slot, and where it is noted
        self._ids: list[int] = []  # by slot
        self._free: list[int] = []
        for node in nodes:
            self.put(node)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, node_id: int) -> bool:
        return node_id in self._rows

    def put(self, node: Node) -> None:
        """Take in a node, or what has become of one."""
        slot, old = self._rows.get(node.id) or (self._new_slot(node.id), ())
        new = set(map(self._holders, keys_of(node)))
        if node.status is NodeStatus.ACTIVE and not node.is_full:
            new.add(self._able)
        for holders in new.difference(old):
            holders.add(slot)
        self._discard(slot, set(old) - new)
        self._rows[node.id] = slot, tuple(new)

    def remove(self, node_id: int) -> bool:
        """Forget a node; whether it was known."""
        if node_id not in self._rows:
            return False
        slot, old = self._rows.pop(node_id)
        self._discard(slot, old)
        self._free.append(slot)
        return True

    def eligible(self, requirement: Requirement, *, tolerations: Iterable[str] = ()) -> tuple[int, ...]:
        """The ids of all nodes that can take the work now, ascending; those of `matching.match`."""
        bits = self._eligible(requirement, tolerations)
        if bits.bit_count() > _SPARSE:
            return tuple(sorted(compress(self._ids, bin(bits)[:1:-1].encode().translate(_ONES))))
        ids = []
        while bits:
            ids.append(self._ids[bits.bit_length() - 1])
            bits ^= 1 << bits.bit_length() - 1
        return tuple(sorted(ids))

    def count(self, requirement: Requirement, *, tolerations: Iterable[str] = ()) -> int:
        """How many nodes can take the work now."""
        return self._eligible(requirement, tolerations).bit_count()

    def _eligible(self, requirement: Requirement, tolerations: Iterable[str]) -> int:
        need = need_of(requirement.terms, self._known, {*requirement.tolerations, *tolerations})
        bits = self._able.bits
        for some in need.some:
            bits &= _union(some)
        return bits & ~_union(need.none)

    def _new_slot(self, node_id: int) -> int:
        if not self._free:
            self._ids.append(node_id)
            return len(self._ids) - 1
        slot = self._free.pop()
        self._ids[slot] = node_id
        return slot

    def _holders(self, key: Key) -> KeyHolders:
        values = self._known.setdefault(key[:2], {})
        return values.get(key[2:]) or values.setdefault(key[2:], KeyHolders(key))

    def _discard(self, slot: int, noted: Iterable[KeyHolders]) -> None:
        for holders in noted:
            holders.discard(slot)
            if not holders and holders is not self._able:
                values = self._known[holders.key[:2]]
                del values[holders.key[2:]]
                if not values:
                    del self._known[holders.key[:2]]


def _union(several: Iterable[KeyHolders]) -> int:
    return reduce(or_, (holders.bits for holders in several), 0)
