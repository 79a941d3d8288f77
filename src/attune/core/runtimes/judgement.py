"""What running checks means: facts in, verdicts out. `next_check` and `conclude` are the whole procedure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from attune.core.errors import legible, shown
from attune.core.pattern import Match, search
from attune.core.runtimes.command import Ending, Outcome
from attune.core.runtimes.definition import Definition
from attune.core.runtimes.extraction import displayed_version, extract_version
from attune.core.runtimes.interval import Truth
from attune.core.runtimes.verdict import Evidence, Instance, Status, Verdict
from attune.core.runtimes.verification import NONCE, Check
from attune.core.runtimes.version import Version, counts_as_java, modern_java

_UNDECIDED = (Ending.TIMED_OUT, Ending.UNDECIDED)
_SHORTAGE_SIGNALS = ("killed by SIGKILL", "killed by SIGABRT")
_SHORTAGE_CODES = {134: "SIGABRT", 137: "SIGKILL"}  # of a shell whose program was killed
_SHORTAGE = (
    r"(?i)cannot fork|fork: retry|fork failed|can.t start (a )?new thread|failed to create (new OS )?thread"
    r"|resource temporarily unavailable|cannot allocate memory|out of memory|not enough memory|insufficient memory"
    r"|error occurred during initialization of (vm|boot layer)|could not reserve enough space|std::bad_alloc"
    r"|memory allocation of \d+ bytes failed|no space left on device|too many open files|disk quota exceeded"
    r"|failed to map segment from shared object|\b(ENOMEM|ENOSPC|EMFILE|ENFILE|EAGAIN|EDQUOT)\b"
)
"""What programs of every kind say where the machine is short of something."""
_EXCERPT = 2000


@dataclass(frozen=True, slots=True)
class Attempt:
    """One check that was tried: whether it passed (None: could not be decided), why, and the version it showed.

    `started` is what the smoke check of an interpreter that passed came to.
    """

    check: Check
    outcome: Outcome
    passed: bool | None
    reason: str
    version: str | None = None
    started: tuple[Check, Outcome] | None = None

    @property
    def duration_ms(self) -> float:
        return self.outcome.duration_ms + (self.started[1].duration_ms if self.started else 0.0)


def judge(definition: Definition, check: Check, outcome: Outcome) -> Attempt:
    """Decide what *outcome* says about the runtime that *check* looks for."""
    attempt = _judge(definition, check, outcome)
    if not outcome.passed_over:
        return attempt
    return replace(attempt, reason=f"{attempt.reason}; passed over: {'; '.join(outcome.passed_over)}")


def prove(definition: Definition, attempt: Attempt, smoke: Check, outcome: Outcome) -> Attempt:
    """*attempt*, which has passed, after *smoke* came to *outcome*: it passes if its interpreter has started for real.

    Where the host's settings allow only its other command, that has to be enough.
    """
    if outcome.ending is Ending.REFUSED:
        return replace(attempt, reason=f"{attempt.reason}; not started for real: {outcome.detail}")
    passed, problem = _problem(definition, smoke, outcome, _match(smoke, outcome))
    if passed:
        return replace(attempt, started=(smoke, outcome))
    version = f" {attempt.version}" if attempt.version else ""
    said = problem.replace(smoke.pattern or NONCE, NONCE)
    reason = f"{legible(smoke.binary)}{version}: says its version, but could not be started for real: {said}"
    return Attempt(smoke, replace(outcome, duration_ms=outcome.duration_ms + attempt.duration_ms), passed, reason)


def _judge(definition: Definition, check: Check, outcome: Outcome) -> Attempt:
    match = _match(check, outcome)
    passed, problem = _problem(definition, check, outcome, match)
    if not passed:
        subject = legible(check.binary) if outcome.ending in (Ending.NOT_FOUND, Ending.REFUSED) else str(check)
        return Attempt(check, outcome, passed, f"{subject}: {problem}")
    output = _both_streams(outcome)
    if match is not None and match.version is not None:
        version = displayed_version(match.version) or None
    else:
        version = extract_version(output, match_start=match.start if match else None)
    if version and counts_as_java(definition.capability) and (old := Version.read(version)):
        version = version if modern_java(old) == old else str(modern_java(old))
    return _within_bounds(definition, Attempt(check, outcome, True, f"verified by `{check}`", version))


def _match(check: Check, outcome: Outcome) -> Match | None:
    if check.pattern is None or outcome.ending is not Ending.EXITED:
        return None
    return search(check.pattern, _both_streams(outcome))


def _problem(definition: Definition, check: Check, outcome: Outcome, match: Match | None) -> tuple[bool | None, str]:
    """Whether *check* passes, None where that could not be decided, and if it does not, why."""
    output, exited = _both_streams(outcome), outcome.ending is Ending.EXITED
    if exited and outcome.exit_code == check.exit_code and (match is not None or check.pattern is None):
        return True, ""
    if shortage := _shortage(definition, outcome, output):
        return None, f"could not be decided: {shortage}"
    if not exited:
        undecided = outcome.ending in _UNDECIDED or outcome.detail in _SHORTAGE_SIGNALS
        return None if undecided else False, outcome.detail
    if outcome.exit_code != check.exit_code:
        although = ", although the output matches" if match is not None else ""
        return False, f"expected exit code {check.exit_code}, got {outcome.exit_code}{although}: {_said(output)}"
    return False, f"expected output that matches {shown(check.pattern)}, got {_said(output)}"


def _shortage(definition: Definition, outcome: Outcome, output: str) -> str:
    """What says that the machine was short of something, so that the failure says nothing of the runtime; or ""."""
    if outcome.exit_code in _SHORTAGE_CODES:
        return f"exit code {outcome.exit_code}, as of a program that {_SHORTAGE_CODES[outcome.exit_code]} ended"
    failed = bool(outcome.exit_code) or outcome.ending is Ending.SIGNALED
    for line in output.splitlines() if failed else ():
        if any(search(pattern, line) for pattern in (_SHORTAGE, *definition.verification.undecided_patterns)):
            return shown(line.strip())
    return ""


def join_attempts(attempts: Sequence[Attempt]) -> Attempt:
    """What *attempts* of one check on one file after the other of PATH come to: the last, unless all have failed."""
    *failed, last = attempts
    if not failed:
        return last
    if last.passed is False:
        reasons = [attempt.reason for attempt in attempts]
        return replace(failed[0], reason="; further on PATH ".join(reasons))
    reasons = [f"{failed[0].outcome.path}: {failed[0].reason}", *(attempt.reason for attempt in failed[1:])]
    return replace(last, reason=f"{last.reason}; passed over: {'; '.join(reasons)}")


def next_check(definition: Definition, attempts: Sequence[Attempt]) -> Check | None:
    """The check to run after *attempts*, or None when the verdict is certain."""
    checks = definition.verification.checks
    if not definition.verification.needs_running or len(attempts) >= len(checks):
        return None
    if definition.verification.discover == "first" and any(attempt.passed for attempt in attempts):
        return None
    return checks[len(attempts)]


def conclude(definition: Definition, attempts: Sequence[Attempt]) -> Verdict:
    """The verdict that *attempts* amount to."""
    verification = definition.verification
    decisive = min(attempts, key=_uncertainty, default=None)
    status, reason = _status(definition, attempts, decisive)
    instances = _instances(attempts) if status.offered else ()
    kept = definition.kept if status.offered else ""
    return Verdict(
        ref=definition.ref,
        capability=definition.capability,
        name=definition.name,
        status=status,
        reason=f"{reason}; {kept}" if kept else reason,
        instances=instances if verification.discover == "all" else instances[:1],
        evidence=_evidence(decisive) if decisive else None,
        duration_ms=sum(attempt.duration_ms for attempt in attempts),
        warnings=(*definition.warnings, *_recommendation(definition, instances)),
        kept=kept,
        refuted=status is Status.UNAVAILABLE and decisive is not None and _refutes(definition, decisive),
    )


def _refutes(definition: Definition, attempt: Attempt) -> bool:
    return attempt.outcome.ending is Ending.REFUSED or attempt.check not in definition.verification.checks


def _status(definition: Definition, attempts: Sequence[Attempt], decisive: Attempt | None) -> tuple[Status, str]:
    verification = definition.verification
    if verification.always_available:
        passed = decisive is not None and decisive.passed
        return Status.AVAILABLE, decisive.reason if decisive and passed else "always available"
    if verification.check_required is False:
        return Status.ASSUMED, "assumed: the definition requires no check"
    if decisive is None:
        return Status.UNAVAILABLE, "no verification command"
    if decisive.passed:
        return Status.AVAILABLE, decisive.reason
    if decisive.passed is None:
        return Status.UNKNOWN, decisive.reason
    if all(attempt.outcome.detail == decisive.outcome.detail for attempt in attempts):
        first, *names = dict.fromkeys(legible(attempt.check.binary) for attempt in attempts)
        if decisive.outcome.ending is Ending.NOT_FOUND and names:
            more = f" and {len(names) - 2} more" if len(names) > 3 else ""
            named = ", ".join([first, *names[: 2 if more else 3]])
            return Status.UNAVAILABLE, f"{named}{more}: {decisive.outcome.detail}"
    return Status.UNAVAILABLE, decisive.reason


def _uncertainty(attempt: Attempt) -> int:
    """The reason is taken from what passed, else what could not be decided, else the first that got furthest."""
    if attempt.passed:
        return 0
    if attempt.passed is None:
        return 1
    return 2 if attempt.outcome.ending is not Ending.NOT_FOUND else 3


def _within_bounds(definition: Definition, attempt: Attempt) -> Attempt:
    version = Instance(attempt.version).parsed
    for bound in definition.bounds:
        truth = bound.constraint.check(version) if version else Truth.UNKNOWN
        if truth is not Truth.YES:
            passed = False if truth is Truth.NO else None
            version_text = attempt.version or "a version that could not be read"
            return replace(attempt, passed=passed, reason=f"{attempt.check}: found {version_text}, needs {bound.text}")
    return attempt


def _recommendation(definition: Definition, instances: Sequence[Instance]) -> tuple[str, ...]:
    if definition.recommended is None or not instances:
        return ()
    version = instances[0].parsed
    if version is None or definition.recommended.constraint.check(version) is not Truth.NO:
        return ()
    return (f"found {instances[0].version}, recommended {definition.recommended.text}",)


def _instances(attempts: Sequence[Attempt]) -> tuple[Instance, ...]:
    """Distinct by file and by what it answers: one program may stand behind the commands of many versions."""
    instances: dict[tuple[str, str | None], Instance] = {}
    for attempt in attempts:
        path, real_path = attempt.outcome.path, attempt.outcome.real_path
        if attempt.passed and path:
            key = real_path or path, attempt.version
            instances.setdefault(key, Instance(attempt.version, path, real_path or path))
    return tuple(instances.values())


def _evidence(attempt: Attempt) -> Evidence:
    outcome = attempt.outcome
    output = _both_streams(outcome).strip()
    return Evidence(
        command=attempt.check.argv,
        exit_code=outcome.exit_code,
        output=output if len(output) <= _EXCERPT else output[:_EXCERPT] + "…",
        duration_ms=outcome.duration_ms,
        at=outcome.at,
        cached_age=outcome.cached_age,
        smoke=attempt.started[0].argv if attempt.started else (),
    )


def _both_streams(outcome: Outcome) -> str:
    """stdout followed by stderr; what ends the one and what begins the other are not one word."""
    joint = "\n" if outcome.stdout and outcome.stderr and not outcome.stdout.endswith("\n") else ""
    return f"{outcome.stdout}{joint}{outcome.stderr}"


def _said(output: str) -> str:
    first = next((line.strip() for line in output.splitlines() if line.strip()), "")
    return shown(first) if first else "no output"
