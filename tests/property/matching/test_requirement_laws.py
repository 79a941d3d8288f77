"""Laws of the grammar: canonical text reads back the same; whatever is read, no other error than its own is raised."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import example, given
from hypothesis import strategies as st

from attune.core.errors import RequirementError
from attune.core.executions.action import requirement_of_action
from attune.core.matching.requirement import Preference, Requirement
from attune.core.matching.requirement_parser import MAX_WEIGHT
from attune.core.matching.terms import RuntimeTerm
from attune.core.runtimes.aliases import is_sayable
from fleets import CONSTRAINTS, requirements, term_texts

SIGNS = "pythonzeucm><=!~^|&()*\"';,.·#/\\ \t\n\r\x00019-+_@{}[]≥﹥оЕ\ud800\u202e🐍"


@given(requirements())
def test_a_requirement_is_what_its_text_says(requirement: Requirement) -> None:
    again = Requirement.parse(str(requirement))

    assert again == requirement
    assert (str(again), again.queue) == (str(requirement), requirement.queue)


@given(st.lists(term_texts, min_size=1, max_size=5), st.randoms())
def test_order_and_repetition_do_not_change_the_class(texts: list[str], random: object) -> None:
    shuffled = [*texts, texts[0]]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    with suppress(RequirementError):
        assert Requirement.parse(shuffled).queue == Requirement.parse(texts).queue


@given(st.one_of(st.text(max_size=60), st.text(SIGNS, max_size=60)))
@example("python >>3.9")
@example('x="')
@example("a in (")
@example("cpus >=1e5")
@example("x not in")
def test_any_text_is_read_or_refused_with_a_position(text: str) -> None:
    try:
        requirement = Requirement.parse(text)
    except RequirementError as error:
        assert 0 <= error.position <= len(error.text)
        assert error.expected and error.got and len(error.caret.splitlines()) == 2
        assert error.hint is None or error.hint.isprintable()
    else:
        assert Requirement.parse(str(requirement)) == requirement


@given(st.recursive(st.none() | st.integers() | st.text(max_size=5) | st.binary(max_size=5), st.lists, max_leaves=5))
def test_any_value_is_read_or_refused(value: object) -> None:
    with suppress(RequirementError):
        Requirement.parse(value)  # type: ignore[arg-type]


@given(st.text(SIGNS, max_size=40))
def test_any_preference_is_read_or_refused(text: str) -> None:
    with suppress(RequirementError):
        preference = Preference.parse(text)
        assert Preference.parse(str(preference)) == preference


@given(term_texts, st.integers(-MAX_WEIGHT, MAX_WEIGHT).filter(bool))
def test_a_preference_is_what_its_text_says(text: str, weight: int) -> None:
    preference = Preference.parse(f"{text} *{weight}")

    assert preference.weight == weight
    assert Preference.parse(str(preference)) == preference


@given(st.text(SIGNS + "abc.3", max_size=12))
@example("core.python")
@example("python3.11")
@example("node.js")
@example("not")
def test_a_name_that_is_called_sayable_means_itself_and_nothing_else_does(name: str) -> None:
    try:
        terms = Requirement.parse(name).terms
    except RequirementError:
        terms = ()
    assert is_sayable(name) == (terms == (RuntimeTerm(name),))


@given(st.from_regex(r"[a-z][a-z0-9_-]{0,8}(\.[a-z0-9_-]{1,8}){1,2}", fullmatch=True), st.sampled_from(CONSTRAINTS))
def test_an_action_is_bound_to_its_runtime_whatever_that_is_called(ref: str, constraint: str) -> None:
    requirement = requirement_of_action(runtime="tool", runtime_ref=ref, version_constraint=constraint)

    (term,) = requirement.terms
    assert term.name == (ref if is_sayable(ref) else "tool")
    assert Requirement.parse(str(requirement)) == requirement
