"""How fast checks run on this machine, against a sequential loop and `xargs -P 4` on the same commands.

Every figure is a ratio: the references run interleaved with ours, and the median over the rounds counts, so that
a busy machine disturbs both sides alike. `python -m benchmarks.probing` prints them beside their targets.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from attune.core.ports.runtimes import MAX_CACHED_AGE_SECONDS
from attune.core.runtimes.command import Command, Ending, Outcome
from attune.core.runtimes.definition import Definition, parse_definition
from attune.core.runtimes.runtime import Runtime
from attune.core.runtimes.verdict import Verdict
from attune.host.environment import check_environment
from attune.host.probing.assemble import HostChecks, HostOptions, assemble
from attune.operations.runtimes.examine import Examiner

_VERSION_COMMANDS = """
python3 --version | python --version | node --version | java -version | perl --version | git --version
gcc --version | bash --version | cargo --version | rustc --version | docker --version | kubectl version --client
terraform version | psql --version | mvn --version | npm --version | make --version | cmake --version
curl --version | ssh -V | go version | ruby --version | php --version | Rscript --version | dotnet --version
deno --version | bun --version | pwsh --version | lua -v | ffmpeg -version | podman --version | gradle --version
g++ --version | clang --version | javac -version | openssl version | sqlite3 --version
"""
_ROUNDS = 7


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured ratio or time, and what it should be; `target` None is for information."""

    name: str
    value: float
    target: float | None
    unit: str = "x"
    at_most: bool = False
    note: str = ""

    @property
    def met(self) -> bool:
        if self.target is None:
            return True
        return self.value <= self.target if self.at_most else self.value >= self.target

    def __str__(self) -> str:
        if self.target is None:
            return f"{self.name:<58} {self.value:8.3f} {self.unit:<2} for information  {self.note}"
        bound = "at most" if self.at_most else "at least"
        mark = "met" if self.met else "MISSED"
        return f"{self.name:<58} {self.value:8.3f} {self.unit:<2} {bound} {self.target:g}  {mark}  {self.note}"


def installed_commands(environment: dict[str, str]) -> list[Command]:
    """The version commands of what is installed here, and of every Python that pyenv keeps."""
    present = _present(environment)
    kept = Path(environment.get("PYENV_ROOT", environment.get("HOME", "/") + "/.pyenv")) / "versions"
    present += [(str(python), "--version") for python in sorted(kept.glob("*/bin/python"))]
    return [Command(argv, 60.0) for argv in present]


def _present(environment: dict[str, str]) -> list[tuple[str, ...]]:
    known = [tuple(text.split()) for text in _VERSION_COMMANDS.replace("\n", "|").split("|") if text.strip()]
    return [argv for argv in known if shutil.which(argv[0], path=environment["PATH"])]


def seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def medians(*actions: Callable[[], object], rounds: int = _ROUNDS) -> list[float]:
    """The median of `seconds(actions[0]) / seconds(action)` for each of the others, run in turn in every round."""
    ratios: list[list[float]] = [[] for _ in actions[1:]]
    for number in range(rounds):
        order = list(enumerate(actions))
        turned = order[number % len(order) :] + order[: number % len(order)]
        times = dict(sorted((place, seconds(action)) for place, action in turned))
        for place, values in enumerate(ratios, 1):
            values.append(times[0] / times[place])
    return [statistics.median(values) for values in ratios]


def run(checks: HostChecks, commands: Sequence[Command]) -> dict[str, Outcome]:
    outcomes: dict[str, Outcome] = {}

    def then(key: str, _command: Command, outcome: Outcome) -> None:
        outcomes[key] = outcome

    checks.runner.run({str(number): command for number, command in enumerate(commands)}, then)
    return outcomes


def run_in_sequence(commands: Sequence[Command], environment: dict[str, str]) -> None:
    for command in commands:
        subprocess.run(command.argv, capture_output=True, stdin=subprocess.DEVNULL, env=environment)


def run_with_xargs(commands: Sequence[Command], environment: dict[str, str]) -> None:
    lines = "".join(" ".join(command.argv) + "\n" for command in commands)
    quiet = subprocess.DEVNULL
    argv = ["xargs", "-P", "4", "-L", "1", "env"]
    subprocess.run(argv, input=lines.encode(), stdout=quiet, stderr=quiet, env=environment)


def compare_installed(environment: dict[str, str]) -> list[Figure]:
    """CPU-bound version commands."""
    commands = installed_commands(environment)
    checks = assemble(environment)
    (against_sequence,) = medians(lambda: run_in_sequence(commands, environment), lambda: run(checks, commands))
    (against_xargs,) = medians(lambda: run_with_xargs(commands, environment), lambda: run(checks, commands))
    return [
        Figure("installed, against one after the other", against_sequence, 1.5, note=f"{len(commands)} commands"),
        Figure("installed, wall time of xargs -P 4", 1 / against_xargs, 1.05, at_most=True),
    ]


