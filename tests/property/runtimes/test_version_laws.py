"""Laws that hold for every version and every constraint."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from attune.core.errors import VersionError
from attune.core.runtimes.constraint import Constraint
from attune.core.runtimes.interval import Truth
from attune.core.runtimes.version import Version, printed
from effort import share

# Few different numbers, so that versions and bounds often meet.
numbers = st.sampled_from([0, 0, 1, 1, 2, 3, 10, 10**6])
releases = st.lists(numbers, min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
suffixes = st.sampled_from(
    ["", "", "", "", "rc1", "-rc.2", "a1", "b2", ".dev3", "-SNAPSHOT", "-preview.7.1", "preview2", "-m3", "w", ".post1",
     "-14+deb12u1", "p20", "(1)-release", "+build.5", "a1.dev2"]
)  # fmt: skip
version_texts = st.builds(str.__add__, releases, suffixes)
versions = version_texts.map(Version.parse)
plain_versions = releases.map(Version.parse)

bounds = st.builds(str.__add__, releases, st.sampled_from(["", "", "", "rc1", "a2", "w"]))
comparisons = st.one_of(
    st.builds(str.__add__, st.sampled_from([">=", "<=", ">", "<", "==", "!=", "~", "~>", "^"]), bounds),
    st.builds("{}{}.*".format, st.sampled_from(["==", "!="]), releases),
    releases.filter(lambda text: "." in text).map("~={}".format),
)
clauses = st.one_of(st.lists(comparisons, min_size=1, max_size=3).map(",".join), bounds, st.just("*"))
constraint_texts = st.lists(clauses, min_size=1, max_size=3).map(" || ".join)
constraints = constraint_texts.map(Constraint.parse)


@given(version_texts)
def test_a_version_as_printed_reads_as_the_same_one(text: str) -> None:
    assert Version.parse(printed(text)) == Version.parse(text)
    assert text.startswith(printed(text))


pre_releases = versions.filter(lambda version: version.is_prerelease)
long_releases = st.lists(numbers, min_size=3, max_size=4).map(lambda parts: Version.parse(".".join(map(str, parts))))


@settings(max_examples=share(300))
@given(pre_releases, long_releases)
def test_a_pre_release_stands_just_below_its_release(version: Version, bound: Version) -> None:
    """It is on the side of every plain bound on which its release is, but for its own release."""
    release = Version.parse(".".join(map(str, version.release)))
    same = release.key == bound.key

    assert Constraint.parse(f">={bound}").check(version) is (Truth.YES if release.key > bound.key else Truth.NO)
    assert Constraint.parse(f"<={bound}").check(version) is (Truth.YES if release.key <= bound.key else Truth.NO)
    assert Constraint.parse(f"<{bound}").check(version) is (Truth.YES if release.key < bound.key else Truth.NO)
    assert Constraint.parse(f"!={bound}.*").check(version) is (
        Truth.NO if release.release[: len(bound.release)] == bound.release or same else Truth.YES
    )


@given(constraint_texts)
def test_what_java_was_called_reads_back_as_it_is_called_since(text: str) -> None:
    constraint = Constraint.parse(text, "java")

    assert Constraint.parse(str(constraint), "java") == constraint


@given(version_texts)
def test_the_canonical_form_of_a_version_reads_back(text: str) -> None:
    version = Version.parse(text)

    assert Version.parse(str(version)) == version
    assert str(Version.parse(str(version))) == str(version)


@given(versions, versions, versions)
def test_the_order_of_versions_is_total_and_agrees_with_equality(a: Version, b: Version, c: Version) -> None:
    assert (a < b) + (a == b) + (a > b) == 1
    assert not (a <= b <= c) or a <= c
    assert (a == b) == (str(a) == str(b))
    assert a != b or hash(a) == hash(b)


@given(constraint_texts)
def test_the_canonical_form_of_a_constraint_reads_back(text: str) -> None:
    constraint = Constraint.parse(text)

    assert Constraint.parse(str(constraint)) == constraint
    assert str(Constraint.parse(str(constraint))) == str(constraint)


@settings(max_examples=share(300))
@given(constraints, constraints, versions)
def test_a_union_holds_where_either_side_holds(a: Constraint, b: Constraint, version: Version) -> None:
    assert (a | b).check(version) is a.check(version) | b.check(version)


@settings(max_examples=share(500))
@given(constraints, constraints, versions)
def test_an_intersection_holds_where_both_sides_hold(a: Constraint, b: Constraint, version: Version) -> None:
    both, separately = (a & b).check(version), a.check(version) & b.check(version)

    # A contradiction is seen where each side alone is unknown.
    assert both is separately or (separately is Truth.UNKNOWN and both is Truth.NO)


@given(constraints, constraints, constraints)
def test_union_and_intersection_are_sets(a: Constraint, b: Constraint, c: Constraint) -> None:
    assert a | b == b | a
    assert a & b == b & a
    assert a | a == a
    assert (a | b) | c == a | (b | c)


@settings(max_examples=share(500))
@given(constraints, plain_versions, st.lists(numbers, min_size=1, max_size=2))
def test_more_detail_never_contradicts_a_verdict_on_a_bound_with_less(
    constraint: Constraint, version: Version, more: list[int]
) -> None:
    """Where all bounds are longer than `3.12`, it is known to satisfy them only if 3.12.anything does."""
    longer = Version.parse(".".join([str(version), *map(str, more)]))
    lengths = {
        len(bound.version.release)
        for clause in constraint.clauses
        for interval in (clause.interval, *clause.excluded)
        for bound in (interval.lower, interval.upper)
        if bound is not None
    }
    if min(lengths, default=0) > len(version.release):
        verdict = constraint.check(version)

        assert verdict is Truth.UNKNOWN or constraint.check(longer) is verdict


@given(plain_versions)
def test_every_version_is_below_within_or_above_its_own_series(version: Version) -> None:
    held = [Constraint.parse(f"{sign}{version}").check(version) for sign in (">=", "<=", "==", "=", ">", "<", "!=")]

    assert held == [Truth.YES] * 4 + [Truth.NO] * 3


@settings(max_examples=share(300))
@given(st.text(max_size=60))
def test_any_text_is_a_version_or_one_clear_error(text: str) -> None:
    try:
        assert isinstance(Version.parse(text), Version)
    except VersionError as error:
        assert 0 <= error.position <= len(text)
        assert "expected" in str(error)


@settings(max_examples=share(300))
@given(st.text(alphabet="0123456789.*xX<>=!~^|, -v(rcbaw\t\u0660≥", max_size=30))
def test_any_text_is_a_constraint_or_one_clear_error(text: str) -> None:
    try:
        constraint = Constraint.parse(text)
        assert Constraint.parse(str(constraint)) == constraint
    except VersionError as error:
        assert 0 <= error.position <= len(text)
        assert "expected" in str(error)
