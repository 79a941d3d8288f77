"""The terms of a requirement, as values. `str()` of each is canonical."""

import re
from dataclasses import dataclass, field

from attune.core.errors import VersionError
from attune.core.nodes.labels import FACTS, LabelKind
from attune.core.runtimes.aliases import is_ref
from attune.core.runtimes.constraint import Constraint

WORD = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.:/+@-]*[A-Za-z0-9_+])?")
_VERSION_BEGIN = re.compile(r"[vV]?\d")


@dataclass(frozen=True, slots=True)
class RuntimeTerm:
    """A name that must be there, in a version if there is a constraint, or (negated) must not.

    A name means the runtime of that name or, as well, the label of that name: `gpu` holds on a node that offers a
    runtime gpu or has a label gpu, `kernel >=5.15` compares the label's value as a version. With `verified` only a
    runtime that was verified on the node counts, no declaration and no label. A ref means that very runtime.
    `defined`: whether anything is called so; where nothing is, no node has looked for it. `sought`: whether a runtime
    is called so; a node that has no verdict of it has not looked for it. `KnownNames` says both.
    """

    name: str
    constraint: Constraint | None = None
    negated: bool = False
    verified: bool = False
    defined: bool = field(default=True, compare=False, repr=False)
    sought: bool = field(default=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.constraint is not None and str(self.constraint) == "*":  # any version, also one that is not known
            object.__setattr__(self, "constraint", None)

    @property
    def may_be_label(self) -> bool:
        """Whether a label of that name counts."""
        return not self.verified and not is_ref(self.name)

    def __str__(self) -> str:
        parts = [f"{'!' if self.negated else ''}{self.name}"]
        if self.constraint is not None:
            parts.append(str(self.constraint))
        return " ".join([*parts, "verified"] if self.verified else parts)


@dataclass(frozen=True, slots=True)
class LabelTerm:
    """A label whose value is one of `values` (sorted); negated, it is none of them or the label is not there."""

    name: str
    values: tuple[str, ...]
    negated: bool = False

    def __str__(self) -> str:
        if len(self.values) == 1:
            value = self.values[0]
            asks_for_version = compares_versions(self.name, value) or FACTS.get(self.name) is LabelKind.NUMBER
            written = f'"{value}"' if asks_for_version else quoted(value)
            return f"{self.name}{'!=' if self.negated else '='}{written}"
        return f"{self.name} {'not in' if self.negated else 'in'} ({', '.join(map(quoted, self.values))})"


@dataclass(frozen=True, slots=True)
class NumberTerm:
    """A fact that is a number (`cpus`, `memory_gb`), compared with one of >= > <= < = !=."""

    name: str
    operator: str
    value: float

    def __str__(self) -> str:
        return f"{self.name} {self.operator}{int(self.value) if self.value.is_integer() else self.value}"


Term = RuntimeTerm | LabelTerm | NumberTerm


def compares_versions(name: str, value: str) -> bool:
    """Whether `name=value`, unquoted, is a runtime term: the value is a version and *name* no fact that is a text."""
    if FACTS.get(name) not in (None, LabelKind.VERSION) or not _VERSION_BEGIN.match(value):
        return False
    try:
        Constraint.parse(f"={value}")
    except VersionError:
        return False
    return True


def quoted(value: str) -> str:
    """*value* as a term has it."""
    return value if WORD.fullmatch(value) else f'"{value}"'
