"""A psql session on the database in use."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def run_psql(url: str, arguments: Sequence[str], environment: Mapping[str, str], bundled: Path) -> int:
    """Run psql in the foreground with *arguments*; its exit code. The bundled one serves where PATH has none."""
    program = shutil.which("psql", path=environment.get("PATH")) or str(bundled)
    terminals = {"TERMINFO_DIRS": "/etc/terminfo:/lib/terminfo:/usr/share/terminfo"}  # the bundled one looks at two
    return subprocess.run([program, "--dbname", url, *arguments], env=terminals | dict(environment)).returncode
