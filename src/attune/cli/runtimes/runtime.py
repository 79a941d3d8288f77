"""`attune runtime …`: the definitions, which say what proves a runtime."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from attune.cli.output import json_option, listing, moment, print_json, print_list
from attune.cli.runtimes.definitions import read_file, read_runtimes, with_runtimes
from attune.cli.session import unknown, who
from attune.composition.databases import find_shipped, is_there, shipped_runtimes
from attune.config import load_settings
from attune.core.errors import DefinitionError, UsageError
from attune.core.ports.runtimes import RuntimeStore
from attune.core.runtimes.definition import proofs_of
from attune.core.runtimes.examples import validate_definition
from attune.core.runtimes.runtime import Runtime


@click.group(epilog="Example: attune runtime add --from-catalogue ruby")
def runtime() -> None:
    """Definitions: list, show, add, check, load, remove, history.

    A definition is a row of the table `runtime`; nodes read it at start. See docs/reference/definitions.md.
    """


@runtime.command(name="list", epilog="Example: attune runtime list --json")
@json_option
@click.option("--catalogue", "from_catalogue", is_flag=True, help="List what is shipped instead of the database.")
def list_command(as_json: bool, from_catalogue: bool) -> None:
    """The definitions, with the commands that prove them."""
    print_list(
        shipped_runtimes() if from_catalogue else read_runtimes(),
        as_json,
        ["REF", "NAME", "PROVED BY"],
        lambda runtime: [runtime.ref, runtime.name, ", ".join(proofs_of(runtime))],
        data=_data,
    )


@runtime.command(epilog="Example: attune runtime show core.python")
@click.argument("ref")
@json_option
def show(ref: str, as_json: bool) -> None:
    """One definition, whole, from the database or else from the catalogue."""
    import yaml

    data = _data(_find(ref))
    if as_json:
        print_json(data)
        return
    plain = json.loads(json.dumps(data))  # YAML refuses the kinds of text that JSON takes for text
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
    runtimes = read_file(file) if file else [_from_catalogue(name) for name in shipped]
    _save(runtimes, replace=False)


@runtime.command(epilog="Example: attune runtime load runtimes/")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
def load(paths: Sequence[Path]) -> None:
    """Add or replace the definitions in files and folders. All are validated first; one fault and none is written."""
    files = [file for path in paths for file in (sorted(path.glob("*.y*ml")) if path.is_dir() else [path])]
    if not files:
        raise UsageError(f"expected YAML files, found none in {', '.join(map(str, paths))}")
    _save([runtime for file in files for runtime in read_file(file)], replace=True)


@runtime.command(epilog="Example: attune runtime check my-runtime.yaml    or    attune runtime check core.python")
@click.argument("subjects", nargs=-1)
@click.option("--corpus", is_flag=True, help="SUBJECTS are files of recorded outputs: read them by what is shipped.")
@json_option
def check(subjects: Sequence[str], corpus: bool, as_json: bool) -> int:
    """Validate definitions (refs or files; default: all of the database) and dry-run them on this host.

    Exit code 1 if one is invalid or fails its own examples; what this host lacks is shown, and is no failure.
    """
    if corpus:
        from attune.cli.runtimes.corpus import check_corpus

        return int(not check_corpus([Path(subject) for subject in subjects], as_json))
    from attune.cli.runtimes.runtime_checks import check_runtimes, print_checks

    named = [runtime for subject in subjects for runtime in _subject(subject)]
    checked = check_runtimes(named if subjects else read_runtimes())
    if as_json:
        print_json(checked)
    else:
        print_checks(checked)
    return int(not all(result["valid"] for result in checked))


@runtime.command(epilog="Example: attune runtime remove extras.ruby")
@click.argument("ref")
@click.option("--force", is_flag=True, help="Also one that live nodes offer; they offer it until they reload.")
def remove(ref: str, force: bool) -> None:
    """Remove a definition. One that actions, sensors or workers use is refused."""
    if not with_runtimes(lambda store: store.remove_runtime(ref, changed_by=who(), force=force)):
        raise _unknown(ref, [runtime.ref for runtime in read_runtimes()])
    click.echo(f"removed {ref}")


@runtime.command(epilog="Example: attune runtime history core.python")
@click.argument("ref")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the rows before and after.")
def history(ref: str, as_json: bool) -> None:
    """Every change of a definition: when, by whom, what."""
    changes = with_runtimes(lambda store: store.runtime_history(ref))
    if as_json:
        print_json(changes)
        return
    if not changes:
        raise _unknown(ref, [runtime.ref for runtime in read_runtimes()])
    what = [change.note or ", ".join(_changed_paths(change.old, change.new)) for change in changes]
    rows = [[moment(it.changed_at), it.operation, it.changed_by, text] for it, text in zip(changes, what, strict=True)]
    click.echo(listing(["WHEN", "WHAT", "WHO", "CHANGED"], rows))


def _changed_paths(old: Any, new: Any, path: str = "") -> list[str]:
    """The paths at which *old* and *new* differ; "everything" where one of them is absent."""
    if not path and (old is None or new is None):
        return ["everything"]
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [key for key in {**old, **new} if path or key not in ("id", "created", "updated")]
        pairs = [(old.get(key), new.get(key), f"{path}.{key}" if path else str(key)) for key in keys]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = [(a, b, f"{path}[{index}]") for index, (a, b) in enumerate(zip(old, new, strict=True))]
    else:
        return [] if old == new else [path or "everything"]
    return [found for a, b, place in pairs for found in _changed_paths(a, b, place)]


def _save(runtimes: Sequence[Runtime], *, replace: bool) -> None:
    refs = [runtime.ref for runtime in runtimes]
    for runtime in runtimes:
        _refuse_faulty(runtime)
        if refs.count(runtime.ref) > 1:
            raise UsageError(f"{runtime.ref}: expected one definition of this ref, got {refs.count(runtime.ref)}")

    async def save(store: RuntimeStore) -> list[tuple[str, bool]]:
        stored = {runtime.ref for runtime in await store.list_runtimes()}
        for ref in refs:
            if ref in stored and not replace:
                raise UsageError(f"{ref} exists already", hint="attune runtime load FILE replaces a definition")
        return [(runtime.ref, await store.save_runtime(runtime, changed_by=who())) for runtime in runtimes]

    for ref, new in with_runtimes(save):
        click.echo(f"{'added' if new else 'replaced'} {ref}")
    click.echo("Nodes read definitions when they start or are told to: attune worker reload NAME", err=True)


def _refuse_faulty(runtime: Runtime) -> None:
    ref = runtime.ref
    try:
        warnings = validate_definition(runtime)
    except DefinitionError as error:
        named = [replace(fault, field=f"{ref}: {fault.field}") for fault in error.faults]
        raise DefinitionError(ref, named) from error
    for warning in warnings:
        click.echo(f"attune: warning: {ref}: {warning}", err=True)


def _subject(subject: str) -> Sequence[Runtime]:
    path = Path(subject)
    return read_file(path) if path.suffix in (".yaml", ".yml") or path.is_file() else [_find(subject)]


def _find(ref: str) -> Runtime:
    stored = list(read_runtimes()) if is_there(load_settings()) else []
    known = [*stored, *shipped_runtimes()]
    for runtime in known:
        if runtime.ref == ref:
            return runtime
    raise _unknown(ref, [runtime.ref for runtime in known])


def _from_catalogue(name: str) -> Runtime:
    shipped = find_shipped(name)
    if shipped is None:
        raise _unknown(name, [runtime.ref.partition(".")[2] for runtime in shipped_runtimes()])
    return shipped


def _unknown(ref: str, known: Sequence[str]) -> UsageError:
    return unknown(f"no definition is called {ref!r}", ref, known, "attune runtime list")


def _data(runtime: Runtime) -> dict[str, Any]:
    keys = ("ref", "name", "pack_ref", "description", "distributions", "installation")
    return {key: value for key in keys if (value := getattr(runtime, key))}
