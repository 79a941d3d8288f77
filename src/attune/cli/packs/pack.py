"""`attune pack …`: folders with actions, sensors, triggers and rules."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote
from typing import NoReturn

import click

from attune.cli.output import json_option, print_json, print_list
from attune.cli.session import ask, unknown, who, with_packs
from attune.composition.databases import is_there, known_names, shipped_runtimes
from attune.composition.packs import check_folder, new_pack, shipped
from attune.config import load_settings
from attune.core.executions.action import requirement_of_action
from attune.core.matching.known_names import KnownNames
from attune.core.matching.terms import RuntimeTerm
from attune.core.nodes.labels import FACTS
from attune.core.packs.pack import Pack, PackChange, PackError, PackRecord
from attune.core.ports.installation import Installation
from attune.core.ports.packs import PackStore
from attune.core.runtimes.runtime import Runtime
from attune.operations.packs.check import CheckedPack

_KINDS = ("actions", "sensors", "triggers", "rules", "runtimes")


@click.group(epilog="Example: attune pack load ./my-pack")
def pack() -> None:
    """Packs: folders with actions, sensors, triggers, rules and runtimes. See docs/reference/packs.md."""


_cancel_waiting = click.option(
    "--cancel-waiting", is_flag=True, help="Cancel executions that wait to run what is changed or removed."
)


@pack.command(epilog="Example: attune pack load ./my-pack")
@click.argument("folder", type=click.Path(path_type=Path))
@_cancel_waiting
@json_option
def load(folder: Path, cancel_waiting: bool, as_json: bool) -> None:
    """Check the pack in FOLDER and write it, all or nothing. What the folder no longer has is removed.

    Loading the same folder again changes nothing. Executions that wait run what they were asked of.
    """

    async def write(store: PackStore) -> tuple[CheckedPack, list[PackChange]]:
        read = await check_folder(folder, await store.known())
        changes = await store.load(read.pack, read.files, changed_by=who(), cancel_waiting=cancel_waiting)
        return read, list(changes)

    read, changes = with_packs(write)
    ref, version, warnings = read.pack.ref, read.pack.version, list(read.notes)
    if as_json:
        print_json({"pack": ref, "version": version, "changes": changes, "warnings": warnings})
        return
    for warning in warnings:
        click.echo(f"attune: warning: {warning}", err=True)
    for change in changes:
        click.echo(f"{change.what} {change.kind} {change.ref}")
    click.echo(f"{ref} {version}: {'loaded' if changes else 'unchanged'}")
    if any(change.kind == "runtime" for change in changes):
        click.echo("Nodes read definitions when they start or are told to: attune worker reload NAME", err=True)


@pack.command(epilog="Example: attune pack check ./my-pack")
@click.argument("folder", type=click.Path(path_type=Path))
@json_option
def check(folder: Path, as_json: bool) -> int:
    """Say everything that is wrong with the pack in FOLDER, with file and line. Nothing is written.

    Held against the installation if there is one, else against what is shipped. Exit code 2 for mistakes. What is
    required and no definition is called is a warning: it may be a label.
    """
    try:
        read, names = _checked(folder)
    except PackError as error:
        if not as_json:
            raise
        mistakes = [{"where": str(fault.position), "text": str(fault)} for fault in error.faults]
        print_json({"valid": False, "mistakes": mistakes, "warnings": error.notes})
        return error.exit_code
    pack, counts = read.pack, _counts(read.pack)
    warnings = [*read.notes, *_undefined(pack, names)]
    if as_json:
        print_json({"valid": True, "pack": pack.ref, "version": pack.version, **counts, "warnings": warnings})
        return 0
    click.echo(f"{pack.ref} {pack.version}: valid, {_counted(counts)}")
    for warning in warnings:
        click.echo(f"attune: warning: {warning}", err=True)
    return 0


@pack.command(epilog="Example: attune pack new my_pack")
@click.argument("folder", metavar="NAME", type=click.Path(path_type=Path))
def new(folder: Path) -> None:
    """Write a pack to begin with in the new folder NAME: an action, a trigger, and a rule that joins them."""
    for path in new_pack(folder):
        click.echo(f"wrote {path}")
    click.echo(f"try: attune pack load {quote(str(folder))}", err=True)


@pack.command(name="list", epilog="Example: attune pack list --json")
@json_option
def list_command(as_json: bool) -> None:
    """The packs of the installation."""
    print_list(
        with_packs(lambda store: store.list_packs()),
        as_json,
        ["PACK", "VERSION", "LABEL", "HAS"],
        lambda pack: [pack.ref, pack.version, pack.label, _counted(_counts(pack))],
    )


@pack.command(epilog="Example: attune pack show demo")
@click.argument("ref")
@json_option
def show(ref: str, as_json: bool) -> None:
    """One pack: what it brings, and its files."""

    async def read(store: PackStore) -> PackRecord:
        return await store.get_pack(ref) or await _refuse(ref, store)

    record = with_packs(read)
    if as_json:
        print_json(record)
        return
    click.echo(f"{record.ref} {record.version}  {record.label}")
    if record.description:
        click.echo(record.description)
    for kind in (*_KINDS, "files"):
        if refs := getattr(record, kind):
            click.echo(f"{kind}:")
            click.echo("".join(f"  {ref}\n" for ref in refs), nl=False)


@pack.command(epilog="Example: attune pack remove demo")
@click.argument("ref")
@_cancel_waiting
def remove(ref: str, cancel_waiting: bool) -> None:
    """Remove a pack with all that it brought. One that others use is refused, and the users are named."""

    async def remove_pack(store: PackStore) -> None:
        if not await store.remove_pack(ref, changed_by=who(), cancel_waiting=cancel_waiting):
            await _refuse(ref, store)

    with_packs(remove_pack)
    click.echo(f"removed {ref}")


def _checked(folder: Path) -> tuple[CheckedPack, KnownNames]:
    """The pack, and what requirements may name where it would be loaded."""

    async def against(installation: Installation) -> tuple[CheckedPack, Sequence[Runtime]]:
        read = await check_folder(folder, await installation.packs.known())
        return read, await installation.runtimes.list_runtimes()

    if is_there(load_settings()):
        read, runtimes = ask(against)
    else:
        read, runtimes = asyncio.run(check_folder(folder, shipped())), shipped_runtimes()
    return read, known_names([*runtimes, *read.pack.runtimes])


def _undefined(pack: Pack, names: KnownNames) -> Iterator[str]:
    """What no definition is called of what *pack* requires, and the command that adds one."""
    needs = [(it.ref, it.requires) for it in pack.actions] + [(it.ref, it.requires) for it in pack.sensors]
    for ref, requires in needs:
        for term in requirement_of_action(requires).terms:
            if isinstance(term, RuntimeTerm) and term.name not in {*names.defined, *FACTS}:
                source = f"--from-catalogue {term.name}" if term.name in names.shipped else "FILE"
                yield f"{ref}: no definition is called {term.name}; for a runtime: attune runtime add {source}"


def _counts(pack: Pack | PackRecord) -> dict[str, int]:
    return {kind: len(getattr(pack, kind)) for kind in _KINDS}


def _counted(counts: dict[str, int]) -> str:
    parts = [f"{count} {kind if count > 1 else kind[:-1]}" for kind, count in counts.items() if count]
    return ", ".join(parts) or "nothing yet"


async def _refuse(ref: str, store: PackStore) -> NoReturn:
    refs = [pack.ref for pack in await store.list_packs()]
    raise unknown(f"no pack is called {ref!r}", ref, refs, "attune pack list")
