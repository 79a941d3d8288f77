"""The grammar of requirements: what is read, its canonical form, and what a fault looks like."""

from __future__ import annotations

import re
from typing import Any

import pytest

from attune.core.errors import RequirementError
from attune.core.matching.requirement import Preference, Requirement, RequirementClass
from attune.core.matching.requirement_parser import MAX_LENGTH, MAX_TERMS


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("python >=3.9,<4", "python >=3.9,<4"),
        ("python>=3.9 <4", "python >=3.9,<4"),
        ("Python3 >= 3.9", "python >=3.9"),
        ("node ^20.1", "node >=20.1,<21"),
        ("ruby ~>3.2", "ruby >=3.2,<4"),
        ("java 17 || >=21", "java 17 || >=21"),
        ("c# >=8", "dotnet >=8"),
        (".net 8", "dotnet 8"),
        ("ffmpeg", "ffmpeg"),
        ("ffmpeg *", "ffmpeg"),
        ("! docker", "!docker"),
        ("!node <18", "!node <18"),
        ("python >=3.9 verified", "python >=3.9 verified"),
        ("python verified", "python verified"),
        ("zone=eu", "zone=eu"),
        ("zone == eu", "zone=eu"),
        ("!zone=eu", "zone!=eu"),
        ("zone!=eu", "zone!=eu"),
        ('zone="New York"', 'zone="New York"'),
        ('zone="münchen; nord"', 'zone="münchen; nord"'),
        ("python=3.11", "python 3.11"),
        ("rack=12", "rack 12"),
        ('rack="12"', 'rack="12"'),
        ("rack in (12)", 'rack="12"'),
        ("hostname=10.0.0.4", "hostname=10.0.0.4"),
        ("kernel >=5.15", "kernel >=5.15"),
        ("arch=amd64", "arch=x86_64"),
        ("arch in (arm64, amd64,arm64)", "arch in (aarch64, x86_64)"),
        ("arch not in (s390x)", "arch!=s390x"),
        ("!arch in (s390x, ppc64)", "arch not in (ppc64, s390x)"),
        ("cpus>=8", "cpus >=8"),
        ("!cpus >= 8", "cpus <8"),
        ("memory_gb > 15.50", "memory_gb >15.5"),
        ("cpus == 8", "cpus =8"),
        ("tolerates gpu-only", "tolerates gpu-only"),
        ("tolerates", "tolerates"),
        ("verified", "verified"),
        ("*", "*"),
        ("*; python", "python"),
        ("node; python; node", "node; python"),
        ("\npython\n\nnode\n", "node; python"),
        ("python >=3.9; python <4", "python >=3.9,<4"),
        ("python verified; python >=3.9", "python >=3.9 verified"),
        ("!node <18; !node >=22", "!node <18; !node >=22"),
        ("zone=eu; cpus >=2; !docker; python; tolerates a", "python; !docker; cpus >=2; zone=eu; tolerates a"),
    ],
)
def test_a_requirement_has_one_canonical_form(text: str, canonical: str) -> None:
    requirement = Requirement.parse(text)

    assert str(requirement) == canonical
    assert Requirement.parse(canonical) == requirement


def test_a_list_of_terms_is_the_same_as_one_text() -> None:
    one = Requirement.parse("python >=3.9,<4; node ^20.1; !docker")

    assert Requirement.parse(["node ^20.1", "!docker", "python <4,>=3.9"]) == one
    assert re.fullmatch("cap-[0-9a-f]{32}", one.queue)
    assert Requirement.parse("python >=3.9").queue == "cap-02aea7efcec08890411998494425101f"  # queues outlive releases


