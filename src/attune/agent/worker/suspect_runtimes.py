"""Runtimes that work has just found broken: not offered until their check has had time to decide."""

import time

from attune.core.matching.fleet import Node

_SUSPECT_SECONDS = 30.0


class SuspectRuntimes:
    """The refs of runtimes in doubt, each for a while."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._made: tuple[Node, frozenset[str], Node] | None = None

    def add(self, ref: str) -> None:
        """Doubt the runtime *ref* for a while."""
        self._until[ref] = time.monotonic() + _SUSPECT_SECONDS

    def without(self, node: Node | None) -> Node | None:
        """*node* without what is in doubt: the same object as long as nothing has changed."""
        now = time.monotonic()
        doubted = frozenset(ref for ref, until in self._until.items() if until > now)
        if node is None or not doubted:
            return node
        if self._made is None or self._made[0] is not node or self._made[1] != doubted:
            self._made = (node, doubted, node.without(doubted))
        return self._made[2]
