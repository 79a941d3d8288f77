"""Recorded outputs of programs, and whether definitions read them right."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from attune.core.runtimes.command import Ending, Outcome
from attune.core.runtimes.definition import Definition
from attune.core.runtimes.judgement import judge
from attune.core.runtimes.verdict import Instance
from attune.core.runtimes.version import Version


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What a program printed when a check of the definition *tool* ran, and what that must be taken for.

    `name` is the capability it proves, None for a stranger, which must not pass; `version` is None where none is shown.
    """

    tool: str
    command: tuple[str, ...]
    output: str
    exit_code: int = 0
    name: str | None
    version: str | None
    prerelease: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """How a recording was read: `right`, `unknown` where no version was found in it, or `wrong`; `got` says what."""

    result: str
    got: str


def read_recording(definitions: Mapping[str, Definition], recording: Recording) -> Reading:
    """What the definition that *recording* is about makes of it."""
    definition = definitions.get(recording.tool)
    if definition is None:
        return Reading("wrong", f"no definition is called {recording.tool}")
    outcome = Outcome(Ending.EXITED, exit_code=recording.exit_code, stdout=recording.output)
    checks = [check for check in definition.verification.checks if check.argv == recording.command]
    attempts = [judge(definition, check, outcome) for check in checks or definition.verification.checks]
    passed = next((attempt for attempt in attempts if attempt.passed), None)
    if passed is None or recording.name is None:
        got = "not available" if passed is None else f"available, version {passed.version}"
        return Reading("right" if (passed is None) == (recording.name is None) else "wrong", got)
    got = f"{definition.capability} {passed.version}"
    if definition.capability != recording.name or (passed.version and recording.version is None):
        return Reading("wrong", got)
    if passed.version is None:
        return Reading("right" if recording.version is None else "unknown", got)
    version = Instance(passed.version).parsed
    same = version is not None and version == Version.read(recording.version or "")
    return Reading("right" if same and version and version.is_prerelease == recording.prerelease else "wrong", got)


def count(readings: Iterable[Reading]) -> dict[str, int]:
    """How many there are of each result."""
    counted = Counter(reading.result for reading in readings)
    return {result: counted[result] for result in ("right", "unknown", "wrong")}
