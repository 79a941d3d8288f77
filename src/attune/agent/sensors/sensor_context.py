"""What every sensor on this node shares: the host's environment, its folders, the clocks, and who is to be told."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from attune.core.backoff import RestartRules
from attune.core.errors import AttuneError, UsageError
from attune.core.matching.fleet import Node
from attune.core.matching.matcher import match
from attune.core.ports.packs import PackFolders
from attune.core.ports.sensors import SensorOutputs, SensorStarter
from attune.core.sensors.sensor import Sensor


@dataclass(frozen=True)
class SensorContext:
    """What all sensors of a node share. `suspect` is told the ref of a runtime that cannot be executed."""

    folder: SensorOutputs
    start: SensorStarter
    environment: Mapping[str, str]
    node: Callable[[], Node | None]
    clock: Callable[[], float]
    suspect: Callable[[str], None]
    packs: PackFolders | None = None
    restarts: RestartRules = field(default_factory=RestartRules)


async def command_of(sensor: Sensor, context: SensorContext) -> tuple[str, ...]:
    """The argv for *sensor*: verified interpreter, arguments, entry point. Raises `AttuneError` with the reason."""
    entrypoint = await _entrypoint(sensor, context)
    node = context.node()
    placement = match(sensor.requirement, [node] if node else [])
    instance = placement.best.instances.get(sensor.runtime) if placement.best else None
    capability = node.capabilities.get(sensor.runtime) if node else None
    interpreter = instance.path if instance else None
    if interpreter is None and capability is not None and capability.status.value == "declared":
        # Nobody verified it, so nobody knows where it lies.
        interpreter = shutil.which(sensor.runtime, path=context.environment.get("PATH"))
        if interpreter is None and sensor.runtime != "native":
            raise UsageError(f"{sensor.runtime} is declared, but no command of that name is on PATH")
    return (interpreter, *sensor.interpreter_args, str(entrypoint)) if interpreter else (str(entrypoint),)


async def _entrypoint(sensor: Sensor, context: SensorContext) -> Path:
    written = Path(sensor.entrypoint)
    if sensor.pack_digest is None:
        if written.is_absolute():
            return written
        raise AttuneError(f"expected the files of a pack or an absolute entry point, got {sensor.entrypoint!r}")
    if context.packs is None:
        raise AttuneError("this node cannot fetch the files of packs")
    return Path(await context.packs.folder(sensor.pack_digest)) / "sensors" / written
