"""The digest that names a set of files."""

from __future__ import annotations

import pytest

from attune.core.packs.pack import PackFile, digest_of

FILES = (PackFile("a", b"1"), PackFile("b", b"2", executable=True))


def test_the_order_of_the_files_does_not_matter() -> None:
    assert digest_of(FILES) == digest_of(reversed(FILES))
    assert len(digest_of(())) == 64


@pytest.mark.parametrize(
    "other",
    [
        (PackFile("a", b"1"), PackFile("b", b"2")),
        (PackFile("a", b"1"), PackFile("b", b"3", executable=True)),
        (PackFile("a", b"1"), PackFile("c", b"2", executable=True)),
        (PackFile("a", b""), PackFile("1b", b"2", executable=True)),
        (PackFile("a\udcff", b"1"), PackFile("b", b"2", executable=True)),
    ],
)
def test_every_difference_gives_another_digest(other: tuple[PackFile, ...]) -> None:
    assert digest_of(FILES) != digest_of(other)
