"""`attune runtime check --corpus`: recorded outputs, read by the definitions that are shipped."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from attune.cli.output import print_json
from attune.composition.databases import shipped_runtimes
from attune.config.document import read_file
from attune.core.documents import DocumentNode, plain
from attune.core.errors import UsageError, shown
from attune.core.runtimes.corpus import Recording, count, read_recording
from attune.core.runtimes.definition import parse_definition

_WORDS = {"build", "source"}  # kept for people
_KEYS = {field.name for field in fields(Recording)}


def check_corpus(paths: Sequence[Path], as_json: bool) -> bool:
    """Print how the recordings in *paths* are read; whether none is wrong."""
    definitions = {runtime.ref.partition(".")[2]: parse_definition(runtime) for runtime in shipped_runtimes()}
    nodes = [(path, node) for path in paths for node in _items(path)]
    readings = [(place, node, read_recording(definitions, _recording(place, node))) for place, node in nodes]
    counted = count(reading for _, _, reading in readings)
    failures = [
        {"place": f"{path}:{node.position.line if node.position else 0}", "result": reading.result, "got": reading.got}
        for path, node, reading in readings
        if reading.result != "right"
    ]
    if as_json:
        print_json({**counted, "failures": failures})
    else:
        for failure in failures:
            click.echo(f"{failure['place']}: {failure['result']}: {failure['got']}")
        click.echo(", ".join(f"{number} {result}" for result, number in counted.items()))
    return not counted["wrong"]


def _items(path: Path) -> tuple[DocumentNode, ...]:
    value = read_file(path).value
    if not isinstance(value, tuple):
        raise UsageError(field=str(path), expected="a list of recorded outputs", got=shown(value))
    return value


def _recording(path: Path, node: DocumentNode) -> Recording:
    written: Any = plain(node)
    keys = set(written) - _WORDS if isinstance(written, dict) else set[str]()
    if not {"tool", "command", "output", "name", "version"} <= keys <= _KEYS:
        place = f"{path}:{node.position.line if node.position else 0}"
        raise UsageError(field=place, expected=f"an object of {', '.join(sorted(_KEYS))}", got=shown(written))
    return Recording(**{**{key: written[key] for key in keys}, "command": tuple(written["command"])})
