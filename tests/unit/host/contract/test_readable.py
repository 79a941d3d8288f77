"""What programs may read is all that lies beside hidden files, as it is now."""

from __future__ import annotations

from pathlib import Path

import pytest

from attune.host.contract import readable
from attune.host.contract.readable import ReadableFiles


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in (".pgpass", ".bash_history", "notes", ".config/attune/attune.yaml", ".config/git/config"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "link").symlink_to(".pgpass")
    return tmp_path


def below(home: Path, files: ReadableFiles) -> set[str]:
    return {path.removeprefix(f"{home}/") for path in files.paths or () if path.startswith(f"{home}/")}


def test_all_is_named_but_hidden_files_histories_and_links(home: Path) -> None:
    files = ReadableFiles(frozenset({str(home / ".pgpass"), str(home / ".config/attune"), str(home / "gone/token")}))
    first = files.look()

    assert below(home, files) == {"notes", ".config/git"}
    assert not {"/", str(home), str(home.parent)} & {*(files.paths or ())}
    assert "/usr" in (files.paths or ())
    assert files.look() == first
    (home / "new").write_text("")
    assert files.look() != first
    assert below(home, files) == {"notes", "new", ".config/git"}


def test_what_a_hidden_link_leads_to_is_hidden_too(home: Path) -> None:
    files = ReadableFiles(frozenset({str(home / "link")}))
    files.look()
    assert below(home, files) == {".bash_history", "notes", ".config"} - {".bash_history"}


@pytest.mark.parametrize(
    ("kind", "share", "named"),
    [("ext4", False, True), ("nfs4", True, False), ("fuse.sshfs", True, False), ("fuse.portal", False, False)],
)
def test_a_network_share_beside_a_hidden_file_is_never_asked(
    home: Path, monkeypatch: pytest.MonkeyPatch, kind: str, share: bool, named: bool
) -> None:
    mounts = home / "mounts"
    mounts.write_text(f"36 35 98:0 / {home}/notes rw,noatime master:1 - {kind} server:/x rw\n")
    monkeypatch.setattr(readable, "_MOUNTS", mounts)
    files = ReadableFiles(frozenset({str(home / ".pgpass")}))
    files.look()

    assert files.share == (str(home / "notes") if share else None)
    assert ("notes" in below(home, files)) == named