def compare_small(environment: dict[str, str]) -> list[Figure]:
    """Checks that only wait, and checks that do nothing at all."""
    checks = assemble(environment)
    waiting = [Command(("sleep", "0.1"))] * 10
    nothing = [Command(("/bin/true",))] * 200
    (wait,) = medians(lambda: run_in_sequence(waiting, environment), lambda: run(checks, waiting))
    (true,) = medians(lambda: run_in_sequence(nothing, environment), lambda: run(checks, nothing), rounds=15)
    return [Figure("10 x sleep 0.1", wait, 9.0), Figure("200 x /bin/true", true, 1.4)]


def measure_hanging(environment: dict[str, str], limit: float) -> Figure:
    """Three checks that hang, at the end of a list of 24: what they add to the larger of limit and the rest."""
    checks = assemble(environment)
    rest = installed_commands(environment)[:21]
    hanging = [Command(("sleep", "300"), limit)] * 3
    run(checks, [*rest, *hanging])
    excess = []
    for _ in range(_ROUNDS):
        alone = seconds(lambda: run(checks, rest))
        began = time.perf_counter()
        outcomes = run(checks, [*rest, *hanging])
        excess.append(time.perf_counter() - began - max(limit, alone))
        assert sum(outcome.ending is Ending.TIMED_OUT for outcome in outcomes.values()) == 3
    return Figure(f"3 hanging ({limit:g} s) among 24", statistics.median(excess) * 1000, 50, "ms", at_most=True)


def measure_missing(environment: dict[str, str]) -> list[Figure]:
    """A hundred commands that are not installed: the first time, and while PATH has not changed."""
    names = [f"no-such-command-{number}" for number in range(100)]
    commands = [Command((name, "--version")) for name in names]
    whole = statistics.median(seconds(lambda: run(assemble(environment), commands)) for _ in range(51))
    paths = assemble(environment).paths
    paths.find("warm")

    def ask() -> None:
        paths.token()
        for name in names:
            paths.find(name)

    unchanged = statistics.median(seconds(ask) for _ in range(51))
    token = statistics.median(seconds(paths.token) for _ in range(51))
    return [
        Figure("100 missing, in all", whole * 1000, 2, "ms", at_most=True),
        Figure("100 missing, PATH unchanged, asked one by one", unchanged * 1000, 0.1, "ms", at_most=True),
        Figure("PATH unchanged, token alone", token * 1000, 0.1, "ms", at_most=True),
    ]


def compare_warm(environment: dict[str, str], folder: str) -> list[Figure]:
    """A node that starts again: its detection with what the last run proved, against one without."""
    commands = [argv for argv in _present(environment) if argv[0] != "python"]  # it is python3 again
    definitions = {argv: definition_of(argv) for argv in commands}
    checks = assemble(environment, HostOptions(cache_folder=folder))

    def start(chosen: Sequence[Definition], max_age: float) -> list[Verdict]:
        examiner = Examiner(checks.runner, checks.paths, checks.cache)
        return examiner.examine(chosen, max_age_seconds=max_age)

    start(list(definitions.values()), 0.0)
    verdicts = start(list(definitions.values()), MAX_CACHED_AGE_SECONDS)
    cached = [
        definition for definition, verdict in zip(definitions.values(), verdicts, strict=True) if verdict.is_cached
    ]
    run_again = [argv[0] for argv, definition in definitions.items() if definition not in cached]
    ratios = []
    for chosen in (cached, list(definitions.values())):
        cold, warm = partial(start, chosen, 0.0), partial(start, chosen, MAX_CACHED_AGE_SECONDS)
        ratios += medians(cold, warm)
    return [
        Figure("warm restart of a node, native binaries", ratios[0], 6, note=f"{len(cached)} commands"),
        Figure("warm restart of a node, all", ratios[1], None, note=f"scripts and shims: {', '.join(run_again)}"),
    ]


def definition_of(argv: tuple[str, ...]) -> Definition:
    command = {"binary": argv[0], "args": list(argv[1:]), "timeout_seconds": 60}
    return parse_definition(Runtime(f"bench.{argv[0]}", argv[0], {"verification": {"commands": [command]}}))


def main() -> int:
    environment = check_environment(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        parts: list[Callable[[], list[Figure]]] = [
            lambda: compare_small(environment),
            lambda: compare_installed(environment),
            lambda: [measure_hanging(environment, limit) for limit in (0.3, 1.5)],
            lambda: measure_missing(environment),
            lambda: compare_warm(environment, f"{folder}/cache"),
        ]
        for part in parts:
            for figure in part():
                print(figure, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
