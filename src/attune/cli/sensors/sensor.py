"""`attune sensor definitions|enable|disable`: the sensors that sensor nodes run, where each runs and how it is."""

import click

from attune.cli.output import json_option, print_list, switch_command
from attune.cli.session import with_sensors
from attune.core.errors import UsageError
from attune.core.ports.sensors import SensorReader
from attune.core.runtimes.aliases import nearest


@click.command(epilog="Example: attune sensor definitions --json")
@json_option
def definitions(as_json: bool) -> None:
    """The sensors of all packs: where each runs, how it is, and why one waits."""
    print_list(
        with_sensors(lambda sensors: sensors.status()),
        as_json,
        ["SENSOR", "STATE", "TRIGGER", "NODE", "WHY"],
        lambda sensor: [sensor.ref, sensor.state, sensor.trigger_ref, sensor.node or "", sensor.reason],
        empty="There is no sensor yet. A pack brings them.",
        status=True,
    )


def _switch(ref: str, enabled: bool) -> None:
    async def switch(sensors: SensorReader) -> None:
        if not await sensors.set_enabled(ref, enabled):
            near = nearest(ref, [sensor.ref for sensor in await sensors.status()])
            verb = "enable" if enabled else "disable"
            hint = f"attune sensor {verb} {near}" if near else "attune sensor definitions"
            raise UsageError(f"no sensor has the ref {ref!r}", hint=hint)

    with_sensors(switch)


enable, disable = (
    switch_command(verb, _switch, text=text, example=f"attune sensor {verb} demo.ticks")
    for verb, text in (
        ("enable", "Let a sensor run, on one node that can."),
        ("disable", "End a sensor, wherever it runs, and start it nowhere."),
    )
)
