"""What an unquoted word of YAML stands for.

Words for true and false are YAML 1.1's, as in most readers (`yes` is true). Numbers count only in their plain decimal
form: `010`, `1_000`, `1:30` and dates, on which readers of YAML disagree, stay text.
"""

from __future__ import annotations

import re

_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_NULLS = frozenset({"", "~", "null"})
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,299})")
_DECIMAL = re.compile(
    r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan", re.IGNORECASE
)


def scalar(text: str) -> str | int | float | bool | None:
    """The value of the unquoted *text*."""
    lowered = text.lower()
    if lowered in _NULLS:
        return None
    if lowered in _BOOLEANS:
        return _BOOLEANS[lowered]
    if _WHOLE.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return float(lowered.replace(".inf", "inf").replace(".nan", "nan"))
    return text