@pytest.mark.parametrize(
    ("text", "caret", "suggestion"),
    [
        (
            "python >>3.9",
            "python >>3.9\n       ^ expected an operator (>=, <=, ==, !=, ~=, ~>, >, <, =, ~, ^), got '>>'",
            "python >=3.9",
        ),
        (
            "node; python =>3",
            "node; python =>3\n             ^ expected an operator (>=, <=, ==, !=, ~=, ~>, >, <, =, ~, ^), got '=>'",
            "python >=3",
        ),
        ("arch in (a", "arch in (a\n          ^ expected ',' or ')', got the end of the term", None),
        ("arch in a", "arch in a\n        ^ expected '(' before the values, got 'a'", "arch in (…, …)"),
        ("python (>=3", "python (>=3\n       ^ expected a version such as 3.11.4, got '('", "python >=3.9,<4"),
        (
            "pythоn >=3",
            "pythоn >=3\n    ^ expected 'o', got 'о' (U+043E CYRILLIC SMALL LETTER O)",
            "python >=3",
        ),
        (
            "python ≥3",
            "python ≥3\n       ^ expected '>=', got '≥' (U+2265 GREATER-THAN OR EQUAL TO)",
            "python >=3",
        ),
        ("a · b", "a · b\n  ^ expected ';', got '·' (U+00B7 MIDDLE DOT)", "a ; b"),
        ("a\x00b", "a b\n ^ expected printable characters, got a character (U+0000 unnamed)", None),
        (
            'z="a\u202eb"',
            'z="a b"\n    ^ expected printable characters, got a character (U+202E RIGHT-TO-LEFT OVERRIDE)',
            None,
        ),
        ("not docker", "not docker\n^ expected '!' before a name that must not be there, got 'not'", "!docker"),
        (
            "zone=eu,us",
            "zone=eu,us\n       ^ expected the term to end after the value, got ','",
            "zone in (eu, …)",
        ),
        (
            "python >=4,<3",
            "python >=4,<3\n       ^ expected versions that can exist, got bounds that contradict each other",
            None,
        ),
        ("!python verified", "!python verified\n        ^ expected no 'verified' after '!', got 'verified'", None),
        ("cpus 8", "cpus 8\n     ^ expected one of >=, <, >, <=, =, != after cpus, got '8'", "cpus >=8"),
        ("cpus >=8GB", "cpus >=8GB\n       ^ expected a number (at most 12 digits, 3 after the point), got '8'", None),
        ('x="a', "x=\"a\n  ^ expected a closing '\"', got none", None),
        ("", "\n^ expected a term, got nothing", "python >=3.9,<4 (or * for any node)"),
        (
            f"python >={'9' * 30}",
            f"python >={'9' * 30}\n         ^ expected a number of at most 18 digits, got one of 30",
            "python >=3.9,<4",
        ),
    ],
)
def test_a_fault_is_shown_under_a_caret_with_a_suggestion(text: str, caret: str, suggestion: str | None) -> None:
    with pytest.raises(RequirementError) as caught:
        Requirement.parse(text)

    assert caught.value.caret == caret
    assert caught.value.suggestion == suggestion
    assert caught.value.exit_code == 2
    assert f" at offset {caught.value.position}, got " in str(caught.value)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (["python"] * 10_000, f"at most {MAX_TERMS} terms"),
        ("a\n" * 1_000, f"at most {MAX_TERMS} terms"),
        ("a;" * 10_000, f"at most {MAX_LENGTH} characters"),
        (["x" * 3_000, "y" * 3_000], "at most"),
        ([], "expected a term"),
        ([""], "expected a term"),
        (["python", " "], "expected a term"),
        (";;", "expected a term"),
        (None, "expected a text or a list of texts"),
        (7, "expected a text or a list of texts"),
        ([7], "expected a text for each term"),
        (b"python", "expected a text for each term"),
        ([["python"]], "expected a text for each term"),
        (["x" * 200], "a name of at most 128 characters"),
        (["python >=3; python <2"], "bounds for python that contradict each other"),
        (["; ".join(f"python {' || '.join(f'{n}.{m}' for n in range(20))}" for m in range(9))], "fewer alternatives"),
    ],
)
def test_what_cannot_be_a_requirement_is_refused(source: Any, expected: str) -> None:
    with pytest.raises(RequirementError, match=r"^requirement ") as caught:
        Requirement.parse(source)

    assert expected in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_fault_far_inside_a_long_text_is_shown_in_a_window() -> None:
    with pytest.raises(RequirementError) as caught:
        Requirement.parse("; ".join([*(f"runtime{number} >=1" for number in range(30)), "python >>3", "zone=eu"]))

    text, mark = caught.value.caret.splitlines()
    assert text.startswith("…") and len(text) < 90
    assert text[mark.index("^") :].startswith(">>3; zone=eu")


@pytest.mark.parametrize(
    ("text", "weight", "canonical"),
    [
        ("zone=eu", 1, "zone=eu"),
        ("zone=eu *5", 5, "zone=eu *5"),
        ("zone=eu * 5", 5, "zone=eu *5"),
        ("python >=3.12 *-20", -20, "python >=3.12 *-20"),
        ("python 3.* *2", 2, "python 3 *2"),
        ("python 3.*", 1, "python 3"),
    ],
)
def test_a_preference_is_a_term_with_a_weight(text: str, weight: int, canonical: str) -> None:
    preference = Preference.parse(text)

    assert (preference.weight, str(preference)) == (weight, canonical)


@pytest.mark.parametrize("text", ["zone=eu *0", "zone=eu *101", "zone=eu *-101", "a; b", "", " *5", "zone=eu *x", None])
def test_a_malformed_preference_is_refused(text: Any) -> None:
    with pytest.raises(RequirementError):
        Preference.parse(text)


def test_a_class_is_a_requirement_with_preferences_and_reads_what_it_writes() -> None:
    needs = Requirement.parse("python >=3.9; zone=eu")
    wishes = tuple(map(Preference.parse, ("gpu", "zone=eu *-3")))
    work = RequirementClass(needs, wishes)

    assert str(work) == "python >=3.9; zone=eu\nprefers gpu\nprefers zone=eu *-3"
    assert RequirementClass.parse(str(work)) == work
    assert RequirementClass.parse(str(needs)).queue == needs.queue != work.queue
    for text in ("python >=3.9\nprefers gpu *0", "python >=3.9\nprefers gpu; zone"):
        with pytest.raises(RequirementError):
            RequirementClass.parse(text)
