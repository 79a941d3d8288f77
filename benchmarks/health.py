"""What a round of health checks costs on this machine while nothing has changed, and that it starts no process.

`python -m benchmarks.health` prints the figures beside their targets.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from attune.core.nodes.health_schedule import CheckSchedule
from attune.core.runtimes.definition import Definition, parse_definition
from attune.core.runtimes.runtime import Runtime
from attune.host.probing.assemble import assemble
from attune.host.probing.file_probe import FileProbe
from attune.operations.runtimes.examine import Examiner
from attune.operations.runtimes.reverify import Reverifier
from benchmarks.probing import Figure

_ROUNDS = 201


def definition(name: str) -> Definition:
    """Four commands that may prove it, as a catalogued runtime has: the first is there."""
    binaries = (name, f"{name}-alias", f"{name}3", f"{name}3.11")
    commands = [{"binary": binary, "args": ["--version"]} for binary in binaries]
    return parse_definition(Runtime(f"acme.{name}", name, {"verification": {"commands": commands}}))


def populate(folder: Path, count: int) -> list[str]:
    """*count* commands: links, as installers make them, to files elsewhere."""
    (folder / "bin").mkdir()
    names = [f"tool{number}" for number in range(count)]
    for name in names:
        real = folder / f"{name}-1.0"
        real.write_text("#!/bin/sh\necho 1.0\n")
        real.chmod(0o755)
        (folder / "bin" / name).symlink_to(real)
    return names


def processor_ms(action: Callable[[], object]) -> float:
    """The processor time of one call, of its children too: the median of many."""

    def spent() -> float:
        times = os.times()
        return time.process_time() + times.children_user + times.children_system

    found = []
    for _ in range(_ROUNDS):
        began = spent()
        action()
        found.append(spent() - began)
    return statistics.median(found) * 1000


def processes_started() -> int:
    """How many processes and threads this machine has started since it was booted."""
    lines = Path("/proc/stat").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("processes "))


def measure(folder: Path, count: int) -> list[Figure]:
    names = populate(folder, count)
    # The folders of this machine's PATH come first, so that every look-up passes them.
    checks = assemble({**os.environ, "PATH": f"{os.environ['PATH']}:{folder / 'bin'}"})
    examiner = Examiner(checks.runner, checks.paths)
    # Without an interval every round looks at everything.
    reverifier = Reverifier(examiner, FileProbe(checks.paths), time.monotonic, schedule=CheckSchedule(0, 86_400))
    definitions = [definition(name) for name in names]
    kept = reverifier.begin(definitions, examiner.examine(definitions))
    assert all(one.health.offered for one in kept.values())
    done = [reverifier.round(kept)]

    def again() -> None:
        done[0] = reverifier.round(done[0].kept)

    cost = processor_ms(again)
    before = os.times()
    quiet = min(_started_by(again) for _ in range(20))
    children = os.times().children_user + os.times().children_system - before.children_user - before.children_system
    assert done[0].checked == ()
    return [
        Figure(f"health round, {count} runtimes unchanged, processor", cost, 2, "ms", at_most=True),
        Figure(f"health round, {count} runtimes unchanged, processes", quiet, 0, "", at_most=True),
        Figure(f"health round, {count} runtimes unchanged, children", children, 0, "s", at_most=True),
    ]


def _started_by(action: Callable[[], object]) -> int:
    before = processes_started()
    action()
    return processes_started() - before


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        for figure in measure(Path(folder), 30):
            print(figure, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
