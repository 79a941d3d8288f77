"""A host that runs nothing, and a cache of what it said."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from attune.core.executions.work import Work, WorkEnding, WorkOutcome
from attune.core.nodes.health import Snapshot
from attune.core.ports.runtimes import MAX_CACHED_AGE_SECONDS, Next, RunObserver
from attune.core.ports.worker import Output
from attune.core.runtimes.command import Command, Ending, Found, Missing, Outcome


def printed(output: str, exit_code: int = 0, path: str = "/usr/bin/fake") -> Outcome:
    """The outcome of a command that printed *output*."""
    return Outcome(Ending.EXITED, exit_code=exit_code, stdout=output, path=path, real_path=path, duration_ms=1.0)


class FakeHost:
    """A host with these commands: `CommandRunner`, `PathLookup` and `SnapshotReader` in one, which runs nothing.

    *commands* maps a binary to its outcome, or to a function of the argument vector. `ran` lists what was run.
    """

    def __init__(self, commands: Mapping[str, Outcome | Callable[[tuple[str, ...]], Outcome]]) -> None:
        self.commands = dict(commands)
        self.ran: list[tuple[str, ...]] = []

    def token(self) -> object:
        return tuple(sorted(self.commands))

    def find(
        self, name: str, args: Sequence[str] | None = None, failed: Collection[str] = frozenset()
    ) -> Found | Missing:
        if name in self.commands and not failed:
            return Found(f"/usr/bin/{name}")
        return Missing(Ending.NOT_FOUND, "not found on PATH")

    def run(
        self,
        start: Mapping[str, Command],
        then: Next,
        *,
        deadline_seconds: float | None = None,
        observer: RunObserver | None = None,
    ) -> None:
        for key, first in start.items():
            command: Command | None = first
            while command is not None:
                if observer:
                    observer.started(key, command)
                self.ran.append(command.argv)
                answer = self.commands.get(command.argv[0], Outcome(Ending.NOT_FOUND, detail="not found on PATH"))
                outcome = answer(command.argv) if callable(answer) else answer
                if observer:
                    observer.finished(key, command, outcome)
                command = then(key, command, outcome)

    def look(self, binaries: Sequence[Sequence[str]]) -> list[Snapshot]:
        """`SnapshotReader`: a command's outcome stands for its file."""
        return [
            Snapshot(tuple(id(self.commands.get(name)) if name in self.commands else "absent" for name in group))
            for group in binaries
        ]

    def stop(self) -> None:
        """Nothing ever runs for long here."""


class MemoryOutcomes:
    """`OutcomeCache` in memory, for a host whose files never change. *clock* gives seconds since the epoch."""

    def __init__(self, clock: Callable[[], float] = lambda: 0.0) -> None:
        self._clock = clock
        self.kept: dict[tuple[str, ...], Outcome] = {}

    def lookup(self, command: Command, max_age_seconds: float) -> Outcome | None:
        outcome = self.kept.get(command.argv)
        if outcome is None:
            return None
        age = self._clock() - (outcome.at or 0.0)
        return replace(outcome, cached_age=age) if age < min(max_age_seconds, MAX_CACHED_AGE_SECONDS) else None

    def remember(self, successes: Mapping[Command, Outcome]) -> None:
        self.kept.update({command.argv: outcome for command, outcome in successes.items()})


@dataclass
class FakeRunner:
    """`WorkRunner` that starts no process: it prints `prints`, waits for `goes_on` and ends with `outcome`."""

    outcome: WorkOutcome | Exception = field(default_factory=lambda: WorkOutcome(WorkEnding.EXITED, exit_code=0))
    prints: Sequence[tuple[str, str]] = ()
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)
    ran: list[Work] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.goes_on.set()

    async def run(self, work: Work, output: Output) -> WorkOutcome:
        self.ran.append(work)
        for stream, text in self.prints:
            await output(stream, text)
        await self.goes_on.wait()
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome
