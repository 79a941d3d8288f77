"""Sets of nodes as bit sets: which nodes have one value of one facet, where a node is a small number, its slot.

A facet is something nodes differ in: a runtime, a label, a taint. What the bits mean for a requirement is left to
`plans.py`, who has which slot to `fleet_index.py`.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import compress

from attune.core.runtimes.interval import Truth

_FEW = 32  # slots up to which a list is kept instead of a bit for every node
Key = tuple[str, str]  # what kind of facet, and its name
_NO_HASH = b"\xff" * 8  # -1, which no hash is
_ONES = bytes(code == ord("1") for code in range(256))


class Feature:
    """The slots of the nodes that have one value of one facet. Changing one slot takes about a microsecond."""

    __slots__ = ("_bits", "_bytes", "_few", "count", "facet", "number", "value")

    def __init__(self, number: int, facet: Facet, value: Hashable) -> None:
        self.number = number
        self.facet = facet
        self.value = value
        self.count = 0
        self._few: array[int] | None = array("I")
        self._bytes = bytearray()
        self._bits: int | None = None  # kept up to date from the first time that a plan asks for it

    def add(self, slot: int) -> None:
        """Note a slot that is not in it."""
        self.count += 1
        if self._few is not None and self.count <= _FEW:
            self._few.append(slot)
        else:
            if self._few is not None:
                self._bytes, self._few = _bytes_of(self._few), None
            _toggle(self._bytes, slot)
        if self._bits is not None:
            self._bits ^= 1 << slot

    def discard(self, slot: int) -> None:
        """Forget a slot that is in it."""
        self.count -= 1
        if self._few is not None:
            self._few.remove(slot)
        else:
            _toggle(self._bytes, slot)
            if self.count == 0:
                self._bytes, self._few = bytearray(), array("I")
        if self._bits is not None:
            self._bits ^= 1 << slot

    @property
    def slots(self) -> Iterable[int]:
        if self._few is not None:
            return self._few
        bits = int.from_bytes(self._bytes, "little")
        return picked(range(bits.bit_length()), bits)

    @property
    def bits(self) -> int:
        if self._bits is None:
            whole = self._bytes if self._few is None else _bytes_of(self._few)
            self._bits = int.from_bytes(whole, "little")
        return self._bits

    @property
    def few(self) -> array[int] | None:
        """Its slots where they are few and nobody has asked for bits yet."""
        return self._few if self._bits is None else None


class Facet:
    """The values of one facet, each with the nodes that have it. `changed` is the time of the last change."""

    __slots__ = ("changed", "features", "key")

    def __init__(self, key: Key, changed: int = 0) -> None:
        self.key = key
        self.features: dict[Hashable, Feature] = {}
        self.changed = changed

    def where(self, holds: Callable[[Hashable], bool]) -> int:
        """The nodes with a value for which *holds* is true."""
        return union(feature for value, feature in self.features.items() if holds(value))

    def among(self, values: Iterable[str]) -> int:
        return union(self.features[value] for value in values if value in self.features)

    @property
    def present(self) -> int:
        """The nodes that have any value."""
        return union(self.features.values())


class ManyValues(Facet):
    """A label with a value for nearly each node (`hostname`); hashes stand side by side in bytes, to be searched."""

    __slots__ = ("_hashes", "_present", "_values")

    def __init__(self, facet: Facet) -> None:
        super().__init__(facet.key, facet.changed)
        self._values: list[str | None] = []
        self._hashes = bytearray()
        self._present = Feature(0, self, None)
        for value, feature in facet.features.items():
            for slot in feature.slots:
                self.put(slot, str(value))

    def put(self, slot: int, value: str | None) -> bool:
        """Note the value of *slot*; whether that is a change."""
        if slot >= len(self._values):
            added = slot + 1 - len(self._values)
            self._values.extend([None] * added)
            self._hashes.extend(_NO_HASH * added)
        old = self._values[slot]
        if old == value:
            return False
        self._values[slot] = value
        self._hashes[slot * 8 : slot * 8 + 8] = _NO_HASH if value is None else _hash_of(value)
        if value is None:
            self._present.discard(slot)
        elif old is None:
            self._present.add(slot)
        return True

    def where(self, holds: Callable[[Hashable], bool]) -> int:
        wanted = {value for value in set(self._values) if value is not None and holds(value)}
        return bits_of([slot for slot, value in enumerate(self._values) if value in wanted])

    def among(self, values: Iterable[str]) -> int:
        return bits_of([slot for value in values for slot in self._slots_with(value)])

    def _slots_with(self, value: str) -> Iterator[int]:
        hashed = _hash_of(value)
        at = self._hashes.find(hashed)
        while at >= 0:
            slot, beside = divmod(at, 8)
            if not beside and self._values[slot] == value:
                yield slot
            at = self._hashes.find(hashed, at + 1)

    @property
    def present(self) -> int:
        return self._present.bits


EMPTY = Facet(("", ""))


def truth_sets(facet: Facet, truth_of: Callable[[Hashable], Truth]) -> tuple[int, int]:
    """The nodes with a value that is true, and those with one that is at least not known to be false."""
    yes = facet.where(lambda value: truth_of(value) is Truth.YES)
    return yes, yes | facet.where(lambda value: truth_of(value) is Truth.UNKNOWN)


def union(features: Iterable[Feature]) -> int:
    bits = 0
    few: list[int] = []
    for feature in features:
        if feature.few is not None:
            few.extend(feature.few)
        else:
            bits |= feature.bits
    return bits | bits_of(few) if few else bits


def few_slots_of(bits: int) -> list[int]:
    """The numbers of the bits that are set, ascending; quick where they are few."""
    slots = []
    while bits:
        slots.append((bits & -bits).bit_length() - 1)
        bits &= bits - 1
    return slots


def picked(items: Sequence[int], bits: int) -> list[int]:
    """The items whose bit is set, in order; the quicker way depends on how many they are."""
    if bits.bit_count() * 20 > bits.bit_length():
        return list(compress(items, bin(bits)[:1:-1].encode().translate(_ONES)))
    count = (bits.bit_length() + 63) // 64
    words = struct.unpack(f"<{count}Q", bits.to_bytes(count * 8, "little"))
    values = []
    for place, word in compress(enumerate(words), words):
        base, left = place * 64 - 1, word
        while left:
            low = left & -left
            values.append(items[base + low.bit_length()])
            left ^= low
    return values


def bits_of(slots: Iterable[int]) -> int:
    return int.from_bytes(_bytes_of(slots), "little")


def _hash_of(value: str) -> bytes:
    return hash(value).to_bytes(8, "little", signed=True)


def _bytes_of(slots: Iterable[int]) -> bytearray:
    given = list(slots)
    packed = bytearray((max(given, default=-1) + 8) // 8)
    for slot in given:
        packed[slot >> 3] |= 1 << (slot & 7)
    return packed


def _toggle(target: bytearray, slot: int) -> None:
    place = slot >> 3
    if place >= len(target):
        target.extend(bytes(place + 1 - len(target)))
    target[place] ^= 1 << (slot & 7)
