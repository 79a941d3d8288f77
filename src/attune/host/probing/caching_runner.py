"""A `CommandRunner` around another one: answers from the cache where that is certain, else lets it run."""

from __future__ import annotations

from collections.abc import Mapping

from attune.core.ports.runtimes import Next, RunObserver
from attune.core.runtimes.command import Command, Outcome
from attune.host.probing.outcome_cache import OutcomeCache
from attune.host.probing.runner import HostRunner


class CachingRunner:
    """Runs only what the *cache* does not know. *fresh* runs everything, and still remembers it.

    The *runner* must have the same cache as its journal.
    """

    def __init__(self, runner: HostRunner, cache: OutcomeCache, *, fresh: bool = False) -> None:
        self._runner = runner
        self._cache = cache
        self._fresh = fresh

    def run(
        self,
        start: Mapping[str, Command],
        then: Next,
        *,
        deadline_seconds: float | None = None,
        observer: RunObserver | None = None,
    ) -> None:
        """Run every line of *start* to its end (see `CommandRunner`). Errors of *then* and *observer* propagate."""

        def settle(key: str, command: Command | None) -> Command | None:
            """The first command from *command* on that has to be run."""
            while command is not None and not self._fresh:
                known = self._cache.lookup(command)
                if known is None:
                    return command
                if observer is not None:
                    observer.started(key, command)
                    observer.finished(key, command, known)
                command = then(key, command, known)
            return command

        def next_to_run(key: str, command: Command, outcome: Outcome) -> Command | None:
            return settle(key, then(key, command, outcome))

        self._cache.refresh()
        try:
            pending = {key: settle(key, command) for key, command in start.items()}
            rest = {key: command for key, command in pending.items() if command is not None}
            if rest:
                self._runner.run(rest, next_to_run, deadline_seconds=deadline_seconds, observer=observer)
        finally:
            self._cache.save()

    def stop(self) -> None:
        """End every run, now and later, from any thread: what is not done is "interrupted"."""
        self._runner.stop()
