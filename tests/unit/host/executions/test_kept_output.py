"""Which part of a stream is kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from attune.host.executions.kept_output import KeptOutput, size_text


def kept_of(limit: int, pieces: list[str]) -> tuple[str, str, int]:
    """What is handed on at once, what at the end, and how much is left out."""
    kept = KeptOutput(limit)
    start = "".join([kept.feed(piece) for piece in pieces])
    return start, kept.end(), kept.dropped


@given(st.integers(8, 200), st.lists(st.text(st.characters(codec="utf-8", exclude_characters="…"), max_size=60)))
def test_start_and_end_are_kept_and_what_is_left_out_is_counted(limit: int, pieces: list[str]) -> None:
    text = "".join(pieces)
    start, end, dropped = kept_of(limit, pieces)

    assert text.startswith(start)
    if not dropped:
        assert start + end == text
        return
    mark = f"\n… {size_text(dropped)} left out …\n"
    assert end.startswith(mark)
    tail = end.removeprefix(mark)
    assert text.endswith(tail)
    assert len(start.encode()) + dropped + len(tail.encode()) == len(text.encode())
    assert limit - 8 < len((start + tail).encode()) <= limit  # a character is never cut


def test_no_more_is_remembered_than_is_kept() -> None:
    kept = KeptOutput(4096)
    for _ in range(1000):
        kept.feed("x" * 1000)
        assert len(kept._end) <= 2 * 1024
    assert kept.end() == "\n… 972.6 KiB left out …\n" + "x" * 1024


def test_sizes_are_for_people() -> None:
    assert [size_text(size) for size in (0, 1023, 1024, 3_355_444, 5 << 30)] == [
        "0 bytes",
        "1023 bytes",
        "1.0 KiB",
        "3.2 MiB",
        "5.0 GiB",
    ]
