"""`attune pack …`: folders with actions, sensors, triggers and rules."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from attune.core.errors import UsageError

if TYPE_CHECKING:
    from attune.core.packs.pack import PackChange, PackRecord
    from attune.core.ports.installation import Installation
    from attune.core.ports.packs import PackStore

T = TypeVar("T")
_KINDS = ("actions", "sensors", "triggers", "rules", "runtimes")


@click.group(epilog="Example: attune pack load ./my-pack")
def pack() -> None:
    """Packs: folders with actions, sensors, triggers, rules and runtimes. See docs/reference/packs.md."""


@pack.command(epilog="Example: attune pack load ./my-pack")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def load(folder: Path, as_json: bool) -> None:
    """Check the pack in FOLDER and write it, all or nothing. What the folder no longer has is removed.

    Loading the same folder again changes nothing.
    """
    from attune.cli.runtimes.definitions import who
    from attune.composition.packs import check_folder

    async def loaded(store: PackStore) -> tuple[str, str, list[PackChange]]:
        found = await check_folder(folder, await store.known())
        changes = await store.load(found.pack, found.files, changed_by=who())
        return found.pack.ref, found.pack.version, list(changes)

    ref, version, changes = _with_packs(loaded)
    if as_json:
        data = {"pack": ref, "version": version, "changes": [asdict(one) for one in changes]}
        click.echo(json.dumps(data, indent=2, ensure_ascii=False))
        return
    for change in changes:
        click.echo(f"{change.what} {change.kind} {change.ref}")
    click.echo(f"{ref} {version}: {'loaded' if changes else 'unchanged'}")
    if any(change.kind == "runtime" for change in changes):
        click.echo("Nodes read definitions when they start or are told to: attune worker reload NAME", err=True)


@pack.command(epilog="Example: attune pack check ./my-pack")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(folder: Path, as_json: bool) -> int:
    """Say everything that is wrong with the pack in FOLDER, with file and line. Nothing is written.

    Held against the installation if there is a database, else against what is shipped. Exit code 2 for mistakes.
    """
    from attune.core.packs.pack import PackError

    try:
        found = _checked(folder)
    except PackError as error:
        if not as_json:
            raise
        mistakes = [{"where": str(fault.position), "text": str(fault)} for fault in error.faults]
        click.echo(json.dumps({"valid": False, "mistakes": mistakes}, indent=2, ensure_ascii=False))
        return error.exit_code
    counts = {kind: len(getattr(found, kind)) for kind in _KINDS}
    if as_json:
        click.echo(json.dumps({"valid": True, "pack": found.ref, "version": found.version, **counts}, indent=2))
    else:
        click.echo(f"{found.ref} {found.version}: valid, {_counted(counts)}")
    return 0


@pack.command(name="list", epilog="Example: attune pack list --json")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(as_json: bool) -> None:
    """The packs of the installation."""
    from attune.cli.table import table, terminal_width

    packs = _with_packs(lambda store: store.list_packs())
    if as_json:
        click.echo(json.dumps([_data(one) for one in packs], indent=2, default=str, ensure_ascii=False))
        return
    rows = [[one.ref, one.version, one.label, _counted({k: len(getattr(one, k)) for k in _KINDS})] for one in packs]
    click.echo(table(["PACK", "VERSION", "LABEL", "HAS"], rows, width=terminal_width()))


@pack.command(epilog="Example: attune pack show demo")
@click.argument("ref")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(ref: str, as_json: bool) -> None:
    """One pack: what it brings, and its files."""

    async def shown(store: PackStore) -> PackRecord:
        return await store.get_pack(ref) or _missing(ref, [one.ref for one in await store.list_packs()])

    found = _with_packs(shown)
    if as_json:
        click.echo(json.dumps(_data(found), indent=2, default=str, ensure_ascii=False))
        return
    click.echo(f"{found.ref} {found.version}  {found.label}")
    if found.description:
        click.echo(found.description)
    for kind in (*_KINDS, "files"):
        if refs := getattr(found, kind):
            click.echo(f"{kind}:")
            click.echo("".join(f"  {one}\n" for one in refs), nl=False)


@pack.command(epilog="Example: attune pack remove demo")
@click.argument("ref")
def remove(ref: str) -> None:
    """Remove a pack with all that it brought. One that others use is refused, and the users are named."""
    from attune.cli.runtimes.definitions import who

    async def removed(store: PackStore) -> None:
        if not await store.remove_pack(ref, changed_by=who()):
            _missing(ref, [one.ref for one in await store.list_packs()])

    _with_packs(removed)
    click.echo(f"removed {ref}")


def _with_packs(work: Callable[[PackStore], Awaitable[T]]) -> T:
    from attune.cli.session import ask

    async def asked(installation: Installation) -> T:
        if installation.packs is None:
            raise UsageError(
                f"expected the database of the installation, got {installation.origin}, which does not tell of packs",
                hint="run it where database.url is set",
            )
        return await work(installation.packs)

    return ask(asked)


def _checked(folder: Path) -> Any:
    import asyncio

    from attune.composition.databases import has_database
    from attune.composition.packs import check_folder, shipped
    from attune.config import load_settings

    async def against(store: PackStore) -> Any:
        return await check_folder(folder, await store.known())

    if has_database(load_settings()):
        return _with_packs(against).pack
    return asyncio.run(check_folder(folder, shipped())).pack


def _counted(counts: dict[str, int]) -> str:
    parts = [f"{count} {kind if count > 1 else kind[:-1]}" for kind, count in counts.items() if count]
    return ", ".join(parts) or "nothing yet"


def _data(found: PackRecord) -> dict[str, Any]:
    return asdict(found)


def _missing(ref: str, known: list[str]) -> Any:
    from attune.core.runtimes.aliases import nearest

    near = nearest(ref, known)
    raise UsageError(
        f"no pack is called {ref!r}" + (f"; did you mean {near}?" if near else ""), hint="attune pack list"
    )
