"""A definition's own tests: example outputs, judged without running anything."""

from __future__ import annotations

from attune.core.errors import shown
from attune.core.runtimes.command import Ending, Outcome
from attune.core.runtimes.definition import Definition
from attune.core.runtimes.judgement import judge
from attune.core.runtimes.verification import Example


def failed_examples(definition: Definition) -> tuple[str, ...]:
    """One sentence for each example of *definition* that its commands judge otherwise."""
    examples = definition.verification.examples
    return tuple(
        f"distributions.verification.examples[{index}]: {fault}"
        for index, example in enumerate(examples)
        if (fault := _fault(definition, example))
    )


def _fault(definition: Definition, example: Example) -> str | None:
    outcome = Outcome(Ending.EXITED, exit_code=example.exit_code, stdout=example.output)
    attempts = [judge(definition, check, outcome) for check in definition.verification.checks]
    passed = next((attempt for attempt in attempts if attempt.passed), None)
    if example.available != (passed is not None):
        reason = "no command passes" if passed is None else passed.reason
        if passed is None and attempts:
            reason = attempts[0].reason
        return (
            f"expected available: {str(example.available).lower()}, got {str(not example.available).lower()} ({reason})"
        )
    if passed is not None and example.version is not None and passed.version != example.version:
        return f"expected version {shown(example.version)}, got {shown(passed.version)}"
    return None
