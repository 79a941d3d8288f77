"""`SnapshotReader`: one suite for the fake and for the files of this host."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from attune.core.ports.runtimes import SnapshotReader
from attune.host.probing.file_probe import FileProbe
from attune.host.probing.path_index import PathIndex
from attune.testing import FakeHost, printed


@dataclass
class Commands:
    """A host with the command `tool`; `write` puts one there, `remove` takes it away."""

    reader: SnapshotReader
    write: Callable[[str, str], object]
    remove: Callable[[str], object]


@pytest.fixture(params=["fake", "host"])
def commands(request: pytest.FixtureRequest, tmp_path: Path) -> Commands:
    fake = FakeHost({})

    def set_outcome(name: str, text: str) -> None:
        fake.commands[name] = printed(text)

    def write(name: str, text: str) -> None:
        new = tmp_path / f"{name}.new"
        new.write_text(text)
        new.chmod(0o755)
        new.rename(tmp_path / name)

    host = Commands(FileProbe(PathIndex(str(tmp_path))), write, lambda name: (tmp_path / name).unlink())
    made = Commands(fake, set_outcome, fake.commands.pop) if request.param == "fake" else host
    made.write("tool", "one")
    return made


def test_a_group_without_files_is_gone(commands: Commands) -> None:
    tool, both, absent = commands.reader.look([["tool"], ["absent", "tool"], ["absent"]])

    assert (tool.gone, both.gone, absent.gone) == (False, False, True)


def test_it_is_seen_whether_a_file_has_changed(commands: Commands) -> None:
    (before,) = commands.reader.look([["tool"]])
    (same,) = commands.reader.look([["tool"]])
    commands.write("tool", "another")
    (changed,) = commands.reader.look([["tool"]])
    commands.remove("tool")
    (gone,) = commands.reader.look([["tool"]])

    assert before == same
    assert len({before, changed, gone}) == 3
    assert gone.gone and not changed.gone
