"""Laws of the grammar: canonical text reads back the same; whatever is read, no other error than its own is raised."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import example, given
from hypothesis import strategies as st

from attune.core.errors import RequirementError
from attune.core.matching.requirement import Preference, Requirement
from attune.core.matching.requirement_parser import MAX_WEIGHT
from fleets import requirements, term_texts

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
