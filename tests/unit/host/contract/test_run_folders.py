"""Working folders lie beside what is somebody's, and touch nothing of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from attune.host.contract.run_folders import RunFolders


def test_what_else_lies_where_working_folders_are_made_is_left_alone(tmp_path: Path) -> None:
    kept = tmp_path / "run" / "precious" / "deep"
    kept.mkdir(parents=True)
    (kept / "file").write_text("important")
    abandoned = tmp_path / "run" / "4194999-0123abcd"
    abandoned.mkdir()

    folders = RunFolders([str(tmp_path / "run")])
    folders.remove(folders.make())

    assert (kept / "file").read_text() == "important"
    assert not abandoned.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_only_a_folder_of_our_own_name_is_opened_for_the_user_of_programs(tmp_path: Path) -> None:
    for name, mode in (("srv", 0o700), ("attune", 0o711)):
        (tmp_path / name).mkdir(mode=0o700)
        RunFolders([str(tmp_path / name / "run")], owner=(12345, 12345)).make()
        assert (tmp_path / name).stat().st_mode & 0o777 == mode
