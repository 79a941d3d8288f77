"""The sensors that nodes run, for people and as JSON: where each runs and how it is, and their switch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

import click

from attune.cli.session import ask
from attune.cli.symbols import colour_of, with_symbol
from attune.cli.table import table, terminal_width
from attune.core.errors import UsageError
from attune.core.ports.installation import Installation
from attune.core.ports.sensors import SensorReader, SensorStatus
from attune.core.runtimes.aliases import nearest


def read_sensors() -> Sequence[SensorStatus]:
    """How every sensor is. Raises `UsageError` where only the API is at hand."""

    async def read(installation: Installation) -> Sequence[SensorStatus]:
        return await _sensors(installation).status()

    return ask(read)


def switch_sensor(ref: str, enabled: bool) -> None:
    """Switch a sensor on or off. Raises `UsageError` with the nearest ref."""

    async def switched(installation: Installation) -> None:
        sensors = _sensors(installation)
        if not await sensors.set_enabled(ref, enabled):
            near = nearest(ref, [one.ref for one in await sensors.status()])
            verb = "enable" if enabled else "disable"
            hint = f"attune sensor {verb} {near}" if near else "attune sensor definitions"
            raise UsageError(f"no sensor has the ref {ref!r}", hint=hint)

    ask(switched)


def print_sensors(found: Sequence[SensorStatus], as_json: bool) -> None:
    """A row a sensor."""
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], default=str, indent=2, ensure_ascii=False))
    elif not found:
        click.echo("There is no sensor yet. A pack brings them.")
    else:
        rows = [[one.ref, with_symbol(one.state), one.trigger_ref, one.node or "", one.reason] for one in found]
        colours = [colour_of(one.state) for one in found]
        click.echo(table(["SENSOR", "STATE", "TRIGGER", "NODE", "WHY"], rows, width=terminal_width(), colours=colours))


async def running_on(installation: Installation, node: str) -> Sequence[SensorStatus]:
    """The sensors that the sensor node of that name runs."""
    if installation.sensors is None:
        return ()
    return [one for one in await installation.sensors.status() if one.node == node]


def sensors_table(found: Sequence[SensorStatus]) -> str:
    """A row for each sensor of one node."""
    rows = [[one.ref, with_symbol(one.state), str(one.pid or ""), str(one.restarts), one.reason] for one in found]
    colours = [colour_of(one.state) for one in found]
    return table(["SENSOR", "STATE", "PID", "RESTARTS", "WHY"], rows, width=terminal_width(), colours=colours)


def _sensors(installation: Installation) -> SensorReader:
    if installation.sensors is None:
        raise UsageError(
            f"expected the database of the installation, got {installation.origin}, which does not tell of sensors",
            hint="run it where database.url is set",
        )
    return installation.sensors
