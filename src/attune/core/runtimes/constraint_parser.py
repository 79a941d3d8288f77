"""The grammar of version constraints: text in, alternatives or one exact error out."""

import re
import unicodedata
from collections.abc import Callable

from attune.core.errors import VersionError
from attune.core.runtimes.interval import Bound, Clause, Edge, Interval, after
from attune.core.runtimes.version import Version, name_of, plain

MAX_LENGTH = 1000

_SPACE = re.compile(r"[ \t\r\n]*")
_OPERATOR = re.compile(r"===|=>|=<|<>|=~|==|>=|<=|!=|~=|~>|[<>=^~!]")
_WORD = re.compile(r"[^\s,|<>=^~!]+")
_WILDCARD = re.compile(r"(?:[vV]?(?P<release>\d+(?:\.\d+)*)\.)?[*xX](?:\.[*xX])*", re.ASCII)
_HYPHEN = re.compile(r"[ \t]+-[ \t]+")
_MISSPELT = {"===": "==", "=>": ">=", "=<": "<=", "<>": "!=", "=~": "~=", "!": "!="}
_LOOK_ALIKES = {"≥": ">=", "≤": "<=", "≠": "!=", "⩾": ">=", "⩽": "<=", "≈": "~=", "–": "-", "—": "-", "‖": "||"}
_LOOK_ALIKES |= {"∗": "*", "×": "*", "‚": ",", "،": ",", "·": ";", "“": '"', "”": '"', "„": '"', "¬": "!"}
_LOOK_ALIKES |= dict(zip("асеорхуіХАВЕКМНОРСТ", "aceopxyixABEKMHOPCT", strict=True))  # Cyrillic
_LOOK_ALIKES |= dict(zip("ονρΑΒΕΖΗΙΚΜΝΟΡΤΧ", "ovpABEZHIKMNOPTX", strict=True))  # Greek


def meant_by(character: str) -> str | None:
    """The printable ASCII that a foreign *character* looks like; None where it looks like none."""
    meant = _LOOK_ALIKES.get(character) or unicodedata.normalize("NFKC", character)
    return meant if meant.isascii() and meant.isprintable() else None


def read_constraint(text: str, modernize: Callable[[Version], Version] | None = None) -> list[Clause]:
    """The alternatives of *text*, each version as *modernize* has it; raises `VersionError`."""
    if len(text) > MAX_LENGTH:
        raise VersionError("constraint", text, MAX_LENGTH, f"at most {MAX_LENGTH} characters", str(len(text)))
    reader = _Reader(text)
    reader.modernize = modernize
    return reader.read()


class TextReader:
    """One pass over a text, from left to right: `at` is where it stands, `end` where it must end."""

    def __init__(self, text: str, at: int = 0, end: int | None = None) -> None:
        self.text = text
        self.end = len(text) if end is None else end
        self.at = self.after_space(at)

    def take(self, sign: str) -> bool:
        """Pass *sign* and the space behind it; False where it does not stand here."""
        if not self.text.startswith(sign, self.at, self.end):
            return False
        self.at = self.after_space(self.at + len(sign))
        return True

    def skip(self) -> None:
        self.at = self.after_space(self.at)

    def after_space(self, at: int) -> int:
        space = _SPACE.match(self.text, at, self.end)
        return space.end() if space else at


