"""`attune config show`: the settings that are in force, and where each comes from."""

import json
from pathlib import Path

import click

from attune.cli.output import json_option, listing, print_json
from attune.config import explain_settings


@click.group(epilog="Example: attune config show")
def config() -> None:
    """Settings: show."""


@config.command(epilog="Example: attune config show --all")
@click.option("--all", "everything", is_flag=True, help="Show what is at its default too.")
@json_option
def show(everything: bool, as_json: bool) -> None:
    """The settings in force: the file they are read from, each value, and where it comes from. Secrets are `***`.

    The file is the first of: the one that ATTUNE_CONFIG names; attune.yaml, or config.<ATTUNE_ENVIRONMENT>.yaml, here;
    attune.yaml in a folder above that nobody else can write to; ~/.config/attune/attune.yaml; /etc/attune/attune.yaml.
    Services (`attune up`, `… start`) look in no folder above.
    """
    settings, origins = explain_settings()
    rows = [each for each in origins if everything or as_json or each.origin != "default"]
    path = str(settings.path.absolute()) if settings.path else None
    if as_json:
        print_json({"file": path, "settings": rows})
        return
    click.echo(f"settings file: {path or 'none'}")
    if rows:
        cells = [(row.setting, row.origin.rpartition("/")[2], _text(row.value)) for row in rows]
        click.echo(listing(("SETTING", "FROM", "VALUE"), cells))
    else:
        click.echo("every setting is at its default; see them with --all")


def _text(value: object) -> str:
    if value is None:
        return "not set"
    return str(value) if isinstance(value, str | Path) else json.dumps(value, ensure_ascii=False)
