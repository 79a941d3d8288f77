"""`attune sensor definitions|enable|disable`: the sensors that sensor nodes run."""

from __future__ import annotations

import click


@click.command(epilog="Example: attune sensor definitions --json")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def definitions(as_json: bool) -> None:
    """The sensors of all packs: where each runs, how it is, and why one waits."""
    from attune.cli.sensors.sensors import print_sensors, read_sensors

    print_sensors(read_sensors(), as_json)


def _switch(verb: str, enabled: bool, text: str) -> click.Command:
    @click.command(name=verb, help=text, epilog=f"Example: attune sensor {verb} demo.ticks")
    @click.argument("ref")
    def switch(ref: str) -> None:
        from attune.cli.sensors.sensors import switch_sensor

        switch_sensor(ref, enabled)
        click.echo(f"{ref} is {verb}d")

    return switch


enable = _switch("enable", True, "Let a sensor run, on one node that can.")
disable = _switch("disable", False, "End a sensor, wherever it runs, and start it nowhere.")
