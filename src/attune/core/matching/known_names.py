"""Which names a requirement may use: those of definitions and of what the nodes themselves have, and the catalogue."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from attune.core.matching.fleet import Node
from attune.core.matching.terms import RuntimeTerm, Term
from attune.core.nodes.labels import FACTS
from attune.core.runtimes.aliases import nearest

_SAMPLED = 1000  # nodes whose names are searched for what a misspelt one may have meant


@dataclass(frozen=True, slots=True)
class KnownNames:
    """The names that definitions have: `defined`; `shipped`: those in the catalogue, and what it is asked for by."""

    defined: Collection[str]
    shipped: Mapping[str, str] = field(default_factory=dict)

    def marked(self, term: "Term", nodes: Sequence[Node]) -> "Term":
        """*term*, with what definitions and *nodes* know of its name, if it asks for a runtime."""
        if not isinstance(term, RuntimeTerm) or term.name in FACTS:
            return term
        sought = term.name in self.defined or any(term.name in node.capabilities for node in nodes)
        return replace(term, sought=sought, defined=sought or any(term.name in node.labels for node in nodes))

    def near(self, term: "Term", nodes: Sequence[Node]) -> str | None:
        """The name that *term* most likely meant, or None where its own is one."""
        if term.name in self.shipped or term.name in self.defined:
            return None
        return near_name(term, nodes, (*self.defined, *self.shipped) if isinstance(term, RuntimeTerm) else ())


def near_name(term: "Term", nodes: Sequence[Node], names: Iterable[str] = ()) -> str | None:
    """Of *names* and those that *nodes* have, the one that *term* most likely meant, or None."""
    held = {name for node in islice(nodes, _SAMPLED) for name in (*node.capabilities, *node.labels)}
    return nearest(term.name, sorted({*held, *FACTS, *names} - {term.name}))
