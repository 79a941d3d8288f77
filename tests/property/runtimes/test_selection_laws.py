"""Whatever happens to a machine with a version manager, a runner that remembers answers as one that does not."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from effort import share
from version_managers import BINARIES, PyenvMachine


def _local(machine: PyenvMachine, version: str, *, there: bool) -> None:
    file = machine.folder / "some" / ".python-version"
    if there:
        file.write_text(f"{version}\n")
    else:
        file.unlink(missing_ok=True)


def _hook(machine: PyenvMachine, version: str, *, there: bool) -> None:
    hook = machine.hook("version-name", f"PYENV_VERSION={version}\n")
    if not there:
        hook.unlink()


def _variable(machine: PyenvMachine, version: str, *, there: bool) -> None:
    machine.environment.pop("PYENV_VERSION", None)
    if there:
        machine.environment["PYENV_VERSION"] = version


def _binary(number: int) -> Callable[[PyenvMachine, str], None]:
    def install(machine: PyenvMachine, version: str) -> None:
        machine.install(version, BINARIES[number], f"python3.{number}")

    return install


ACTIONS: list[Callable[[PyenvMachine, str], None]] = [
    lambda machine, version: None,
    lambda machine, version: machine.choose(f"{version}\n"),
    lambda machine, version: machine.choose(f"{version}\n3.12.1\n"),
    lambda machine, version: machine.choose("system\n"),
    lambda machine, version: _local(machine, version, there=True),
    lambda machine, version: _local(machine, version, there=False),
    lambda machine, version: _hook(machine, version, there=True),
    lambda machine, version: _hook(machine, version, there=False),
    lambda machine, version: _variable(machine, version, there=True),
    lambda machine, version: _variable(machine, version, there=False),
    lambda machine, version: machine.write_shim(detour=version == "3.11.7"),
    *map(_binary, range(3)),
]
steps = st.lists(st.tuples(st.sampled_from(ACTIONS), st.sampled_from(["3.11.7", "3.12.1"])), min_size=2, max_size=8)


@settings(max_examples=share(40))
@given(steps)
def test_what_is_remembered_is_what_would_be_found(sequence: list[tuple[Callable[..., None], str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        machine = PyenvMachine(Path(folder))
        machine.learn("python3", "--version")
        for action, version in sequence:
            action(machine, version)
            machine.agrees("python3", "--version")
