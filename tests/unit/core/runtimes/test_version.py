"""Versions found in the wild: how they read, how they show, how they compare."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

from attune.core.errors import VersionError
from attune.core.runtimes.version import MAX_LENGTH, Version

CANONICAL = [
    # plain releases of any length
    ("3.11.7", "3.11.7"),
    ("8", "8"),
    ("17.0.8.1", "17.0.8.1"),
    ("120.0.6099.109", "120.0.6099.109"),
    ("20.04", "20.4"),
    ("  3.11 ", "3.11"),
    # prefixes
    ("v20.20.2", "20.20.2"),
    ("V1.2", "1.2"),
    ("go1.26.8", "1.26.8"),
    ("go1.22rc1", "1.22rc1"),
    # Java before 9
    ("1.8.0_392", "8.0.392"),
    ("1.8.0_392-b08", "8.0.392"),
    ("1.7.0_80", "7.0.80"),
    ("1.8.0", "1.8.0"),
    # vendor suffixes
    ("5.2.15(1)-release", "5.2.15"),
    ("12.2.0-14+deb12u1", "12.2.0"),
    ("3.1.2p20", "3.1.2"),
    ("9.2p1", "9.2"),
    ("2.39.5 (Apple Git-154)", "2.39.5"),
    ("4.2.2 Patched", "4.2.2"),
    ("2.39.1.windows.1", "2.39.1"),
    ("17.0.15+6-Debian-1deb12u1", "17.0.15"),
    ("10.11.6-MariaDB", "10.11.6"),
    ("1.32.4-dispatcher", "1.32.4"),
    ("6.18.44-fc-v769", "6.18.44"),
    ("3.0.0.Final", "3.0.0"),
    ("1.2-5.el8", "1.2"),
    ("5.1.6-0+deb12u1", "5.1.6"),
    ("7.1.1-29", "7.1.1"),
    ("1.0.0-c0ffee", "1.0.0"),
    # letters after the release
    ("3.3a", "3.3a"),
    ("1.1.1w", "1.1.1w"),
    ("1.0.2zg", "1.0.2zg"),
    ("1.0.post4", "1.0.post4"),
    # pre-releases
    ("3.13.0rc1", "3.13.0rc1"),
    ("3.13.0a3+", "3.13.0a3"),
    ("3.13.0-rc.1", "3.13.0rc1"),
    ("6.1.0~rc2", "6.1.0rc2"),
    ("1.0-beta.3", "1.0b3"),
    ("1.0c1", "1.0rc1"),
    ("17beta1", "17b1"),
    ("17devel", "17.dev0"),
    ("1.0.dev4", "1.0.dev4"),
    ("1.0a1.dev2", "1.0a1.dev2"),
    ("4.0-SNAPSHOT", "4.0.dev0"),
    ("1.76.0-nightly", "1.76.0.dev0"),
    ("v21.0.0-nightly20230801abc12", "21.0.0.dev20230801"),
    ("0.12.0-dev.1234+abc", "0.12.0.dev1234"),
    ("8.0.100-preview.7.23376.3", "8.0.100preview7.23376.3"),
    ("3.3.0preview2", "3.3.0preview2"),
    ("2.0.0-M1", "2.0.0-m1"),
    ("22-ea", "22preview0"),
    ("1.29.0-alpha.0.123+hash", "1.29.0a0.123"),
    ("4.5.0 RC (2025-04-04 r88103)", "4.5.0rc0"),
    ("4.4.0 alpha (2024-03-31)", "4.4.0a0"),
    ("7.0 Beta 2", "7.0b2"),
    ("121.0.6167.16 beta", "121.0.6167.16b0"),
    ("14.0.1 20240411 (experimental)", "14.0.1.dev0"),
    ("4.9.0 20140401 (prerelease)", "4.9.0preview0"),
    ("5.3.0(1)-rc2", "5.3.0rc2"),
    ("17.06.0-ce-rc1", "17.6.0rc1"),
    ("v20.0.0-v8-canary20230301abcdef", "20.0.0.dev20230301"),
    ("21-beta", "21b0"),
    ("2.48.0.rc1.windows.1", "2.48.0rc1"),
    ("19.0.0git", "19.0.0.dev0"),
    ("5.3.0+dev4-2024", "5.3.0.dev4"),
    ("v23.0.0-pre", "23.0.0preview0"),
    # a word behind, which says nothing of the version
    ("1.2.3 alphabet", "1.2.3"),
    ("1.2.3 (release)", "1.2.3"),
    ("1.2.3 dev-tools", "1.2.3"),
    ("1.2.3-development", "1.2.3"),
]


@pytest.mark.parametrize(("text", "canonical"), CANONICAL)
def test_a_version_shows_in_its_canonical_form_and_reads_back(text: str, canonical: str) -> None:
    version = Version.parse(text)

    assert str(version) == canonical
    assert Version.parse(canonical) == version


def test_versions_are_ordered_as_their_makers_mean_it() -> None:
    ascending = [
        "1.0.dev4", "1.0a1.dev2", "1.0a1", "1.0a2", "1.0b1", "1.0-M2", "1.0-preview.1", "1.0-preview.1.5", "1.0rc1",
        "1.0rc2", "1.0rc10", "1", "1.0", "1.0.0", "1.0.post1", "1.0.0.1", "1.0.1", "1.1", "1.1.1", "1.1.1k", "1.1.1w",
        "1.1.1za", "1.1.2", "1.8.0", "1.9", "1.10", "2.0.0.dev0", "2", "1.8.0_1", "1.8.0_392", "9",
    ]  # fmt: skip
    versions = [Version.parse(text) for text in ascending]

    assert sorted(set(versions)) == versions
    assert all(one < other for one, other in pairwise(versions))


def test_equal_versions_hash_alike_whatever_their_spelling() -> None:
    spellings = {Version.parse(text) for text in ("3.13.0rc1", "v3.13.0-rc.1", "3.13.0~rc1", "3.13.0RC1+build")}

    assert len(spellings) == 1


def test_a_version_of_fewer_components_is_a_neighbour_and_not_an_equal() -> None:
    short, long = Version.parse("3.12"), Version.parse("3.12.0")

    assert short != long
    assert short < long < Version.parse("3.12.1")


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("   ", 3),
        (".", 0),
        ("...", 0),
        ("abc", 0),
        ("-1", 0),
        ("1..2", 1),
        ("3.", 1),
        ("3.x", 1),
        ("3.*", 1),
        ("1!2", 1),
        ("1:2.3", 1),
        ("3.11abc", 4),
        ("3.11 3.12", 4),
        ("3.9999999999999999999", 2),
    ],
)
def test_text_that_is_no_version_is_refused_with_the_place(text: str, position: int) -> None:
    with pytest.raises(VersionError) as caught:
        Version.parse(text)

    assert caught.value.position == position
    assert f"offset {position}" in str(caught.value)
    assert Version.read(text) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("３.11", "FULLWIDTH DIGIT THREE"),
        ("٣.1", "ARABIC-INDIC DIGIT THREE"),
        ("3.11³", "SUPERSCRIPT THREE"),
        ("3․11", "ONE DOT LEADER"),
        ("3.11\x00", "U+0000"),
    ],
)
def test_a_look_alike_is_told_by_its_unicode_name(text: str, name: str) -> None:
    with pytest.raises(VersionError) as caught:
        Version.parse(text)

    assert name in str(caught.value)


@pytest.mark.parametrize("text", ["1" * 10_000, "1." * 10_000, "9" * 300_000, "1-" + "a" * 100_000, "." * 100_000])
def test_absurd_texts_are_refused_at_once_and_not_repeated_in_full(text: str) -> None:
    started = time.thread_time()
    with pytest.raises(VersionError) as caught:
        Version.parse(text)

    assert time.thread_time() - started < 5
    assert len(str(caught.value)) < 2 * MAX_LENGTH


def test_parse_exactly_refuses_what_would_never_be_compared() -> None:
    assert str(Version.parse_exactly("v3.13.0rc1")) == "3.13.0rc1"
    with pytest.raises(VersionError, match="nothing more than a version at offset 6"):
        Version.parse_exactly("12.2.0-14")
