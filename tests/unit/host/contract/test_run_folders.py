"""Working folders lie beside what is somebody's, and touch nothing of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

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


def test_what_a_killed_process_left_is_removed_at_the_next_start_and_what_a_live_one_has_stays(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from attune.host.contract.run_folders import RunFolders\n"
        "folders = RunFolders([sys.argv[1]]); folder = folders.make()\n"
        "Path(folder, 'half-written').write_text('x'); print(folder, flush=True); sys.stdin.read()"
    )
    run = [sys.executable, "-c", script, str(tmp_path)]
    with (
        subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as killed,
        subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as alive,
    ):
        assert killed.stdout is not None and alive.stdout is not None
        left, kept = Path(killed.stdout.readline().strip()), Path(alive.stdout.readline().strip())
        killed.kill()
        killed.wait()
        assert (left / "half-written").exists()

        made = RunFolders([str(tmp_path)])
        folder = made.make()

        assert not left.parent.exists()
        assert (kept / "half-written").exists()
        alive.kill()
    made.remove(folder)


def test_what_a_reboot_left_is_removed_whoever_has_the_number_of_its_process_now(tmp_path: Path) -> None:
    left = tmp_path / f"{os.getpid()}-0123abcd" / "0011223344556677"
    left.mkdir(parents=True)
    (left / "half-written").write_text("x")

    RunFolders([str(tmp_path)]).make()

    assert not left.parent.exists()


@pytest.mark.parametrize(
    ("free", "inodes", "problem"), [(3, 9, "no space left"), (4, 0, "no inode left"), (4, 9, None)]
)
def test_a_folder_without_room_is_a_fault_of_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, inodes: int, problem: str | None
) -> None:
    room = SimpleNamespace(f_bfree=free, f_bavail=free, f_frsize=4096, f_files=10, f_favail=inodes)
    monkeypatch.setattr(os, "statvfs", lambda folder: room)

    told = RunFolders([str(tmp_path)]).problem()

    assert told is None if problem is None else problem in str(told)
    assert [*tmp_path.glob("*/*")] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_only_a_folder_of_our_own_name_is_opened_for_the_user_of_programs(tmp_path: Path) -> None:
    for name, mode in (("srv", 0o700), ("attune", 0o711)):
        (tmp_path / name).mkdir(mode=0o700)
        RunFolders([str(tmp_path / name / "run")], owner=(12345, 12345)).make()
        assert (tmp_path / name).stat().st_mode & 0o777 == mode
