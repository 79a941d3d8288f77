"""The pages of docs/reference that are made from the code. `make reference` writes them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

import click

import attune
import attune.testing
from api_reference import api_reference
from attune.cli.main import cli
from attune.core.packs.spellings import SPELLINGS
from attune.host.contract.environment import ALLOWED, ALLOWED_PREFIXES
from attune.host.contract.launch import KINDS
from settings_reference import settings_reference

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.py"))
INTRODUCTION = """# Python

What `import attune` gives to programs that embed Attune. Names that are not on this page may change at any time.
The package is typed (`py.typed`). Everything that is raised on purpose is an `AttuneError`.

This page is made from signatures, docstrings and [examples](../examples/).

## Examples
"""


def pages() -> dict[Path, str]:
    """What each of the pages should say."""
    folder = ROOT / "docs" / "reference"
    return {
        folder / "commands.md": commands_reference(),
        folder / "settings.md": settings_reference(),
        folder / "api.md": api_reference(),
        folder / "python.md": python_reference(),
        folder / "execution-contract.md": contract_reference(),
        folder / "other-packs.md": spellings_reference(),
    }


# What needs the database itself, or is about this machine. `test_client_mode.py` holds both lists, and all the others.
ON_THE_DATABASE = (
    "up", "worker start", "sensor start", "api start", "key rotate",
    "db check", "db dump", "db grant", "db migrate", "db restore", "db retention", "db shell", "db status", "db url",
)  # fmt: skip
ON_THIS_MACHINE = ("attune", "config show", "down")


def commands_reference() -> str:
    """Every command with its arguments, options and example, and which work over the API."""
    sections = "\n".join(_commands(cli, click.Context(cli, info_name="attune"))).rstrip()
    return f"# Commands\n\n{_over_the_api()}\n{sections}\n"


def _over_the_api() -> str:
    names = [name for name in command_names() if name not in (*ON_THE_DATABASE, *ON_THIS_MACHINE)]
    over, database = (", ".join(f"`{name}`" for name in which) for which in (names, ON_THE_DATABASE))
    return (
        "**Over the API.** Where the settings name only an API (`ATTUNE_URL`), these work as on the database, with the"
        f" same output and exit codes: {over}.\n\n"
        f"These need the database itself, and say so: {database}.\n"
    )


def command_names() -> list[str]:
    """Every command, as it is typed after `attune`."""
    lines = "\n".join(_commands(cli, click.Context(cli, info_name="attune"))).splitlines()
    return [line.removeprefix("## ").removeprefix("attune ") for line in lines if line.startswith("## attune")]


def _commands(command: click.Command, context: click.Context) -> Iterator[str]:
    if not isinstance(command, click.Group) or command is cli:
        yield from _command(command, context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from _commands(child, click.Context(child, info_name=name, parent=context))


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"## {context.command_path}\n"
    yield f"{inspect.cleandoc(command.help or '')}\n"
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


def contract_reference() -> str:
    """What is the same for every program, and the table of what differs."""
    rows = {
        "stdin": [kind.stdin for kind in KINDS],
        "output": [kind.output for kind in KINDS],
        "time": [kind.time for kind in KINDS],
        "between SIGTERM and SIGKILL": [f"{kind.grace_seconds:g} s" for kind in KINDS],
        "working folder": [kind.folder for kind in KINDS],
        "hidden files": ["readable, where its user may" if kind.reads_all else "cannot be read" for kind in KINDS],
        "variables": [", ".join(f"`{name}`" for name in kind.variables) for kind in KINDS],
        "TCP connections": [
            "forbidden, where Landlock can" if kind.offline else "as the host allows" for kind in KINDS
        ],
    }
    table = ["| | " + " | ".join(kind.name for kind in KINDS) + " |", "|---" * (len(KINDS) + 1) + "|"]
    table += [f"| {row} | " + " | ".join(cells) + " |" for row, cells in rows.items()]
    always = ", ".join(f"`{name}`" for name in (*sorted(ALLOWED), *(f"{prefix}*" for prefix in ALLOWED_PREFIXES)))
    page = (ROOT / "tests" / "support" / "execution_contract_page.md").read_text()
    return page.format(table="\n".join(table), allowed=always)


def spellings_reference() -> str:
    """The table of keys that packs of other installations have."""
    rows = [
        f"| {', '.join(f'`{key}`' for key in row.written.split())} | {row.kinds.replace(' ', ', ')} | `{row.key}` |"
        f" {'converted' if row.convert else 'as it is'} |"
        for row in SPELLINGS
    ]
    page = (ROOT / "tests" / "support" / "other_packs_page.md").read_text()
    return page.format(table="\n".join(rows))


def python_reference() -> str:
    """What `attune` and `attune.testing` give, with examples."""
    return "\n".join([INTRODUCTION, *_examples(), *_module(attune), *_module(attune.testing)]).rstrip() + "\n"


def members(value: type[Any]) -> Iterator[tuple[str, Any]]:
    """The public methods and properties that *value* or a base of its own package defines, in their order."""
    names = [name for kind in reversed(value.__mro__) if kind.__module__.startswith("attune.") for name in vars(kind)]
    for name in dict.fromkeys(names):
        member = inspect.getattr_static(value, name)
        if not name.startswith("_") and isinstance(member, property | classmethod | staticmethod | type(lambda: 0)):
            yield name, member


def function_of(member: Any) -> Any:
    """The function behind a method or a property."""
    if isinstance(member, property):
        return member.fget
    return getattr(member, "__func__", member)


def _examples() -> Iterator[str]:
    for path in EXAMPLES:
        text = path.read_text()
        title = text.partition('"""')[2].partition('"""')[0].strip()
        yield f"**`{path.name}`** {title}\n\n```python\n{text.partition(chr(10))[2].strip()}\n```\n"


def _module(module: ModuleType) -> Iterator[str]:
    yield f"## `{module.__name__}`\n\n{inspect.getdoc(module)}\n"
    for name in module.__all__:
        value = getattr(module, name)
        yield f"### `{name}`\n"
        if inspect.isclass(value):
            yield from _class(name, value)
        else:
            yield _function(name, value)


def _class(name: str, value: type[Any]) -> Iterator[str]:
    if not issubclass(value, Enum):
        yield f"```python\n{name}{_signature(value)}\n```\n"
    yield f"{inspect.getdoc(value)}\n"
    if issubclass(value, Enum):
        yield "Members: " + ", ".join(f"`{member.name}`" for member in value) + ".\n"
    for attribute, member in members(value):
        function = function_of(member)
        if text := inspect.getdoc(function):  # a method of a fake without one is explained by the port
            signature = "" if isinstance(member, property) else _signature(function)
            yield f"- `{_prefix(function)}{attribute}{signature}`: {_indented(text)}"
    yield ""


def _function(name: str, value: Any) -> str:
    return f"```python\n{_prefix(value)}{name}{_signature(value)}\n```\n\n{inspect.getdoc(value)}\n"


def _prefix(function: Any) -> str:
    return "async " if inspect.iscoroutinefunction(function) else ""


class _Shown:
    """A default or an annotation that is shown as it is written."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _signature(value: Any) -> str:
    signature = inspect.signature(value)
    parameters = [
        parameter.replace(annotation=_annotation(parameter.annotation), default=_default(parameter.default))
        for name, parameter in signature.parameters.items()
        if name not in ("self", "cls") and not name.startswith("_")
    ]
    returned = inspect.Signature.empty if inspect.isclass(value) else _annotation(signature.return_annotation)
    return str(signature.replace(parameters=parameters, return_annotation=returned))


def _annotation(value: Any) -> Any:
    """What stands in the source: without the modules of names."""
    if value is inspect.Signature.empty:
        return value
    text = value if isinstance(value, str) else inspect.formatannotation(value)
    return _Shown(re.sub(r"\b([a-z_]\w*\.)+(?=_?[A-Z])", "", text))


def _default(value: Any) -> Any:
    if isinstance(value, Enum):
        return _Shown(f"{type(value).__name__}.{value.name}")
    return _Shown("…") if repr(value).startswith("<") and value is not inspect.Parameter.empty else value


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ").replace("\n  \n", "\n\n")


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text)
