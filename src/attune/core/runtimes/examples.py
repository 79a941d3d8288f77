"""A definition's own tests, judged without running anything, and with them whether a definition may be stored."""

from attune.core.errors import DefinitionError, Fault, shown
from attune.core.runtimes.command import Ending, Outcome
from attune.core.runtimes.definition import Definition, parse_definition, unknown_keys
from attune.core.runtimes.judgement import judge
from attune.core.runtimes.runtime import Runtime
from attune.core.runtimes.verdict import Instance
from attune.core.runtimes.verification import Example
from attune.core.runtimes.version import Version

_LONGEST = 200


def validate_definition(runtime: Runtime) -> tuple[str, ...]:
    """The warnings about *runtime*. Raises `DefinitionError` with every fault, also where its own examples fail."""
    faults = []
    if not _is_ref(runtime.ref):
        expected = f"lower-case <pack>.<name>, at most {_LONGEST} characters"
        faults.append(Fault("ref", expected, shown(runtime.ref), runtime.written("ref").position))
    if len(runtime.name) > _LONGEST or "\0" in runtime.name:
        expected = f"at most {_LONGEST} characters"
        faults.append(Fault("name", expected, shown(runtime.name), runtime.written("name").position))
    try:
        definition = parse_definition(runtime)
    except DefinitionError as error:
        raise DefinitionError(runtime.ref, [*faults, *error.faults]) from error
    faults += failed_examples(definition)
    if faults:
        raise DefinitionError(runtime.ref, faults)
    return (*definition.warnings, *unknown_keys(runtime))


def _is_ref(ref: str) -> bool:
    pack, _, name = ref.partition(".")
    if not (pack and name) or name.endswith(".") or len(ref) > _LONGEST:
        return False
    return ref == ref.lower() and ref.isprintable() and not any(sign.isspace() or sign == "/" for sign in ref)


def failed_examples(definition: Definition) -> tuple[Fault, ...]:
    """A fault for each example of *definition* that its commands judge otherwise."""
    examples = enumerate(definition.verification.examples)
    return tuple(
        Fault(f"distributions.verification.examples[{index}]", *difference, example.position)
        for index, example in examples
        if (difference := _difference(definition, example))
    )


def _same(found: str | None, expected: str) -> bool:
    """Whether *found* is the version *expected*, however either is spelt."""
    return found == expected or (
        Version.read(expected) is not None and Instance(found).parsed == Version.read(expected)
    )


def _difference(definition: Definition, example: Example) -> tuple[str, str] | None:
    outcome = Outcome(Ending.EXITED, exit_code=example.exit_code, stdout=example.output)
    attempts = [judge(definition, check, outcome) for check in definition.verification.checks]
    passed = next((attempt for attempt in attempts if attempt.passed), None)
    if example.available != (passed is not None):
        decisive = passed or next(iter(attempts), None)
        reason = decisive.reason if decisive else "no command passes"
        return f"available: {str(example.available).lower()}", f"{str(not example.available).lower()} ({reason})"
    if passed is not None and example.version is not None and not _same(passed.version, example.version):
        return f"version {shown(example.version)}", shown(passed.version)
    return None
