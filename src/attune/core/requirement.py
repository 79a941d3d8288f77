"""What work needs of a node, one term each: `python >=3.9,<4`, `ffmpeg` (any version), `!docker` (must not have it)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from attune.core.aliases import fold
from attune.core.constraint import Constraint, Truth
from attune.core.errors import UsageError, VersionError, shown
from attune.core.verdict import Verdict
from attune.core.version import Version

_TERM = re.compile(r"(?P<not>!)?\s*(?P<name>[A-Za-z][A-Za-z0-9_.+#-]*)\s*(?P<constraint>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Term:
    """One thing that must hold: a runtime, in a version where there is a constraint, present or (negated) absent."""

    name: str
    constraint: Constraint | None = None
    negated: bool = False

    @classmethod
    def parse(cls, text: str) -> Term:
        """Read *text*. Raises `UsageError` that shows where the fault is."""
        found = _TERM.fullmatch(text.strip())
        if found is None:
            raise UsageError(
                f"requirement: expected a runtime name and a version constraint, got {shown(text)}",
                hint="--require 'python >=3.9,<4'",
            )
        written = found["constraint"].strip()
        try:
            constraint = Constraint.parse(written) if written else None
        except VersionError as error:
            raise UsageError(f"requirement {shown(text)}: {error}", hint="--require 'python >=3.9,<4'") from error
        return cls(fold(found["name"]), constraint, found["not"] is not None)

    def __str__(self) -> str:
        return f"{'!' if self.negated else ''}{self.name}{f' {self.constraint}' if self.constraint else ''}"

    def unmet(self, verdicts: Iterable[Verdict]) -> str | None:
        """Why the term does not hold for a host with *verdicts*, or None if it holds."""
        mine = [verdict for verdict in verdicts if verdict.capability == self.name]
        truths = [self._truth(verdict) for verdict in mine]
        if self.negated:
            held = [verdict for verdict, truth in zip(mine, truths, strict=True) if truth is not Truth.NO]
            return f"{self}: has {_found(held[0])}" if held else None
        if Truth.YES in truths:
            return None
        if not mine:
            return f"{self}: no definition is called {self.name!r}"
        return f"{self}: {'; '.join(_found(verdict) for verdict in mine)}"

    def _truth(self, verdict: Verdict) -> Truth:
        if not verdict.status.offered:
            return Truth.NO
        if self.constraint is None:
            return Truth.YES
        truths = []
        for instance in verdict.instances:
            version = Version.read(instance.version) if instance.version else None
            truths.append(self.constraint.check(version) if version else Truth.UNKNOWN)
        if Truth.YES in truths:
            return Truth.YES
        return Truth.NO if truths and set(truths) == {Truth.NO} else Truth.UNKNOWN


def _found(verdict: Verdict) -> str:
    if not verdict.status.offered:
        return f"{verdict.status.value}, {verdict.reason}"
    versions = [instance.version or "unknown version" for instance in verdict.instances]
    return f"found {', '.join(versions) or 'no version'}" + (f" at {verdict.path}" if verdict.path else "")
