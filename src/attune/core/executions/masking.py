"""Keeps secrets out of what is printed: each is `***`, as it is, and as JSON, HTML, URLs, base64 and hex have it.

Base64 and hex are masked however they are cut into lines.
"""

import base64
import html
import json
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from functools import cached_property
from typing import Any, Self
from urllib.parse import quote, quote_plus

from attune.core.access.secrets import HIDDEN, SHORTEST

_LINE = 8  # characters; a line of a secret that is shorter is not masked by itself
_AS_IT_IS: dict[int, int | None] = {}
_ESCAPES: tuple[Callable[[str], str], ...] = (
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    html.escape,
    lambda text: html.escape(text, quote=False),
    lambda text: html.escape(text, quote=False).replace('"', "&#34;").replace("'", "&#39;"),
)
_BASE64 = str.maketrans("-_", "+/", "\r\n")
_HEX = str.maketrans("ABCDEF", "abcdef", "\r\n")


class Masker:
    """Masks *texts* in what comes in pieces. What may be the beginning of one is held back until more has come."""

    def __init__(self, texts: Iterable[str]) -> None:
        texts = tuple(texts)
        forms = ((_AS_IT_IS, _plain_forms), (_BASE64, _base64_forms), (_HEX, _hex_forms))
        self._readings = [_Reading(table, (form for text in texts for form in of(text))) for table, of in forms]
        self._held = ""

    def feed(self, text: str, *, final: bool = False) -> str:
        """What of *text*, and of what was held back, can be shown now; all of it if it is the *final* piece."""
        text, parts, at = self._held + text, [], 0
        read = [reading.of(text) for reading in self._readings if reading.forms]
        found = {(one, form): one.find(form, 0) for one in read for form in one.forms}
        held = len(text) if final else min((one.open_end(0) for one in read), default=len(text))
        while found := {key: span for key, span in found.items() if span is not None}:
            begin, end = min(found.values(), key=lambda span: (span[0], -span[1]))
            if begin >= held:
                break
            parts += [text[at:begin], HIDDEN]
            at = end
            found = {key: span if span[0] >= at else key[0].find(key[1], at) for key, span in found.items()}
            if at > held:
                held = min(one.open_end(at) for one in read)
        self._held = text[max(at, held) :]
        return "".join((*parts, text[at:held]))

    def mask(self, value: Any) -> Any:
        """A whole text, or all texts and numbers in a JSON value, masked."""
        if isinstance(value, dict):
            return {self.mask(key): self.mask(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.mask(inner) for inner in value]
        if value is None or isinstance(value, bool):
            return value
        text = value if isinstance(value, str) else json.dumps(value)
        masker = Masker(())
        masker._readings = self._readings
        masked = masker.feed(text, final=True)
        return masked if isinstance(value, str) or masked != text else value


class _Reading:
    """Forms of secrets, and the table by which text is read in which they are looked for."""

    def __init__(self, table: dict[int, int | None], forms: Iterable[str]) -> None:
        self._table = table
        self.forms = sorted({form for form in forms if len(form) >= SHORTEST}, key=len, reverse=True)
        self._whole = self._text = ""

    def of(self, text: str) -> Self:
        """The same forms, and *text*."""
        read = copy(self)
        read._whole, read._text = text, text.translate(self._table) if self._table else text
        return read

    @cached_property
    def _places(self) -> Sequence[int]:
        """Where the characters that are read stand in the whole text, and where that ends."""
        if len(self._text) == len(self._whole):
            return range(len(self._whole) + 1)
        return [*(i for i, letter in enumerate(self._whole) if letter not in "\r\n"), len(self._whole)]

    def find(self, form: str, at: int) -> tuple[int, int] | None:
        """From where to where the first *form* stands in the whole text, from *at* on."""
        if (found := self._text.find(form, bisect_left(self._places, at) if at else 0)) < 0:
            return None
        return self._places[found], self._places[found + len(form) - 1] + 1

    def open_end(self, at: int) -> int:
        """Where in the whole text the first form begins, from *at* on, that it ends in the middle of."""
        text = self._text
        end = size = len(text)
        first = bisect_left(self._places, at) if at else 0
        for form in self.forms:
            begin = max(first, size - len(form) + 1)
            while (begin := text.find(form[:SHORTEST], begin, end)) >= 0 and not form.startswith(text[begin:]):
                begin += 1
            few = range(max(first, size - SHORTEST + 1), size)
            end = min([end, *([begin] if begin >= 0 else []), *(i for i in few if form.startswith(text[i:]))])
        return len(self._whole) if end == size else self._places[end]


def _plain_forms(text: str) -> Iterator[str]:
    yield from (text, *(line for line in text.splitlines() if len(line) >= _LINE))
    escaped = {text}
    for _ in range(2):  # JSON in JSON, JSON in HTML
        escaped |= {escape(form) for form in escaped for escape in _ESCAPES}
    yield from escaped
    for quoted in (quote(text), quote(text, safe=""), quote_plus(text)):
        yield from (quoted, re.sub("%..", lambda code: code[0].lower(), quoted))


def _base64_forms(text: str) -> Iterator[str]:
    raw = text.encode()
    for lead, begin in enumerate((0, 2, 3)):  # by what stands before it, and without the characters it shares with that
        yield base64.b64encode(b"\0" * lead + raw).decode()[begin : (lead + len(raw)) * 4 // 3]


def _hex_forms(text: str) -> Iterator[str]:
    yield text.encode().hex()
