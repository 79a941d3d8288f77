"""Outcomes of earlier runs, so that a restart need not run again what cannot have changed.

An outcome is kept only if it depends on nothing but a native binary and its libraries (see `rememberable`), or also
on what makes a version manager select this binary (see `selectors`), and only as long as all of them are the very
same files. What a command cost is remembered for every command.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from attune.core.runtimes.command import Command, Ending, Outcome
from attune.host.environment import fingerprint
from attune.host.probing.cache_file import CacheFile, Contents, Entry
from attune.host.probing.cache_policy import asks_only_version, rememberable
from attune.host.probing.concurrency import Expectation
from attune.host.probing.identity import Identifier, Identity
from attune.host.probing.path_index import Found, PathIndex
from attune.host.probing.run_hooks import Trace
from attune.host.version_managers.selectors import select

# A file that changed this recently could change again without a trace: clocks of file systems are coarse.
_SETTLED_SECONDS = 2.0
_LONGEST_OUTPUT = 8192
_NOTABLE_CHANGE = 0.25


@dataclass(frozen=True, slots=True)
class _Ticket:
    key: str
    identity: Identity | None


class OutcomeCache:
    """The `Journal` that remembers. Safe to use from several threads.

    *clock* gives seconds since the epoch. Call `refresh` before and `save` after a run.
    """

    def __init__(
        self, environment: Mapping[str, str], paths: PathIndex, folder: str, clock: Callable[[], float]
    ) -> None:
        self._environment = dict(environment)
        self._surroundings = fingerprint(environment)
        self._paths = paths
        self._file = CacheFile(folder)
        self._clock = clock
        self._lock = threading.Lock()
        self._contents = Contents()
        self._new_outcomes: dict[str, Entry | None] = {}
        self._new_costs: dict[str, Expectation] = {}
        self._identifier = Identifier(environment)

    def refresh(self) -> None:
        """Read what other processes have written, and look at every file anew."""
        contents = self._file.read()
        with self._lock:
            self._contents = contents
            self._identifier = Identifier(self._environment)

    def save(self) -> None:
        """Write what was learnt since the last time."""
        with self._lock:
            outcomes, self._new_outcomes = self._new_outcomes, {}
            costs, self._new_costs = self._new_costs, {}
        if outcomes or costs:
            self._file.write(outcomes, costs)

    def lookup(self, command: Command) -> Outcome | None:
        """The outcome that running *command* now would have, if that is certain."""
        found = self._paths.find(command.argv[0] if command.argv else "")
        if not isinstance(found, Found):
            return None
        key = self._key(command, found.path)
        entry = self._contents.outcomes.get(key)
        if entry is None or entry.path != found.path or os.path.realpath(found.path) != entry.real_path:
            return None
        if not self._identifier.leads(entry.routes) or self._identifier.digest(entry.files) != entry.digest:
            return None
        return Outcome(
            Ending.EXITED,
            exit_code=entry.exit_code,
            stdout=entry.stdout,
            stderr=entry.stderr,
            path=entry.path,
            real_path=entry.real_path,
            duration_ms=entry.duration_ms,
            at=entry.at,
            cached_age=max(0.0, self._clock() - entry.at),
        )

    def expected(self, command: Command) -> Expectation | None:
        """What *command* cost earlier, or None."""
        return self._contents.costs.get(_digest(*command.argv))

    def starting(self, command: Command, path: str, real_path: str) -> _Ticket:
        """Note what the answer will depend on: before the file is executed, so that no later change is missed."""
        key = self._key(command, path)
        identity = self._identify(command, path, real_path)
        settled = identity is not None and identity.newest < self._clock() - _SETTLED_SECONDS
        return _Ticket(key, identity if settled else None)

    def _identify(self, command: Command, path: str, real_path: str) -> Identity | None:
        if rememberable(command, path, real_path):
            return self._identifier.identify(real_path)
        selection = select(path, self._environment) if asks_only_version(command) else None
        if selection is None or not rememberable(command, selection.target, os.path.realpath(selection.target)):
            return None
        return self._identifier.identify_selection(real_path, selection)

    def ended(self, ticket: object, command: Command, outcome: Outcome, trace: Trace) -> None:
        """Remember what a process came to and what it cost."""
        assert isinstance(ticket, _Ticket)
        entry = _entry(ticket.identity, outcome, trace)
        if entry is not None and entry.routes and not self._still_true(entry):
            entry = None
        cost = Expectation(outcome.duration_ms, trace.cpu_ms)
        name = _digest(*command.argv)
        with self._lock:
            if entry is not None or ticket.key in self._contents.outcomes:
                self._new_outcomes[ticket.key] = entry
            known = self._contents.costs.get(name)
            if known is None or abs(known.weight - cost.weight) > _NOTABLE_CHANGE * known.weight:
                self._new_costs[name] = cost

    def _still_true(self, entry: Entry) -> bool:
        """Whether nothing has changed while a version manager was at work, which takes its time."""
        now = Identifier(self._environment)
        return now.leads(entry.routes) and now.digest(entry.files) == entry.digest

    def _key(self, command: Command, path: str) -> str:
        return _digest(path, self._surroundings, *command.argv)


def _entry(identity: Identity | None, outcome: Outcome, trace: Trace) -> Entry | None:
    if identity is None or outcome.ending is not Ending.EXITED or outcome.truncated:
        return None
    if outcome.exit_code != 0 if identity.routes else trace.forked or trace.replaced:
        return None
    if outcome.path is None or outcome.exit_code is None or outcome.at is None:
        return None
    if len(outcome.stdout) + len(outcome.stderr) > _LONGEST_OUTPUT:
        return None
    return Entry(
        path=outcome.path,
        real_path=identity.real_path,
        files=identity.files,
        digest=identity.digest,
        exit_code=outcome.exit_code,
        stdout=outcome.stdout,
        stderr=outcome.stderr,
        duration_ms=outcome.duration_ms,
        at=outcome.at,
        routes=identity.routes,
    )


def _digest(*texts: str) -> str:
    joined = "".join(f"{len(text)}:{text}" for text in texts)
    return hashlib.blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
