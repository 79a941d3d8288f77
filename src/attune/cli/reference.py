"""The page docs/reference/commands.md, made from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import cleandoc

import click

from attune.cli.main import cli


def commands_reference() -> str:
    """Every command with its arguments, options and example."""
    return "# Commands\n\n" + "\n".join(_pages(cli, click.Context(cli, info_name="attune"))).rstrip() + "\n"


def _pages(command: click.Command, context: click.Context) -> Iterator[str]:
    if not isinstance(command, click.Group) or command is cli:
        yield from _page(command, context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from _pages(child, click.Context(child, info_name=name, parent=context))


def _page(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"## {context.command_path}\n"
    yield f"{cleandoc(command.help or '')}\n"
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"    {context.command_path} {usage}\n"
    options = [
        record
        for parameter in command.params
        if isinstance(parameter, click.Option) and (record := parameter.get_help_record(context))
    ]
    if options:
        yield "| option | meaning |\n|---|---|"
        for option, meaning in options:
            yield f"| `{option.replace('|', chr(92) + '|')}` | {meaning} |"
        yield ""
    if command.epilog:
        yield f"{command.epilog.strip()}\n"
