"""Applies each mutation to a copy of the project, one at a time, and runs the tests that must notice.

`python tests/mutants/run.py [WORD …]` runs those whose name contains a word. Exit code 1: one was not noticed, or its
text is no longer in the source. The tree itself is never changed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from table import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
AT_ONCE = 2
WAIT_SECONDS = 600
_FOLDERS = ("docs", "src", "tests")
_FILES = ("pyproject.toml",)


def main(words: Sequence[str]) -> int:
    wanted = [one for one in MUTANTS if not words or any(word in one.name for word in words)]
    wrong = [f"{one.name}: {problem}" for one in wanted if (problem := problem_of(one))]
    if wrong or not wanted:
        sys.stderr.write("\n".join(wrong or ["expected a word of a name of a mutant"]) + "\n")
        return 1
    with tempfile.TemporaryDirectory(prefix="mutants-") as place, ThreadPoolExecutor(AT_ONCE) as workers:
        folders = [copied(Path(place, str(number))) for number in range(AT_ONCE)]
        whole = sorted({test for one in wanted for test in one.tests})
        code, output = tested(folders[0], whole)
        if code != 0:
            sys.stderr.write(f"the tests fail without any mutation:\n{output}\n")
            return 1
        lock = threading.Lock()

        def judged(mutant: Mutant) -> str:
            with lock:
                folder = folders.pop()
            try:
                verdict = verdict_of(mutant, folder)
            finally:
                with lock:
                    folders.append(folder)
            sys.stdout.write(f"{verdict:8} {mutant.name}\n")
            sys.stdout.flush()
            return verdict

        verdicts = list(workers.map(judged, wanted))
    killed = verdicts.count("killed")
    sys.stdout.write(f"{killed} of {len(wanted)} killed\n")
    return 0 if killed == len(wanted) else 1


def problem_of(mutant: Mutant) -> str | None:
    """Why *mutant* cannot be applied, or None."""
    times = (ROOT / mutant.file).read_text().count(mutant.old) if (ROOT / mutant.file).exists() else 0
    return None if times == 1 else f"expected the text once in {mutant.file}, got {times}: {mutant.old!r}"


def copied(folder: Path) -> Path:
    for name in _FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in _FILES:
        shutil.copy(ROOT / name, folder / name)
    return folder


def verdict_of(mutant: Mutant, folder: Path) -> str:
    file = folder / mutant.file
    before = file.read_text()
    file.write_text(before.replace(mutant.old, mutant.new))
    try:
        code, output = tested(folder, mutant.tests)
    finally:
        file.write_text(before)
    if code not in (0, 1):
        sys.stderr.write(f"{mutant.name}: expected tests that pass or fail, got exit code {code}\n{output}\n")
    return {0: "SURVIVED", 1: "killed"}.get(code, "BROKEN")


def tested(folder: Path, tests: Sequence[str]) -> tuple[int, str]:
    """The exit code and the output of *tests* in the copy *folder*; a run without end counts as noticed."""
    environment = {**os.environ, "PYTHONPATH": str(folder / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", "--tb=short", *tests]
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=WAIT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return 1, "no end"
    return done.returncode, done.stdout[-3000:] + done.stderr[-1000:]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
