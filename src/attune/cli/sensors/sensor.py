"""`attune sensor definitions|enable|disable|move`: the sensors that sensor nodes run, where each runs and how it is."""

import click

from attune.cli.output import json_option, moment, print_facts, print_json, print_list, switch_command, with_symbol
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


def print_sensor(ref: str, as_json: bool) -> bool:
    """One sensor with what it printed last; False if there is none of that ref."""
    known = with_sensors(lambda sensors: sensors.status())
    sensor = next((sensor for sensor in known if sensor.ref == ref), None)
    if sensor is None:
        return False
    if as_json:
        print_json(sensor)
        return True
    click.echo(f"{ref}  {with_symbol(sensor.state)}{f'  on {sensor.node}' if sensor.node else ''}")
    facts = {"why": sensor.reason, "moves to": sensor.wanted or "", "trigger": sensor.trigger_ref}
    facts |= {"since": moment(sensor.since) if sensor.since else "", "process": str(sensor.pid or "")}
    print_facts({**facts, "restarts": str(sensor.restarts or "")}.items())
    if sensor.last_lines:
        click.echo(f"\nlast lines on stderr:\n{sensor.last_lines}")
    return True


@click.command(epilog="Example: attune sensor move demo.clock --to sensor-2")
@click.argument("ref")
@click.option("--to", metavar="NODE", help="The sensor node that is to run it. Default: any other that can.")
def move(ref: str, to: str | None) -> None:
    """Have a sensor run on another node, where it begins with what it sees there."""

    async def ask_for(sensors: SensorReader) -> None:
        node = await sensors.move(ref, to)
        if node is None:
            raise await _unknown(sensors, ref, "move")
        click.echo(f"{ref} is to run on {node}")

    with_sensors(ask_for)


async def _unknown(sensors: SensorReader, ref: str, verb: str) -> UsageError:
    near = nearest(ref, [sensor.ref for sensor in await sensors.status() if sensor.ref != ref])
    hint = f"attune sensor {verb} {near}" if near else "attune sensor definitions"
    return UsageError(f"no {'enabled ' if verb == 'move' else ''}sensor has the ref {ref!r}", hint=hint)


def _switch(ref: str, enabled: bool) -> None:
    async def switch(sensors: SensorReader) -> None:
        if not await sensors.set_enabled(ref, enabled):
            raise await _unknown(sensors, ref, "enable" if enabled else "disable")

    with_sensors(switch)


enable, disable = (
    switch_command(verb, _switch, text=text, example=f"attune sensor {verb} demo.ticks")
    for verb, text in (
        ("enable", "Let a sensor run, on one node that can."),
        ("disable", "End a sensor, wherever it runs, and start it nowhere."),
    )
)
