from __future__ import annotations

import time

import pytest

from attune.host.text import clean


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"v1.2\n", "v1.2\n"),
        (b"v1.2\r\nok\r\n", "v1.2\nok\n"),
        (b"\x1b[1;32mv\x1b[0m1.\x1b[31m2\x1b[K\n", "v1.2\n"),
        (b"\x1b]0;title\x07v1\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "v1link"),
        (b"\x1b(Bplain\x1b=\x1b", "plain"),
        (b"10%\r50%\rdone\nnext", "done\nnext"),
        (b"only\r", "only"),
        (b"a\x00b\x07c\x7f\td", "abc\td"),
        ("v1.0é".encode()[:-1], "v1.0\ufffd"),
        ("Python 3.11".encode("utf-16-le"), "Python 3.11"),
        (b"", ""),
    ],
)
def test_text_is_what_a_terminal_would_leave(data: bytes, expected: str) -> None:
    assert clean(data) == expected


@pytest.mark.parametrize("piece", [b"\x1b[", b"\x1b]", b"\r", b"\x1b[1;", b"\xff", b"\x1bP"])
def test_hostile_text_takes_linear_time(piece: bytes) -> None:
    began = time.thread_time()
    clean(piece * (65536 // len(piece)))

    assert time.thread_time() - began < 10
