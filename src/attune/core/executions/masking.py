"""Keeps secrets out of what is printed: each is `***` instead, as it is, and as JSON, URLs and base64 have it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

from attune.core.access.secrets import HIDDEN, SHORTEST

_LINE = 8  # characters; a line of a secret that is shorter is not masked by itself
_URL_SAFE = str.maketrans("+/", "-_")


class Masker:
    """Masks *texts* in what comes in pieces. What may be the beginning of one is held back until more has come."""

    def __init__(self, texts: Iterable[str]) -> None:
        forms = {form for text in texts for form in _forms(text) if len(form) >= SHORTEST}
        self._forms = sorted(forms, key=len, reverse=True)
        self._held = ""

    def feed(self, text: str, *, final: bool = False) -> str:
        """What of *text*, and of what was held back, can be shown now; all of it if it is the *final* piece."""
        text, parts, at = self._held + text, [], 0
        found = {form: text.find(form) for form in self._forms}
        held = len(text) if final else self._open_end(text, 0)
        while found := {form: i for form, i in found.items() if i >= 0}:
            form = min(found, key=lambda form: (found[form], -len(form)))
            if found[form] >= held:
                break
            parts += [text[at : found[form]], HIDDEN]
            at = found[form] + len(form)
            found = {form: i if i >= at else text.find(form, at) for form, i in found.items()}
            if at > held:
                held = self._open_end(text, at)
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
        masker._forms = self._forms
        masked = masker.feed(text, final=True)
        return masked if isinstance(value, str) or masked != text else value

    def _open_end(self, text: str, at: int) -> int:
        """Where from *at* on the first form begins that *text* ends in the middle of."""
        end = size = len(text)
        for form in self._forms:
            begin = max(at, size - len(form) + 1)
            while (begin := text.find(form[:SHORTEST], begin, end)) >= 0 and not form.startswith(text[begin:]):
                begin += 1
            few = range(max(at, size - SHORTEST + 1), size)
            end = min([end, *([begin] if begin >= 0 else []), *(i for i in few if form.startswith(text[i:]))])
        return end


def _forms(text: str) -> Iterator[str]:
    yield from (text, *(line for line in text.splitlines() if len(line) >= _LINE))
    yield from (json.dumps(text, ensure_ascii=only)[1:-1] for only in (True, False))
    for quoted in (quote(text), quote(text, safe=""), quote_plus(text)):
        yield from (quoted, re.sub("%..", lambda code: code[0].lower(), quoted))
    raw = text.encode()
    for lead, begin in enumerate((0, 2, 3)):  # by what stands before it, and without the characters it shares with that
        coded = base64.b64encode(b"\0" * lead + raw).decode()[begin : (lead + len(raw)) * 4 // 3]
        yield from (coded, coded.translate(_URL_SAFE))
