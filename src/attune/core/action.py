"""What an action needs of the node that runs it, from the columns of its row."""

from __future__ import annotations

from collections.abc import Sequence

from attune.core.requirement import Requirement


def requirement_of_action(
    requires: Sequence[str] | None = None, *, runtime: str | None = None, version_constraint: str | None = None
) -> Requirement:
    """The requirement of an action: its own terms and, where it names one, its runtime in the versions it accepts.

    *runtime* is the runtime's capability name. Raises `RequirementError`; a constraint without a runtime is one too.
    """
    terms = list(requires or ())
    if runtime:
        terms.append(f"{runtime} {version_constraint or ''}".strip())
    elif version_constraint:
        terms.append(version_constraint)
    return Requirement.parse(terms) if terms else Requirement()
