"""Examine a host: run the checks of many definitions and conclude a verdict on each."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Protocol

from attune.core.errors import DefinitionError, legible
from attune.core.nodes.role import Role
from attune.core.ports.runtimes import CommandRunner, OutcomeCache, PathLookup, RunObserver
from attune.core.runtimes.aliases import names_of
from attune.core.runtimes.command import Command, Ending, Found, Missing, Outcome
from attune.core.runtimes.definition import Definition, capability_name, parse_definition
from attune.core.runtimes.judgement import Attempt, conclude, join_attempts, judge, next_check, prove
from attune.core.runtimes.runtime import Runtime
from attune.core.runtimes.verdict import Instance, Status, Verdict
from attune.core.runtimes.verification import Check

_MOST_FURTHER = 3  # files of one name on PATH that are tried after the first


class ExaminationObserver(RunObserver, Protocol):
    """A `RunObserver` that is also told about each verdict as it is reached."""

    def concluded(self, verdict: Verdict) -> None: ...


def read_definitions(runtimes: Iterable[Runtime], role: Role | None = None) -> list[Definition | Verdict]:
    """*runtimes* for *role*, in order: each its definition, or an `invalid` verdict where it cannot be read."""
    read: list[Definition | Verdict] = []
    for runtime in runtimes:
        try:
            definition = parse_definition(runtime)
        except DefinitionError as error:
            name = capability_name(runtime)
            read.append(Verdict(runtime.ref, name, Status.INVALID, str(error), runtime.name))
            continue
        if role is None or role.name in definition.roles:
            read.append(definition)
    return read


@dataclass(eq=False)
class Examiner:
    """Examines this host; remembers what is absent until PATH changes, and caches what proves a runtime."""

    runner: CommandRunner
    lookup: PathLookup
    cache: OutcomeCache | None = None
    _: KW_ONLY
    max_timeout_seconds: float = 30.0
    _token: object = field(default=None, init=False)
    _absent: dict[int, tuple[Definition, Verdict]] = field(default_factory=dict, init=False)

    def examine(
        self,
        definitions: Sequence[Definition],
        *,
        deadline_seconds: float | None = None,
        max_age_seconds: float = 0.0,
        observer: ExaminationObserver | None = None,
    ) -> list[Verdict]:
        """A verdict for each, in order. Blocks. Proofs in the cache count up to *max_age_seconds*; with 0, none."""
        if (token := self.lookup.token()) != self._token:
            self._token = token
            self._absent.clear()
        examination = _Examination(self.lookup, self.cache, max_age_seconds, self.max_timeout_seconds, observer)
        absent: dict[int, tuple[Definition, Verdict]] = {}
        start: dict[str, Command] = {}
        verdicts: dict[str, Verdict] = examination.verdicts
        for definition in definitions:
            known = self._absent.get(id(definition))
            if known is not None:
                absent[id(definition)] = known
                verdicts[definition.ref] = known[1]
                continue
            command = examination.begin(definition)
            if command is not None:
                start[definition.ref] = command
            elif examination.only_looked_up_on_path(definition):
                absent[id(definition)] = (definition, verdicts[definition.ref])
        self._absent = absent
        if start:
            self.runner.run(start, examination.then, deadline_seconds=deadline_seconds, observer=observer)
        if self.cache is not None and examination.proofs:
            self.cache.remember(examination.proofs)
        return [verdicts[definition.ref] for definition in definitions]

    def resolve(self, verdict: Verdict, names: Sequence[str]) -> Verdict:
        """*verdict*, for which nothing was run, with the first of the commands *names* that this host would execute.

        It is `unavailable` where the host refuses them. One that is not there changes nothing.
        """
        return _resolve(self.lookup, verdict, names)

    def start(self, definition: Definition, path: str) -> str | None:
        """Why the interpreter at *path* fails the smoke check of *definition*, None where it may pass. Blocks."""
        assert definition.verification.smoke is not None
        check = definition.verification.smoke.of(path, secrets.token_hex(8))
        outcomes: list[Outcome] = []

        def then(_ref: str, _command: Command, outcome: Outcome) -> None:
            outcomes.append(outcome)

        self.lookup.token()  # what was refused before may be allowed now
        command = Command(check.argv, min(check.timeout_seconds, self.max_timeout_seconds))
        self.runner.run({definition.ref: command}, then)
        attempt = prove(definition, Attempt(check, outcomes[0], True, ""), check, outcomes[0])
        return attempt.reason if attempt.passed is False else None

    def stop(self) -> None:
        """End a running examination from another thread; what is not done by then is undecided."""
        self.runner.stop()


def commands_of(known: Definition | str) -> tuple[str, ...]:
    """The commands that stand for a runtime of which the definition, or else the capability name, is *known*.

    That is `native` for files which are executed themselves; a part of Attune has none.
    """
    if isinstance(known, Definition):
        names = dict.fromkeys(check.binary for check in known.verification.checks)
        return tuple(names) or commands_of(known.capability)
    return () if known == "builtin" else (known, *names_of(known))


def _resolve(lookup: PathLookup, verdict: Verdict, names: Sequence[str]) -> Verdict:
    refusals = []
    for name in names:
        if isinstance(location := lookup.find(name), Found):
            passed_over = f"; passed over: {'; '.join(location.passed_over)}" if location.passed_over else ""
            instance = Instance(None, location.path, location.path)
            return replace(verdict, reason=verdict.reason + passed_over, instances=(instance,))
        if location.ending is Ending.REFUSED:
            refusals.append(f"{legible(name)}: {location.detail}")
    if not refusals:
        return verdict
    return replace(verdict, status=Status.UNAVAILABLE, reason="; ".join(refusals))


@dataclass
class _Examination:
    """The state of one call of `examine`: what each definition has tried so far."""

    lookup: PathLookup
    cache: OutcomeCache | None
    max_age: float
    max_timeout: float
    observer: ExaminationObserver | None
    attempts: dict[str, list[Attempt]] = field(default_factory=dict)
    definitions: dict[str, Definition] = field(default_factory=dict)
    pending: dict[str, Check] = field(default_factory=dict)
    failed: dict[str, list[Attempt]] = field(default_factory=dict)  # of the check that is tried further on PATH
    passed: dict[str, tuple[Attempt, Command]] = field(default_factory=dict)  # whose smoke check is to be run
    nonce: str = field(default_factory=lambda: secrets.token_hex(8))
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    proofs: dict[Command, Outcome] = field(default_factory=dict)

    def begin(self, definition: Definition) -> Command | None:
        self.definitions[definition.ref] = definition
        self.attempts[definition.ref] = []
        return self._advance(definition)

    def then(self, ref: str, command: Command, outcome: Outcome) -> Command | None:
        definition, check = self.definitions[ref], self.pending[ref]
        smoke = definition.verification.smoke
        if ref in self.passed:
            attempt, command = self.passed.pop(ref)
            attempt = prove(definition, attempt, check, outcome)
        else:
            attempt = judge(definition, check, outcome)
            if attempt.passed and smoke is not None:
                self.passed[ref] = attempt, command
                return self._run(ref, smoke.of(check.binary, self.nonce))
        if (further := self._further_on_path(definition, attempt)) is not None:
            return further
        attempt = join_attempts([*self.failed.pop(ref, ()), attempt])
        self.attempts[ref].append(attempt)
        if attempt.passed:
            self.proofs[command] = attempt.outcome
        return self._advance(definition)

    def _run(self, ref: str, check: Check) -> Command:
        self.pending[ref] = check
        return Command(check.argv, min(check.timeout_seconds, self.max_timeout))

    def _further_on_path(self, definition: Definition, attempt: Attempt) -> Command | None:
        """The check that *attempt* has failed, of the next file of that name on PATH."""
        check = definition.verification.checks[len(self.attempts[definition.ref])]
        failed = self.failed.get(definition.ref, [])
        if (
            attempt.passed is not False
            or not attempt.outcome.path
            or "/" in check.binary
            or len(failed) >= _MOST_FURTHER
        ):
            return None
        paths = {one.outcome.real_path or one.outcome.path or "" for one in (*failed, attempt)}
        location = self.lookup.find(check.binary, check.args, paths)
        if not isinstance(location, Found) or isinstance(self.lookup.find(location.path, check.args), Missing):
            return None
        self.failed[definition.ref] = [*failed, attempt]
        return self._run(definition.ref, replace(check, binary=location.path))

    def only_looked_up_on_path(self, definition: Definition) -> bool:
        attempts = self.attempts[definition.ref]
        return bool(attempts) and not any(
            attempt.outcome.ending is not Ending.NOT_FOUND or attempt.check.binary.startswith("/")
            for attempt in attempts
        )

    def _advance(self, definition: Definition) -> Command | None:
        attempts = self.attempts[definition.ref]
        while (check := next_check(definition, attempts)) is not None:
            location = self.lookup.find(check.binary, check.args)
            if isinstance(location, Missing):
                attempts.append(judge(definition, check, Outcome(location.ending, detail=location.detail)))
                continue
            command = self._run(definition.ref, check)
            cached = self._cached(definition, check, command)
            if cached is None:
                return command
            attempts.append(cached)
        verdict = conclude(definition, attempts)
        if verdict.status.offered and not any(attempt.passed for attempt in attempts):
            verdict = _resolve(self.lookup, verdict, commands_of(definition))
        self.verdicts[definition.ref] = verdict
        if self.observer:
            self.observer.concluded(verdict)
        return None

    def _cached(self, definition: Definition, check: Check, command: Command) -> Attempt | None:
        """What the cache says of *command*, if that still proves *definition*."""
        outcome = self.cache.lookup(command, self.max_age) if self.cache is not None else None
        if outcome is None:
            return None
        attempt = judge(definition, check, outcome)
        if attempt.passed and self.observer:
            self.observer.started(definition.ref, command)
            self.observer.finished(definition.ref, command, outcome)
        return attempt if attempt.passed else None
