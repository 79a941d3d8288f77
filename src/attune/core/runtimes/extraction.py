"""Finds the version in what a command printed.

Rules, in order: the group `version` of the definition's pattern (`displayed_version`); where the pattern matched, the
first version from there on that line, else any on that line; then, as without a pattern, the lines that are no
warnings: one that says "version 1.2", else the first that shows a version. A dotted number is preferred to a bare
one, which counts only after the word "version" or after the program's name. Dates, times, addresses, sizes and paths
are never versions.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from attune.core.runtimes.version import MAX_LENGTH, SPACED_PRE, Version, printed

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_LINE_END = re.compile(r"[\r\n]+")
_WORD = re.compile(r"\S+")
# Letters right before a number belong to a name ("python3.11"), except v and go.
_DOTTED = re.compile(
    r"(?<![0-9A-Za-z.])(?:v|go|n)?(\d{1,18}(?:\.\d{1,18})+)(?!\d)[0-9A-Za-z.+~_-]*(?:\(\d+\)[0-9A-Za-z.+~_-]*)?",
    re.ASCII | re.IGNORECASE,
)
_BARE = re.compile(
    r"[\"'(]*(?:v|go)?(\d{1,4}(?:[-._~]?(?:alpha|beta|rc|devel|dev|preview|pre|snapshot|nightly|canary)\d*|-ea|[ab]\d+)?)(?:[+-][0-9]*[a-z]\S*|\+\S*)?[\"'),;:]*(?!\S)",
    re.ASCII | re.IGNORECASE,
)
_SAYS_VERSION = re.compile(r"\bversion\b(?:\s*[:=])?\s*", re.IGNORECASE)
_VERSION_IS = re.compile(r"\bversion\s+[\"'(]*(?=[vn]?\d+\.\d)", re.IGNORECASE)
# "gcc (Debian 12.2.0-14) 12.2.0": what the vendor says stands between the name and the version.
_NAME_AND_VENDOR = re.compile(r"(?!\S*\d\.\d)\S+(?: (?!\S*\d\.\d)[^\s(]+)? \([^()]*\) (?=v?\d)", re.ASCII)
_NAME_NUMBER_DATE = re.compile(r"\S+ (\d{1,4}(?:\.\d{1,9}){0,4}(?:-[a-z]+)?) \d{4}-\d\d-\d\d(?!\S)", re.ASCII)
_ONLY_NUMBER = re.compile(r"\s*v?(\d{1,4})\s*", re.ASCII)
_LEGACY_JAVA = re.compile(r'\b(?:java|openjdk) version "1\.(\d)\.(\d+)"', re.ASCII)
_NOISE = re.compile(
    r"\b(?:warn|warning|deprecat\w*|error|notice|hint|picked up|upgrade|update available|new(?:er)? (?:\w+ )?version|"
    r"latest version|out of date|cannot|could not|unable to|failed|not found|no such|requires?)\b",
    re.IGNORECASE,
)
_PATH = re.compile(r"(?:^|[=:(\"'\[@,])[~.]{0,2}/|://|\\|/[^/]*/")
_QUAD = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}", re.ASCII)
_LOCAL = re.compile(r"(?:127|10|192\.168|169\.254|172\.(?:1[6-9]|2\d|3[01])|0\.0\.0|255)\.", re.ASCII)
_OF_NETWORK = re.compile(
    r"@|\b(?:to|at|on|from|via|address|addr|ip|ipv4|inet|gateway|peer|proxy|dns|nameserver|listening|host[:=])\W{0,3}",
    re.IGNORECASE,
)
_OF_VERSION = re.compile(r"\b(?:version|release|ver)\W{0,3}|\bv", re.IGNORECASE)
_DAY_FIRST = re.compile(r"\d\d?\.\d\d?\.(?:19|20)\d\d", re.ASCII)
_YEAR_FIRST = re.compile(r"(?:19|20)\d\d\.\d\d?\.\d\d?", re.ASCII)
_MEASURE = re.compile(r"\d+\.\d+(?:[nuµm]?s|[kmgt]i?b?|[x%])", re.ASCII | re.IGNORECASE)
_NEARBY = 20  # characters
_NEARBY_WORDS = 4  # a bare number further from the name counts something else


@dataclass(frozen=True, slots=True)
class _Token:
    """A dotted number on a line that may be a version."""

    text: str
    end: int
    is_date: bool


def extract_version(output: str, *, match_start: int | None = None) -> str | None:
    """The version that *output* shows, as displayed, or None; *match_start* is where its pattern matched."""
    if match_start is None:
        return _displayed(_general(_without_ansi(output)))
    begin = max(output.rfind("\n", 0, match_start), output.rfind("\r", 0, match_start)) + 1
    head = _without_ansi(output[begin:match_start])
    line, *rest = _LINE_END.split(_without_ansi(output[match_start:]), maxsplit=1)
    version = _on_matched_line(head + line, len(head))
    return _displayed(version or _general("".join(rest)) or _general(_without_ansi(output[:begin])))


def displayed_version(text: str) -> str:
    """*text* as people see it: as printed, without what vendors append, or as it is where it is no version."""
    plain = _without_ansi(text).strip()
    return printed(plain) if Version.read(plain) else plain


def _displayed(version: str | None) -> str | None:
    return None if version is None else displayed_version(version)


def _general(text: str) -> str | None:
    """The version by the rule for output of which nothing is known."""
    quiet = [line for line in _LINE_END.split(text) if line and not _NOISE.search(line)]
    shown = ((line, version) for line in quiet if (version := _on_line(line)))
    line, version = next(shown, ("", None))
    if version is not None and _SAYS_VERSION.search(line):
        return _said(line) or version
    return _first(map(_said, quiet)) or version


def _said(line: str) -> str | None:
    said = _VERSION_IS.search(line)
    return _legacy_java(line) or (_best(_tokens(line, said.end())) if said else None)


def _on_line(line: str) -> str | None:
    after_vendor = _NAME_AND_VENDOR.match(line)
    if after_vendor is not None:
        return _on_matched_line(line, after_vendor.end())
    said = _SAYS_VERSION.search(line)
    number = _NAME_NUMBER_DATE.match(line) or _ONLY_NUMBER.fullmatch(line)
    return (
        (_best(_tokens(line, said.end())) if said else None)
        or _best(_tokens(line))
        or _bare_after_version(line)
        or (number[1] if number else None)
    )


def _on_matched_line(line: str, start: int) -> str | None:
    after_vendor = _NAME_AND_VENDOR.match(line)
    begin = max(start, after_vendor.end()) if after_vendor else start
    return (
        _legacy_java(line)
        or _best(_tokens(line, begin))
        or _bare_after_version(line)
        or _first(_bare(line, word.start()) for word in islice(_WORD.finditer(line, start), _NEARBY_WORDS))
        or _best(_tokens(line))
    )


def _legacy_java(line: str) -> str | None:
    """Java 8 and older without an update number: `1.8.0` is 8.0.0."""
    java = _LEGACY_JAVA.search(line)
    return f"{java[1]}.0.{java[2]}" if java else None


def _bare_after_version(line: str) -> str | None:
    said = _SAYS_VERSION.search(line)
    return _bare(line, said.end()) if said else None


def _bare(line: str, at: int) -> str | None:
    number = _BARE.match(line, at)
    return None if number is None or re.fullmatch(r"(?:19|20)\d\d", number[1]) else number[1]


def _best(tokens: Iterable[_Token]) -> str | None:
    """The first token that is beyond doubt, else the first that looks like a date."""
    doubtful = None
    for token in tokens:
        if not token.is_date:
            return token.text
        doubtful = doubtful or token.text
    return doubtful


def _tokens(line: str, start: int = 0) -> Iterator[_Token]:
    """The dotted numbers of *line* that end after offset *start*."""
    for word in _WORD.finditer(line):
        if word.end() <= start or _PATH.search(word[0]):
            continue
        for number in _DOTTED.finditer(word[0]):
            token = _token(line, word[0], number, word.start())
            if token is not None and token.end > start:
                yield token


def _token(line: str, word: str, match: re.Match[str], offset: int) -> _Token | None:
    number = match[1]
    before, behind = word[: match.start()], word[match.end() :]
    clock = before.endswith(":") and before[-2:-1].isdigit()
    if len(number) > MAX_LENGTH or clock or _MEASURE.fullmatch(match[0]) or _DAY_FIRST.fullmatch(number):
        return None
    quad = _QUAD.fullmatch(number) is not None and all(int(part) < 256 for part in number.split("."))
    if quad and (re.match(r"[:/]\d", behind) or _is_address(line[: offset + match.start(1)], number)):
        return None
    end = offset + match.end()
    text = match[0].rstrip(".,-+~_")[:MAX_LENGTH]
    if Version.read(text) is None:
        text = number
    elif spaced := SPACED_PRE.match(line, end):
        text, end = text + spaced[0], spaced.end()
    return _Token(text, end, is_date=_YEAR_FIRST.fullmatch(number) is not None)


def _is_address(before: str, number: str) -> bool:
    """Whether the four numbers *number*, with *before* in front of them on their line, are an address."""
    near = before[-_NEARBY:]
    if any(match.end() == len(near) for match in _OF_VERSION.finditer(near)):
        return False
    return _LOCAL.match(number) is not None or any(match.end() == len(near) for match in _OF_NETWORK.finditer(near))


def _first(versions: Iterable[str | None]) -> str | None:
    return next((version for version in versions if version), None)


def _without_ansi(text: str) -> str:
    return _ANSI.sub("", text) if "\x1b" in text else text