class _Reader(TextReader):
    modernize: Callable[[Version], Version] | None = None

    def read(self) -> list[Clause]:
        for index, character in enumerate(self.text):
            if not character.isascii():
                meant = meant_by(character)
                raise self._fault("plain ASCII" if meant is None else repr(meant), index)
        clauses = [self._clause()]
        while self.take("||"):
            clauses.append(self._clause())
        if self.at < self.end:
            raise self._fault("',' or '||'")
        return clauses

    def _clause(self) -> Clause:
        intervals: list[Interval] = []
        excluded: list[Interval] = []
        bare = 0
        while True:
            start = self.at
            operator = self._operator()
            if not operator and _WORD.match(self.text, self.at):
                bare += 1
                if bare > 1:
                    raise self._fault("'||' between two versions, for both can never hold", start)
            interval = self._comparison(operator, start)
            (excluded if operator == "!=" else intervals).append(interval)
            self.skip()
            if not self.take(",") and (self.at == self.end or self.text[self.at] in "|,"):
                return Clause.of(intervals, excluded)

    def _operator(self) -> str:
        operator = _OPERATOR.match(self.text, self.at)
        if operator is None:
            return ""
        if operator[0] in _MISSPELT:
            raise self._fault(f"an operator such as {_MISSPELT[operator[0]]!r}", got=repr(operator[0]))
        self.at = self.after_space(operator.end())
        return operator[0]

    def _comparison(self, operator: str, start: int) -> Interval:
        version, wild = self._version(operator)
        hyphen = _HYPHEN.match(self.text, self.at) if not operator else None
        if hyphen is not None and version is not None:
            self.at = hyphen.end()
            last, last_wild = self._version("-")
            upper = None if last is None else _last_of(last, last_wild, Edge.BELOW)
            return Interval(Bound.at(version, Edge.BEFORE), upper)
        if version is None:
            if operator in ("", "=", "==", ">=", "~", "^"):
                return Interval()
            raise self._fault(f"a version after {operator!r}", start + len(operator), got="a wildcard for all")
        if wild and operator in ("~=", "~>"):
            raise self._fault(f"a version without wildcard after {operator!r}", start + len(operator))
        if operator == "~=" and "." not in self.text[start : self.at]:
            written = f"'>={version},<{version.release[0] + 1}'"
            raise self._fault(f"two or more components after '~=' (or {written})", start + len(operator))
        return _INTERVALS[operator](version, wild)

    def _version(self, operator: str) -> tuple[Version | None, bool]:
        """The version that stands here (None for `*`), and whether a wildcard ends it."""
        word = _WORD.match(self.text, self.at)
        if word is None:
            raise self._fault(f"a version after {operator!r}" if operator else "a version or an operator")
        wildcard = _WILDCARD.fullmatch(word[0])
        written = word[0] if wildcard is None else wildcard["release"]
        start, self.at = self.at, word.end()
        if written is None:
            return None, True
        try:
            version = Version.parse_exactly(written)
        except VersionError as error:
            raise self._fault(error.expected, start + error.position, got=error.got) from error
        return self.modernize(version) if self.modernize else version, wildcard is not None

    def _fault(self, expected: str, position: int | None = None, *, got: str | None = None) -> VersionError:
        at = self.at if position is None else position
        seen = got or (name_of(self.text[at]) if at < len(self.text) else "the end of the text")
        return VersionError("constraint", self.text, at, expected, seen)


def _between(version: Version, fixed: tuple[int, ...]) -> Interval:
    return Interval(Bound.at(version, Edge.BEFORE), Bound.at(plain(after(fixed)), Edge.BELOW))


def _exactly(version: Version, series: bool, edge: Edge = Edge.BEFORE) -> Interval:
    return Interval.series(version.release, edge) if series else Interval.exactly(version)


def _last_of(version: Version, wild: bool, edge: Edge) -> Bound:
    """Right after *version*; where it names a series, after all of that: at *edge* of the next."""
    if wild or (version.is_plain and len(version.release) < 3):
        return Bound.at(plain(after(version.release)), edge)
    return Bound.at(version, Edge.AFTER)


def _caret(version: Version, wild: bool) -> Interval:
    """The first component that is not zero stays."""
    release = version.release
    first = next((index for index, number in enumerate(release) if number), len(release) - 1)
    return _between(version, release[: first + 1])


_INTERVALS: dict[str, Callable[[Version, bool], Interval]] = {
    **dict.fromkeys(("", "="), lambda version, _: _exactly(version, version.is_plain)),
    "==": _exactly,
    "!=": lambda version, wild: _exactly(version, wild, Edge.BELOW),  # with its pre-releases
    ">=": lambda version, _: Interval(Bound.at(version, Edge.BEFORE)),
    ">": lambda version, wild: Interval(_last_of(version, wild, Edge.BEFORE)),
    "<=": lambda version, wild: Interval(None, _last_of(version, wild, Edge.BELOW)),
    "<": lambda version, _: Interval(None, Bound.at(version, Edge.BELOW if version.is_plain else Edge.BEFORE)),
    # The last component may grow, the others stay; a single one may grow below the next.
    **dict.fromkeys(("~=", "~>"), lambda version, _: _between(version, version.release[:-1] or version.release)),
    "~": lambda version, _: _between(version, version.release[:2]),
    "^": _caret,
}
