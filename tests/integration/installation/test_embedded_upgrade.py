"""The embedded database moves to a newer PostgreSQL."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from attune.cli.main import run
from attune.composition.databases import migrate
from attune.core.errors import DatabaseError
from attune.postgres.embedded import cluster, server
from attune.postgres.embedded.binaries import Binaries, find_binaries, server_programs
from attune.postgres.embedded.server import EmbeddedServer
from database_digests import digests
from filled_database import inhabit

LAST = find_binaries().major


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that the programs of Debian can enter."""
    made = Path(tempfile.mkdtemp(prefix="attune-upgrade-", dir="/tmp"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.fixture(params=[15, 16])
def earlier(
    request: pytest.FixtureRequest, place: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], dict[str, Any]]:
    """Makes a filled database of that PostgreSQL in the folder; what is in it."""
    try:
        programs = server_programs(request.param)
    except DatabaseError as error:
        pytest.skip(str(error))

    def make() -> dict[str, Any]:
        with monkeypatch.context() as patch:
            patch.setattr(server, "find_binaries", lambda **_: programs)
            patch.setattr(EmbeddedServer, "_runnable", lambda *_: programs)
            patch.setattr(cluster, "_INITDB", cluster._INITDB[: cluster._INITDB.index("--locale")])
            patch.setattr(cluster, "_SETTINGS", ())  # PostgreSQL 15 takes none
            with EmbeddedServer(place / "data") as old:
                migrate(url := old.acquire())
                inhabit(url)
                return digests(url)

    def write_access(folder: Path, *others: Any) -> None:
        written(folder, *others)
        idents = folder / "pg_ident.conf"
        idents.write_text(idents.read_text().replace(" all", " attune"))  # PostgreSQL 15 knows no `all` there

    written = cluster._write_access
    monkeypatch.setattr(cluster, "_write_access", write_access)
    monkeypatch.setenv("ATTUNE_DATA_DIR", str(place / "data"))
    return make


def test_an_upgrade_moves_every_row_and_keeps_the_former_folder(
    earlier: Callable[[], dict[str, Any]], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, data = earlier(), place / "data"
    old = cluster.major_version(data / "postgres")
    if old == 15:  # of which the wheel has no programs
        assert run(["db", "check"]) == 1
        assert "try: attune db upgrade" in capsys.readouterr().err

    assert run(["db", "upgrade"]) == 0
    assert f"moved from PostgreSQL {old} to {LAST}; the former folder is kept" in capsys.readouterr().out
    assert (cluster.major_version(data / "postgres"), cluster.major_version(data / f"postgres-{old}")) == (LAST, old)
    with EmbeddedServer(data) as new:
        assert digests(new.acquire()) == before
    assert not list(data.glob(".upgrade*"))
    assert run(["db", "upgrade"]) == 0
    assert f"nothing to do: the database is of PostgreSQL {LAST}" in capsys.readouterr().out


def test_an_upgrade_that_fails_leaves_the_database_as_it_was(
    earlier: Callable[[], dict[str, Any]], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, data = earlier(), place / "data"
    old = cluster.major_version(data / "postgres")

    def fail(*_: object) -> None:
        raise DatabaseError("no space")

    with monkeypatch.context() as patch:
        patch.setattr("attune.composition.backup.restore", fail)
        assert run(["db", "upgrade"]) == 1
    assert cluster.major_version(data / "postgres") == old
    assert run(["db", "upgrade"]) == 0
    with EmbeddedServer(data) as new:
        assert digests(new.acquire()) == before


def test_an_upgrade_is_refused_while_the_database_is_used_or_its_programs_are_missing(
    earlier: Callable[[], dict[str, Any]], place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    earlier()
    programs: Binaries = server_programs(cluster.major_version(place / "data" / "postgres") or 0)
    with monkeypatch.context() as patch:
        patch.setattr(server, "find_binaries", lambda **_: programs)
        patch.setattr(EmbeddedServer, "_runnable", lambda *_: programs)
        with EmbeddedServer(place / "data"):
            assert run(["db", "upgrade"]) == 1
    assert "expected nobody to use the database" in capsys.readouterr().err
    with pytest.raises(
        DatabaseError, match="expected the programs of PostgreSQL 9, which made this database, got none"
    ):
        server_programs(9)
