"""`attune detect` as a whole process, against envinfo from npm on the same runtimes; start-up, memory, absent runtimes.

`python -m benchmarks.detection` prints the figures beside their targets. envinfo is installed into a temporary folder
with npm; without npm that row is left out and said so.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from attune import catalogue
from attune.core.runtimes.definition import Definition, parse_definition
from attune.core.runtimes.runtime import Runtime
from attune.host.probing.assemble import assemble
from attune.operations.runtimes.examine import Examiner
from benchmarks.probing import Figure, medians, seconds

ATTUNE = (sys.executable, "-m", "attune")
# What envinfo calls it, and what we do. It looks for Java by `javac`, the rest by the same commands.
_SAME = {
    "Bash": "shell", "Java": "java", "Perl": "perl", "Python3": "python", "Rust": "rust", "Ruby": "ruby", "Go": "go",
    "PHP": "php", "R": "r", "Node": "node", "npm": "npm", "Yarn": "yarn", "pnpm": "pnpm", "bun": "bun", "Deno": "deno",
    "Cargo": "cargo", "Maven": "maven", "Gradle": "gradle", "pip3": "pip", "Composer": "composer", "CMake": "cmake",
    "Make": "make", "GCC": "gcc", "Git": "git", "Clang": "clang", "Curl": "curl", "OpenSSL": "openssl",
    "FFmpeg": "ffmpeg", "Docker": "docker",
}  # fmt: skip
_SECTIONS = ("--languages", "--binaries", "--managers", "--utilities", "--virtualization")
_ROUNDS = 9


def environment(folder: str) -> dict[str, str]:
    """This process's environment, with caches of its own."""
    return {**os.environ, "XDG_CACHE_HOME": f"{folder}/cache", "ATTUNE_DATA_DIR": f"{folder}/data"}


def quiet(argv: tuple[str, ...], env: dict[str, str]) -> str:
    return subprocess.run(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout


def compare_envinfo(folder: str) -> Iterator[Figure]:
    """Whole processes, cold, on the runtimes that both find here."""
    npm = shutil.which("npm")
    if npm is None:
        print("envinfo: left out, there is no npm here")
        return
    subprocess.run(
        [npm, "install", "--silent", "--no-fund", "--no-audit", "--prefix", folder, "envinfo"],
        stdout=subprocess.DEVNULL,
        check=True,
    )
    env = environment(folder)
    peer = ("node", f"{folder}/node_modules/envinfo/dist/cli.js", *_SECTIONS, "--json")
    theirs: dict[str, Any] = {}
    for section in json.loads(quiet(peer, env)).values():
        theirs |= section
    ours = json.loads(quiet((*ATTUNE, "detect", "--local", "--json"), env))["runtimes"]
    names = [ours_name for name, ours_name in _SAME.items() if name in theirs and ours_name in ours]
    only = tuple(word for name in names for word in ("--only", name))
    cold = {**env, "ATTUNE__DETECTION__CACHE": "false"}
    mine = (*ATTUNE, "detect", "--local", "--json", *only)
    (ratio,) = medians(lambda: quiet(peer, env), lambda: quiet(mine, cold), rounds=_ROUNDS)
    yield Figure("envinfo, whole process, cold", ratio, 1.3, note=f"{len(names)} runtimes: {' '.join(names)}")


def measure_start(folder: str) -> Iterator[Figure]:
    """`attune --help` beside a Python that does nothing, and what a detection holds in memory."""
    env = environment(folder)
    times = [seconds(lambda: quiet((*ATTUNE, "--help"), env)) for _ in range(_ROUNDS)]
    yield Figure("attune --help", statistics.median(times) * 1000, 200, "ms", at_most=True)
    code = "import sys; from attune.cli.main import run; run(sys.argv[1:]); print(open('/proc/self/status').read())"
    status = quiet((sys.executable, "-c", code, "detect", "--local", "--json"), env)
    yield Figure("detect --local, peak memory", peak_megabytes(status), 50, "MB", at_most=True)
    yield Figure("worker at rest, memory", worker_megabytes(env), 80, "MB", at_most=True)


def peak_megabytes(status: str, field: str = "VmHWM:") -> float:
    return int(status.partition(field)[2].split()[0]) / 1024


def worker_megabytes(env: dict[str, str]) -> float:
    """What a worker holds after it has registered."""
    with tempfile.TemporaryDirectory() as folder:
        env = {**env, "ATTUNE_DATA_DIR": f"{folder}/data"}
        subprocess.run([*ATTUNE, "db", "migrate"], env=env, stdout=subprocess.DEVNULL, check=True)
        with subprocess.Popen([*ATTUNE, "worker", "start"], env=env, stderr=subprocess.PIPE, text=True) as worker:
            assert worker.stderr is not None
            for line in worker.stderr:
                if "worker registered" in line:
                    break
            status = Path(f"/proc/{worker.pid}/status").read_text()
            worker.terminate()
            worker.stderr.read()
    return peak_megabytes(status, "VmRSS:")


def measure_smoke() -> Iterator[Figure]:
    """What it costs to start for real what is here: all shipped definitions with a smoke check, with and without."""
    parsed = [parse_definition(Runtime(**entry)) for entry in (*catalogue.core_pack(), *catalogue.extras())]
    smoked = [definition for definition in parsed if definition.verification.smoke is not None]
    plain = [replace(one, verification=replace(one.verification, smoke=None)) for one in smoked]
    checks = assemble(dict(os.environ))
    examiner = Examiner(checks.runner, checks.paths)
    found = [verdict.capability for verdict in examiner.examine(smoked) if verdict.status.offered]
    without, with_smoke = (
        statistics.median(seconds(partial(examiner.examine, those)) for _ in range(_ROUNDS))
        for those in (plain, smoked)
    )
    yield Figure("smoke checks, in all", (with_smoke - without) * 1000, None, "ms", note=" ".join(found))


def measure_absent() -> Iterator[Figure]:
    """A hundred definitions whose commands are not on PATH: verdicts and all."""
    definitions = [absent(number) for number in range(100)]

    def first() -> None:
        checks = assemble(dict(os.environ))
        Examiner(checks.runner, checks.paths).examine(definitions)

    checks = assemble(dict(os.environ))
    examiner = Examiner(checks.runner, checks.paths)
    examiner.examine(definitions)
    whole = statistics.median(seconds(first) for _ in range(51))
    again = statistics.median(seconds(lambda: examiner.examine(definitions)) for _ in range(51))
    yield Figure("100 absent definitions, in all", whole * 1000, 2, "ms", at_most=True)
    yield Figure("100 absent definitions, PATH unchanged", again * 1000, 0.1, "ms", at_most=True)


def absent(number: int) -> Definition:
    command = {"binary": f"no-such-command-{number}", "args": ["--version"]}
    return parse_definition(Runtime(f"acme.r{number}", f"R{number}", {"verification": {"commands": [command]}}))


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        for part in (measure_absent(), measure_smoke(), measure_start(folder), compare_envinfo(folder)):
            for figure in part:
                print(figure, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
