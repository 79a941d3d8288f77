"""`attune runtime …`: the definitions, which say what proves a runtime."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from attune.core.errors import DefinitionError, UsageError
from attune.core.ports.runtimes import RuntimeStore
from attune.core.runtimes.definition import Definition, parse_definition, unknown_keys
from attune.core.runtimes.examples import failed_examples
from attune.core.runtimes.runtime import Runtime


@click.group(epilog="Example: attune runtime add --from-catalogue ruby")
def runtime() -> None:
    """Definitions: list, show, add, check, load, remove, history.

    A definition is a row of the table `runtime`; nodes read it at start. See docs/reference/definitions.md.
    """


@runtime.command(name="list", epilog="Example: attune runtime list --json")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--catalogue", "from_catalogue", is_flag=True, help="List what is shipped instead of the database.")
def list_command(as_json: bool, from_catalogue: bool) -> None:
    """The definitions, with the commands that prove them."""
    from attune.cli.table import table, terminal_width

    runtimes = _shipped() if from_catalogue else _stored()
    if as_json:
        click.echo(json.dumps([_data(one) for one in runtimes], indent=2, ensure_ascii=False))
        return
    rows = [[one.ref, one.name, _proof(one)] for one in runtimes]
    click.echo(table(["REF", "NAME", "PROVED BY"], rows, width=terminal_width()))


@runtime.command(epilog="Example: attune runtime show core.python")
@click.argument("ref")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(ref: str, as_json: bool) -> None:
    """One definition, whole, from the database or else from the catalogue."""
    import yaml

    found = _find(ref)
    if as_json:
        click.echo(json.dumps(_data(found), indent=2, ensure_ascii=False))
        return
    plain = json.loads(json.dumps(_data(found)))  # YAML refuses the kinds of text that JSON takes for text
    click.echo(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100).rstrip())


@runtime.command(epilog="Example: attune runtime add --from-catalogue ruby    or    attune runtime add my-runtime.yaml")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--from-catalogue", "shipped", multiple=True, metavar="NAME", help="A shipped definition; repeatable.")
def add(file: Path | None, shipped: Sequence[str]) -> None:
    """Add new definitions from FILE or from the catalogue. One that is there already is refused, not replaced."""
    if (file is None) == (not shipped):
        raise UsageError(
            "expected a FILE or --from-catalogue NAME" + (", got both" if file else ", got neither"),
            hint="attune runtime add --from-catalogue ruby",
        )
    from attune.cli.runtimes.definitions import read_file

    runtimes = read_file(file) if file else [_from_catalogue(name) for name in shipped]
    _save(runtimes, replace=False)


@runtime.command(epilog="Example: attune runtime load runtimes/")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
def load(paths: Sequence[Path]) -> None:
    """Add or replace the definitions in files and folders. All are validated first; one fault and none is written."""
    from attune.cli.runtimes.definitions import read_file

    files = [file for path in paths for file in (sorted(path.glob("*.y*ml")) if path.is_dir() else [path])]
    if not files:
        raise UsageError(f"expected YAML files, found none in {', '.join(map(str, paths))}")
    _save([one for file in files for one in read_file(file)], replace=True)


@runtime.command(epilog="Example: attune runtime check my-runtime.yaml    or    attune runtime check core.python")
@click.argument("subjects", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(subjects: Sequence[str], as_json: bool) -> int:
    """Validate definitions (refs or files; default: all of the database) and dry-run them on this host.

    Exit code 1 if one is invalid or fails its own examples; what this host lacks is shown, and is no failure.
    """
    from attune.cli.runtimes.runtime_checks import check_runtimes, print_checks

    checked = check_runtimes([one for subject in subjects for one in _subject(subject)] if subjects else _stored())
    if as_json:
        click.echo(json.dumps([one.data() for one in checked], indent=2, ensure_ascii=False))
    else:
        print_checks(checked)
    return int(any(one.failed for one in checked))


@runtime.command(epilog="Example: attune runtime remove extras.ruby")
@click.argument("ref")
def remove(ref: str) -> None:
    """Remove a definition. One that actions, sensors or workers use is refused."""
    from attune.cli.runtimes.definitions import who, with_runtimes

    if not with_runtimes(lambda store: store.remove_runtime(ref, changed_by=who())):
        raise _unknown(ref, [one.ref for one in _stored()])
    click.echo(f"removed {ref}")


@runtime.command(epilog="Example: attune runtime history core.python")
@click.argument("ref")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the rows before and after.")
def history(ref: str, as_json: bool) -> None:
    """Every change of a definition: when, by whom, what."""
    from attune.cli.runtimes.definitions import with_runtimes
    from attune.cli.runtimes.differences import changed_paths
    from attune.cli.table import table, terminal_width

    changes = with_runtimes(lambda store: store.runtime_history(ref))
    if as_json:
        click.echo(json.dumps([asdict(change) for change in changes], indent=2, default=str, ensure_ascii=False))
        return
    if not changes:
        raise _unknown(ref, [one.ref for one in _stored()])
    rows = [
        [
            change.changed_at.strftime("%Y-%m-%d %H:%M:%S"),
            change.operation,
            change.changed_by,
            change.note or ", ".join(changed_paths(change.old, change.new)),
        ]
        for change in changes
    ]
    click.echo(table(["WHEN", "WHAT", "WHO", "CHANGED"], rows, width=terminal_width()))


def _save(runtimes: Sequence[Runtime], *, replace: bool) -> None:
    from attune.cli.runtimes.definitions import who, with_runtimes

    refs = [one.ref for one in runtimes]
    for one in runtimes:
        refuse_faulty(one)
        if refs.count(one.ref) > 1:
            raise UsageError(f"{one.ref}: expected one definition of this ref, got {refs.count(one.ref)}")

    async def save(store: RuntimeStore) -> list[tuple[str, bool]]:
        there = {one.ref for one in await store.list_runtimes()}
        for one in runtimes:
            if one.ref in there and not replace:
                raise UsageError(f"{one.ref} exists already", hint="attune runtime load FILE replaces a definition")
        return [(one.ref, await store.save_runtime(one, changed_by=who())) for one in runtimes]

    for ref, new in with_runtimes(save):
        click.echo(f"{'added' if new else 'replaced'} {ref}")
    click.echo("Nodes read definitions when they start or are told to: attune worker reload NAME", err=True)


def refuse_faulty(one: Runtime) -> Definition:
    """The definition of *one*. Raises `DefinitionError` where it is malformed or fails its own examples."""
    try:
        definition = parse_definition(one)
        faults = failed_examples(definition)
    except DefinitionError as error:
        named = [replace(fault, field=f"{one.ref}: {fault.field}") for fault in error.faults]
        raise DefinitionError(one.ref, named) from error
    for fault in faults:
        raise UsageError(f"{one.ref}: {fault.located}", faults=[fault], hint="correct the definition or its example")
    for warning in (*definition.warnings, *unknown_keys(one)):
        click.echo(f"attune: warning: {one.ref}: {warning}", err=True)
    return definition


def _subject(subject: str) -> Sequence[Runtime]:
    from attune.cli.runtimes.definitions import read_file

    path = Path(subject)
    return read_file(path) if path.suffix in (".yaml", ".yml") or path.is_file() else [_find(subject)]


def _find(ref: str) -> Runtime:
    from attune.composition.databases import is_there
    from attune.config import load_settings

    stored = list(_stored()) if is_there(load_settings()) else []
    known = [*stored, *_shipped()]
    for one in known:
        if one.ref == ref:
            return one
    raise _unknown(ref, [one.ref for one in known])


def _from_catalogue(name: str) -> Runtime:
    from attune.composition.databases import find_shipped

    return find_shipped(name)


def _unknown(ref: str, known: Sequence[str]) -> UsageError:
    from attune.composition.databases import unknown_runtime

    return unknown_runtime(ref, known)


def _stored() -> Sequence[Runtime]:
    from attune.cli.runtimes.definitions import read_runtimes

    return read_runtimes()


def _shipped() -> Sequence[Runtime]:
    from attune.composition.databases import shipped_runtimes

    return shipped_runtimes()


def _data(one: Runtime) -> dict[str, Any]:
    keys = ("ref", "name", "pack_ref", "description", "distributions", "installation")
    return {key: value for key in keys if (value := getattr(one, key))}


def _proof(one: Runtime) -> str:
    try:
        verification = parse_definition(one).verification
    except DefinitionError as error:
        return f"invalid: {error}"
    if not verification.needs_running:
        return "always available" if verification.always_available else "nothing: assumed"
    return ", ".join(str(check) for check in verification.checks) or "nothing: no verification command"
