"""Whether a definition may be stored: refused at the border with every fault, rather than found broken on each host."""

from __future__ import annotations

from attune.core.errors import DefinitionError, Problem, shown
from attune.core.runtimes.definition import parse_definition, unknown_keys
from attune.core.runtimes.examples import failed_examples
from attune.core.runtimes.runtime import Runtime

_LONGEST = 200


def validate_definition(runtime: Runtime) -> tuple[str, ...]:
    """The warnings about *runtime*. Raises `DefinitionError` with every fault, also where its own examples fail."""
    problems = [*_ref_problems(runtime.ref)]
    if len(runtime.name) > _LONGEST or "\0" in runtime.name:
        problems.append(Problem("name", f"at most {_LONGEST} characters", shown(runtime.name)))
    try:
        definition = parse_definition(runtime)
    except DefinitionError as error:
        raise DefinitionError(runtime.ref, [*problems, *error.problems]) from error
    problems += [_example_problem(fault) for fault in failed_examples(definition)]
    if problems:
        raise DefinitionError(runtime.ref, problems)
    return (*definition.warnings, *unknown_keys(runtime))


def _ref_problems(ref: str) -> list[Problem]:
    pack, dot, name = ref.partition(".")
    fits = dot and pack and name and not name.endswith(".") and ref == ref.lower() and ref.isprintable()
    if not fits or any(one.isspace() or one == "/" for one in ref) or len(ref) > _LONGEST:
        return [Problem("ref", f"lower-case <pack>.<name>, at most {_LONGEST} characters", shown(ref))]
    return []


def _example_problem(fault: str) -> Problem:
    """`field: expected …, got …` as a problem."""
    field, _, sentence = fault.partition(": expected ")
    expected, _, got = sentence.partition(", got ")
    return Problem(field, expected, got)
