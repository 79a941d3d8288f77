"""No secret is shown in what is printed, however it is cut into pieces and in whichever form it stands there."""

from __future__ import annotations

import base64
import html
import json
import re
import time
from itertools import pairwise
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.core.executions.masking import Masker

SECRETS = ['hun"ter/2+é', "correct horse", "aaaa", "aabaabaab", "abab"]


def in_pieces(secrets: list[str], text: str, cuts: list[int]) -> str:
    masker = Masker(secrets)
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return "".join(masker.feed(text[a:b]) for a, b in pairwise(places)) + masker.feed("", final=True)


@given(
    secrets=st.lists(st.text("ab", min_size=4, max_size=9), max_size=4),
    text=st.text("abc", max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=12),
)
def test_where_it_is_cut_makes_no_difference_and_no_secret_is_left(
    secrets: list[str], text: str, cuts: list[int]
) -> None:
    whole = Masker(secrets).mask(text)

    assert in_pieces(secrets, text, cuts) == whole
    assert not any(secret in whole for secret in secrets)
    assert secrets or whole == text


@given(before=st.binary(max_size=7), after=st.binary(max_size=7), cuts=st.lists(st.integers(0, 200), max_size=9))
def test_base64_is_masked_whatever_stands_around_the_secret(before: bytes, after: bytes, cuts: list[int]) -> None:
    secret = "correct horse battery"
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        text = encode(before + secret.encode() + after).decode()
        masked = in_pieces([secret], text, cuts)
        left = masked.split("***")
        assert len(left) == 2
        assert len(left[0]) <= 4 * (len(before) // 3) + 4 and len(left[1]) <= 4 * (len(after) // 3) + 8


@pytest.mark.parametrize("columns", [1, 7, 60, 64, 76])
@given(
    before=st.binary(max_size=90), size=st.sampled_from([4, 21, 300]), cuts=st.lists(st.integers(0, 900), max_size=9)
)
def test_base64_and_hex_are_masked_however_they_are_cut_into_lines(
    columns: int, before: bytes, size: int, cuts: list[int]
) -> None:
    secret = "".join(f"correct {number} horse" for number in range(20))[:size]
    for encode in (base64.b64encode, base64.urlsafe_b64encode, bytes.hex, lambda data: data.hex().upper()):
        code = encode(before + secret.encode() + b"\n")
        text = "\r\n".join(re.findall(f".{{1,{columns}}}", code if isinstance(code, str) else code.decode()))
        head, masked, tail = in_pieces([secret], text, cuts).partition("***")
        per_byte = 4 / 3 if isinstance(code, bytes) else 2
        assert masked == "***"
        assert len(re.sub(r"\s", "", head)) <= per_byte * len(before) + 4
        assert len(re.sub(r"\s", "", tail)) <= 8


@given(cuts=st.lists(st.integers(0, 400), max_size=12))
def test_json_in_json_and_html_are_masked_wherever_they_are_cut(cuts: list[int]) -> None:
    secret = "a\"b\\c'd<e>&f\n+é"
    for inner in (True, False):
        for outer in (True, False):
            text = json.dumps(json.dumps({"a": secret}, ensure_ascii=inner), ensure_ascii=outer)
            assert in_pieces([secret], f"<{text}>", cuts) == '<"{\\"a\\": \\"***\\"}">'
        assert in_pieces([secret], html.escape(json.dumps([secret], ensure_ascii=inner)), cuts) == "[&quot;***&quot;]"
    for escaped in (html.escape(secret), html.escape(secret, quote=False), "a&#34;b\\c&#39;d&lt;e&gt;&amp;f\n+é"):
        assert in_pieces([secret], f"<p>{escaped}</p>", cuts) == "<p>***</p>"
        assert in_pieces([secret], json.dumps({"a": escaped}), cuts) == '{"a": "***"}'


@pytest.mark.parametrize(
    "form",
    [str, json.dumps, lambda text: json.dumps(text, ensure_ascii=False), quote, quote_plus,
     lambda text: quote(text, safe=""), lambda text: quote(text).replace("%2B", "%2b").replace("%C3%A9", "%c3%a9"),
     lambda text: f"{text}{text}", lambda text: f"x{text}\n{text}y"],
)  # fmt: skip
def test_every_form_is_masked(form: object) -> None:
    for secret in SECRETS:
        masked = Masker([secret]).mask(f"<{form(secret)}>")  # type: ignore[operator]
        assert "***" in masked and secret not in masked
        assert set(masked) <= set('<>*"xy\n')


def test_what_is_shown_at_once_is_all_but_a_possible_beginning() -> None:
    masker = Masker(["correct horse"])

    assert masker.feed("say corr") == "say "
    assert masker.feed("ect") == ""
    assert masker.feed("ly, ") == "correctly, "
    assert masker.feed("correct horse\n") == "***\n"
    assert (masker.feed("cor"), masker.feed("", final=True)) == ("", "cor")


def test_lines_of_a_secret_are_masked_by_themselves() -> None:
    key = "-----BEGIN-----\nMIIEpAIB\nAAKC\n-----END-----\n"
    assert Masker([key]).mask("1: -----BEGIN-----\n2: MIIEpAIB\n3: AAKC") == "1: ***\n2: ***\n3: AAKC"


def test_results_are_masked_and_keep_their_form() -> None:
    masker = Masker(["hunter2", "12345"])
    value = {"hunter2": [1, 12345, "a hunter2", None, True, 1.5], "b": {"c": 123456}}

    assert masker.mask(value) == {"***": [1, "***", "a ***", None, True, 1.5], "b": {"c": "***6"}}
    assert Masker([]).mask(value) == value


def test_it_is_linear() -> None:
    """A secret and an output in which everything is nearly a match."""
    masker, piece = Masker(["a" * 4000 + "b", "a" * 30]), "a" * 32_768 + "c"
    begin = time.process_time()
    for _ in range(30):
        masker.feed(piece)
    assert time.process_time() - begin < 5
