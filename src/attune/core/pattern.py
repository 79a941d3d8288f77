"""Patterns that operators write: RE2, which matches in linear time whatever the pattern (https://github.com/google/re2)."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from attune.core.errors import AttuneError

MAX_LENGTH = 1000
_UNSUPPORTED = {"(?=": "look-ahead", "(?!": "look-ahead", "(?<": "look-behind", "(?P=": "back-references"}


class PatternError(AttuneError):
    """A pattern that RE2 does not accept; the message gives the position (0-based)."""

    exit_code = 2
    code = "pattern"


@dataclass(frozen=True, slots=True)
class Match:
    """Where a pattern was found, and the text of its group `version` if it has one: empty where that took no part."""

    start: int
    version: str | None


@lru_cache(maxsize=4096)
def compile_pattern(text: str) -> Any:
    """The compiled form of *text*. Raises `PatternError`."""
    import re2

    if len(text) > MAX_LENGTH:
        raise PatternError(f"at most {MAX_LENGTH} characters, got {len(text)}")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 8 << 20
    try:
        return re2.compile(text, options=options)
    except re2.error as error:
        raw = error.args[0]
        said = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
    except UnicodeEncodeError:
        said = "text that is not valid Unicode: "
    raise PatternError(_explain(text, said))


def _explain(text: str, said: str) -> str:
    what, _, fragment = said.rpartition(": ")
    position = max(text.find(fragment), 0) if fragment else 0
    for opening, feature in _UNSUPPORTED.items():
        if fragment.startswith(opening) and what == "invalid perl operator":
            return f"{feature} at position {position} is not supported (patterns are RE2)"
    if what == "invalid escape sequence" and fragment[1:].isdigit():
        return f"back-references at position {position} are not supported (patterns are RE2)"
    return f"{what or said} at position {position}"


def search(pattern: str, output: str) -> Match | None:
    """The first place where *pattern* is found in *output*, which is stripped first so that `$` means its end."""
    match = compile_pattern(pattern).search(output.strip())
    if match is None:
        return None
    offset = len(output) - len(output.lstrip())
    groups = match.groupdict()
    return Match(match.start() + offset, (groups["version"] or "") if "version" in groups else None)
