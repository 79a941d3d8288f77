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

from attune.core.runtimes.command import Command, Ending, Outcome
from attune.host.environment import check_environment
from attune.host.probing.assemble import HostChecks, HostOptions, assemble

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


def compare_installed(environment: dict[str, str], folder: str) -> list[Figure]:
    """CPU-bound version commands, the first time and with what earlier runs have taught."""
    commands = installed_commands(environment)
    plain = assemble(environment)
    taught = assemble(environment, HostOptions(cache_folder=folder, fresh=True))
    run(taught, commands)
    sequence, xargs, first, again = (
        lambda: run_in_sequence(commands, environment),
        lambda: run_with_xargs(commands, environment),
        lambda: run(plain, commands),
        lambda: run(taught, commands),
    )
    against_sequence = medians(sequence, first, again)
    against_xargs = medians(xargs, first, again)
    count = f"{len(commands)} commands"
    return [
        Figure("installed, first run, against one after the other", against_sequence[0], 1.5, note=count),
        Figure("installed, costs known, against one after the other", against_sequence[1], 1.5, note=count),
        Figure("installed, first run, wall time of xargs -P 4", 1 / against_xargs[0], 1.05, at_most=True),
        Figure("installed, costs known, wall time of xargs -P 4", 1 / against_xargs[1], 1.05, at_most=True),
    ]


def compare_small(environment: dict[str, str]) -> list[Figure]:
    """Checks that only wait, and checks that do nothing at all."""
    checks = assemble(environment)
    waiting = [Command(("sleep", "0.1"))] * 10
    nothing = [Command(("/bin/true",))] * 200
    (wait,) = medians(lambda: run_in_sequence(waiting, environment), lambda: run(checks, waiting))
    (true,) = medians(lambda: run_in_sequence(nothing, environment), lambda: run(checks, nothing), rounds=15)
    return [Figure("10 x sleep 0.1", wait, 9.0), Figure("200 x /bin/true", true, 1.4)]


def measure_hanging(environment: dict[str, str], limit: float, folder: str | None) -> Figure:
    """Three checks that hang, at the end of a list of 24: what they add to the larger of limit and the rest.

    With a *folder* the runner knows from earlier runs what each costs.
    """
    checks = assemble(environment, HostOptions(cache_folder=folder, fresh=True))
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
    known = "costs known" if folder else "first run"
    name = f"3 hanging ({limit:g} s) among 24, {known}"
    return Figure(name, statistics.median(excess) * 1000, 50, "ms", at_most=True)


def measure_missing(environment: dict[str, str]) -> list[Figure]:
    """A hundred commands that are not installed: the first time, and while PATH has not changed."""
    names = [f"no-such-command-{number}" for number in range(100)]
    commands = [Command((name, "--version")) for name in names]
    whole = statistics.median(seconds(lambda: run(assemble(environment), commands)) for _ in range(51))
    paths = assemble(environment).paths
    paths.missing("warm")

    def ask() -> None:
        paths.token()
        for name in names:
            paths.missing(name)

    unchanged = statistics.median(seconds(ask) for _ in range(51))
    token = statistics.median(seconds(paths.token) for _ in range(51))
    return [
        Figure("100 missing, in all", whole * 1000, 2, "ms", at_most=True),
        Figure("100 missing, PATH unchanged, asked one by one", unchanged * 1000, 0.1, "ms", at_most=True),
        Figure("PATH unchanged, token alone", token * 1000, 0.1, "ms", at_most=True),
    ]


def compare_warm(environment: dict[str, str], folder: str) -> list[Figure]:
    """A restart with a cache, each program once: what is remembered and what is run again, and what that costs."""
    commands = [Command(argv, 60.0) for argv in _present(environment) if argv[0] != "python"]  # it is python3 again
    taught = assemble(environment, HostOptions(cache_folder=folder))
    for _ in range(2):
        outcomes = run(taught, commands)
    selected = [c for n, c in enumerate(commands) if _is_of_a_manager(outcomes[str(n)])]
    remembered = [c for n, c in enumerate(commands) if outcomes[str(n)].cached_age is not None]
    native = [c for c in remembered if c not in selected]
    cold = assemble(environment)
    ratios = []
    for chosen in (native, [*native, *selected], commands):
        (ratio,) = medians(partial(run, cold, chosen), partial(run, taught, chosen))
        ratios.append(ratio)
    managed = ", ".join(c.argv[0] for c in selected) or "none here"
    run_again = ", ".join(c.argv[0] for c in commands if c not in remembered) or "none"
    return [
        Figure("warm restart, native binaries", ratios[0], 6, note=f"{len(native)} commands"),
        Figure("warm restart, native binaries and version managers' shims", ratios[1], 6, note=f"shims: {managed}"),
        Figure("warm restart, everything installed", ratios[2], None, note=f"run again: {run_again}"),
    ]


def _is_of_a_manager(outcome: Outcome) -> bool:
    """Whether a version manager chose what was run."""
    path, real_path = outcome.path or "", outcome.real_path or ""
    return "shims" in path.split("/") or Path(real_path).name == "rustup"


def main() -> int:
    environment = check_environment(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        parts: list[Callable[[], list[Figure]]] = [
            lambda: compare_small(environment),
            lambda: compare_installed(environment, f"{folder}/one"),
            lambda: [
                measure_hanging(environment, limit, place) for limit in (0.3, 1.5) for place in (None, f"{folder}/two")
            ],
            lambda: measure_missing(environment),
            lambda: compare_warm(environment, f"{folder}/three"),
        ]
        for part in parts:
            for figure in part():
                print(figure, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
