"""Actions as they stand in the table `action`, and what each needs of the node that runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from attune.core.json_schema import secret_names
from attune.core.matching.requirement import Requirement


class Delivery(StrEnum):
    """How an action gets its parameters."""

    STDIN = "stdin"  # one JSON object
    ENV = "env"  # ATTUNE_PARAM_<NAME>, upper-case; text as it is, anything else as JSON
    ARGS = "args"  # --name=value, in the order of the schema; never secrets, which go to stdin


class OnLost(StrEnum):
    """What becomes of an execution whose worker dies."""

    RETRY = "retry"
    ABANDON = "abandon"


@dataclass(frozen=True, slots=True)
class Action:
    """One row of table `action`, read. `runtime` is the capability name of the runtime, `runtime_ref` its ref.

    `entrypoint` is a file in the pack's `actions` folder. Times are in seconds; `timeout_seconds` None: the setting's.
    `retries` is how often a failed execution is tried again. `result_file` is a file in the working directory that
    holds the result; None: the last line of output that is JSON. `pack_digest` names the pack's files.
    """

    ref: str
    pack_ref: str
    label: str
    entrypoint: str
    description: str = ""
    id: int | None = None
    runtime: str | None = None
    runtime_ref: str | None = None
    version_constraint: str | None = None
    requires: tuple[str, ...] = ()
    prefers: tuple[str, ...] = ()
    interpreter_args: tuple[str, ...] = ()
    param_schema: Mapping[str, Any] = field(default_factory=dict)
    out_schema: Mapping[str, Any] | None = None
    delivery: Delivery = Delivery.STDIN
    timeout_seconds: float | None = None
    retries: int = 0
    retry_delay_seconds: float = 1.0
    on_lost: OnLost = OnLost.RETRY
    result_file: str | None = None
    pack_digest: str | None = None

    @property
    def requirement(self) -> Requirement:
        """What a node must satisfy to run it. Raises `RequirementError`."""
        return requirement_of_action(self.requires, runtime=self.runtime, version_constraint=self.version_constraint)

    @property
    def secrets(self) -> frozenset[str]:
        """The parameters that the schema marks with `secret: true`: never in argv, never shown."""
        return secret_names(self.param_schema)


def requirement_of_action(
    requires: Sequence[str] | None = None, *, runtime: str | None = None, version_constraint: str | None = None
) -> Requirement:
    """Its terms and its runtime (a capability name) in the versions it accepts. Raises `RequirementError`."""
    terms = list(requires or ())
    if runtime:
        terms.append(f"{runtime} {version_constraint or ''}".strip())
    elif version_constraint:
        terms.append(version_constraint)
    return Requirement.parse(terms) if terms else Requirement()


def with_defaults(schema: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """*parameters*, and the defaults that *schema* has for those that are not given."""
    properties = schema.get("properties")
    known = properties if isinstance(properties, Mapping) else {}
    defaults = {
        name: field["default"] for name, field in known.items() if isinstance(field, Mapping) and "default" in field
    }
    return {**defaults, **parameters}
