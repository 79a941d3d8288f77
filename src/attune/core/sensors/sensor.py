"""Sensors as they stand in the table `sensor`, and what each needs of the node that runs it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from attune.core.executions.action import requirement_of_action
from attune.core.matching.requirement import Requirement

BUILTIN_RUNTIME = "core.sensor.builtin"
"""The runtime of the sensors that are part of Attune itself: nothing is started for them."""


@dataclass(frozen=True, slots=True)
class Sensor:
    """One row of table `sensor`, read. `runtime_ref` is the ref of its runtime, `runtime` the name, as far as known.

    `entrypoint` is a file in the pack's `sensors` folder, or the name of a built-in sensor. `config` is what the sensor
    reads as one JSON object on stdin. `pack_digest` names the pack's files, None where the pack has none.
    """

    id: int
    ref: str
    trigger_ref: str
    entrypoint: str
    runtime: str | None
    runtime_ref: str
    version_constraint: str | None = None
    requires: tuple[str, ...] = ()
    interpreter_args: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    enabled: bool = True
    pack_digest: str | None = None

    @property
    def is_builtin(self) -> bool:
        return self.runtime_ref == BUILTIN_RUNTIME

    @property
    def requirement(self) -> Requirement:
        """What a node must satisfy to run it. Raises `RequirementError`."""
        ref, constraint = self.runtime_ref, self.version_constraint
        return requirement_of_action(
            self.requires, runtime=self.runtime, runtime_ref=ref, version_constraint=constraint
        )
