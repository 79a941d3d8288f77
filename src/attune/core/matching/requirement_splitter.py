"""Where one term of a requirement ends and the next begins, and which characters may stand there at all."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from attune.core.errors import RequirementError, shown
from attune.core.matching.requirement import EXAMPLE, MAX_LENGTH, MAX_TERMS
from attune.core.runtimes.version import name_of

_SUGGESTED = 128  # characters of a suggestion at most

_LOOK_ALIKES = {
    "≥": ">=",
    "≤": "<=",
    "≠": "!=",
    "＝": "=",
    "·": ";",
    "；": ";",
    "‚": ",",
    "，": ",",
    "–": "-",
    "“": '"',
}
_LOOK_ALIKES.update({"”": '"', "„": '"', "（": "(", "）": ")", "¬": "!", "！": "!", "∗": "*", "×": "*"})
_LOOK_ALIKES.update(zip("асеорхуіАВЕКМНОРСТХ", "aceopxyiABEKMHOPCTX", strict=True))  # Cyrillic
_LOOK_ALIKES.update(zip("ονρΑΒΕΖΗΙΚΜΝΟΡΤΧ", "ovpABEZHIKMNOPTX", strict=True))  # Greek

_PIECE = re.compile(r'(?:"[^"\n]*"|[^;\n])*')


def pieces(source: str | Iterable[str]) -> Iterator[tuple[str, int, int]]:
    """Each term as (text, begin, end)."""
    if not isinstance(source, Iterable):
        raise RequirementError("", 0, "a text or a list of texts", shown(source))
    length = count = 0
    for text in [source] if isinstance(source, str) else source:
        if not isinstance(text, str):
            raise RequirementError("", 0, "a text for each term", shown(text))
        length += len(text)
        if length > MAX_LENGTH:
            got = f"{length}" if isinstance(source, str) else "more"
            raise RequirementError(text, 0, f"at most {MAX_LENGTH} characters in all", got)
        if not isinstance(source, str) and not text.strip():
            raise RequirementError(text, 0, "a term", "an empty text", suggestion=EXAMPLE)
        for begin, end in _split(text):
            count += 1
            if count > MAX_TERMS:
                raise RequirementError(text, begin, f"at most {MAX_TERMS} terms", "more")
            yield text, begin, end


def _split(text: str) -> Iterator[tuple[int, int]]:
    _refuse_foreign(text)
    at = 0
    while at <= len(text):
        found = _PIECE.match(text, at)
        end = found.end() if found else at
        if text[at:end].strip():
            yield at, end
        at = end + 1


def _refuse_foreign(text: str) -> None:
    """Only printable characters, and outside quotes only ASCII."""
    inside = False
    for index, sign in enumerate(text):
        inside = (not inside if sign == '"' else inside) and sign != "\n"
        if sign in "\t\r\n" and not inside:
            continue
        if not sign.isprintable():
            raise RequirementError(text, index, "printable characters", name_of(sign))
        if not sign.isascii() and not inside:
            meant = _LOOK_ALIKES.get(sign) or unicodedata.normalize("NFKC", sign)
            known = meant.isascii() and meant.isprintable()
            expected = repr(meant) if known else "ASCII (or quotes around the value)"
            suggestion = (text[:index] + meant + text[index + 1 :])[:_SUGGESTED] if known else None
            raise RequirementError(text, index, expected, name_of(sign), suggestion=suggestion)
