"""The grammar of requirements: text in, terms or one exact error out.

    requirement  term { (";" | new line) term }          "*" alone is the requirement that any node satisfies
    term         ["!"] name [versions] ["verified"]      python >=3.9,<4 · java 17 || >=21 · ffmpeg · !docker
               | ["!"] ref [versions] ["verified"]       acme.ruby >=3 · core.python
               | name ("=" | "!=") value                 zone=eu · rack="12"
               | name ["not"] "in" "(" values ")"        arch in (x86_64, aarch64)
               | number (">=" | ">" | "<=" | "<" | "=" | "!=") digits      cpus >=8
               | "tolerates" taint                       tolerates gpu-only
    preference   term ["*" weight]                       zone=eu *5

`name=value` with a version as its value asks for that version (`python=3.11`); in quotes a value is always a text.
"""

import re
from collections.abc import Iterable, Iterator

from attune.core.errors import RequirementError, VersionError, shown
from attune.core.matching.terms import WORD, LabelTerm, NumberTerm, RuntimeTerm, Term, compares_versions
from attune.core.nodes.labels import FACTS, LabelKind, value_of
from attune.core.runtimes.aliases import MAX_NAME, NAME, fold
from attune.core.runtimes.constraint import Constraint
from attune.core.runtimes.constraint_parser import TextReader, meant_by
from attune.core.runtimes.version import name_of

EXAMPLE = "python >=3.9,<4"
MAX_TERMS = 64
MAX_LENGTH = 4096  # characters of all terms together
MAX_WEIGHT = 100

_OPERATORS = (">=", "<=", "==", "!=", "~=", "~>", ">", "<", "=", "~", "^")
_MEANT = {"=>": ">=", "=<": "<=", "<>": "!=", "=~": "~=", "=!": "!=", ">>": ">=", "<<": "<=", "===": "==", "!": "!="}
_RUN = re.compile(r"[<>=!~^]+")
_IN = re.compile(r"(not[ \t]+)?in[ \t]*(?=\(|$)|(not[ \t]+)?in\b")
_TOLERATES = re.compile(r"tolerates[ \t]+(?=[\w\"])")
_NUMBER = re.compile(r"\d{1,12}(?:\.\d{1,3})?(?![\w.])", re.ASCII)
_TERM = re.compile(r'(?:"[^"\n]*"|[^;\n])*')
_VALUE = re.compile(r'"[^"\n]*"|[^\s,;()"|<>=!~^]+')
_VERIFIED = re.compile(r"(?:^|(?<=[ \t]))verified[ \t]*$")
_WEIGHT = re.compile(r"[ \t]\*[ \t]*(?P<weight>[+-]?\d{1,6})[ \t]*$", re.ASCII)
_OPPOSITE = {">=": "<", "<": ">=", ">": "<=", "<=": ">", "=": "!=", "!=": "="}


def read_requirement(source: str | Iterable[str]) -> tuple[list[Term], list[str]]:
    """The terms and the tolerated taints of *source*; raises `RequirementError`."""
    terms: list[Term] = []
    tolerations: list[str] = []
    anything = False
    for text, start, end in _split_terms(source):
        anything = True
        if text[start:end].strip() == "*":
            continue
        reader = _Reader(text, start, end)
        taint = reader.toleration()
        if taint is None:
            terms.append(reader.term())
        else:
            tolerations.append(taint)
    if not anything:
        text = source if isinstance(source, str) else ""
        raise RequirementError(text, 0, "a term", "nothing", suggestion=f"{EXAMPLE} (or * for any node)")
    return terms, tolerations


def read_term(text: str) -> Term:
    """Read the only term of *text*; raises `RequirementError`."""
    parts = list(_split_terms(text))
    if len(parts) != 1:
        got = "nothing" if not parts else f"{len(parts)} terms"
        raise RequirementError(text, parts[1][1] if parts else 0, "one term", got, suggestion=EXAMPLE)
    return _Reader(*parts[0]).term()


def read_preference(text: str) -> tuple[Term, int]:
    """The term and the weight of *text*; raises `RequirementError`."""
    weighted = _WEIGHT.search(text) if isinstance(text, str) and len(text) <= MAX_LENGTH else None
    if weighted is None:
        return read_term(text), 1
    weight = int(weighted["weight"])
    if weight == 0 or abs(weight) > MAX_WEIGHT:
        expected = f"a weight from 1 to {MAX_WEIGHT} (negative to avoid)"
        raise RequirementError(text, weighted.start("weight"), expected, str(weight))
    return read_term(text[: weighted.start()]), weight


def _split_terms(source: str | Iterable[str]) -> Iterator[tuple[str, int, int]]:
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
        for begin, end in _split_text(text):
            count += 1
            if count > MAX_TERMS:
                raise RequirementError(text, begin, f"at most {MAX_TERMS} terms", "more")
            yield text, begin, end


def _split_text(text: str) -> Iterator[tuple[int, int]]:
    _refuse_foreign(text)
    at = 0
    while at <= len(text):
        part = _TERM.match(text, at)
        end = part.end() if part else at
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
            meant = meant_by(sign)
            expected = "ASCII (or quotes around the value)" if meant is None else repr(meant)
            suggestion = None if meant is None else (text[:index] + meant + text[index + 1 :])[:MAX_NAME]
            raise RequirementError(text, index, expected, name_of(sign), suggestion=suggestion)


class _Reader(TextReader):
    """Reads one term of a text."""

    def __init__(self, text: str, at: int, end: int) -> None:
        super().__init__(text, at, len(text[:end].rstrip()))

    def toleration(self) -> str | None:
        """The taint after `tolerates`, or None where this is another term."""
        word = _TOLERATES.match(self.text, self.at, self.end)
        if word is None:
            return None
        self.at = word.end()
        taint = self._value("a taint")
        self._finish("the term to end after the taint")
        return taint

    def term(self) -> Term:
        negated = self.take("!")
        name = self._name()
        if self.at == self.end:
            return RuntimeTerm(name, negated=negated)
        listed = _IN.match(self.text, self.at, self.end)
        if listed is not None:
            self.at = listed.end()
            return self._listed(name, negated != bool(listed[1] or listed[2]))
        run = self._operator(name)
        if FACTS.get(name) is LabelKind.NUMBER and not self.text.startswith('"', self.at + len(run)):
            return self._number(name, run, negated)
        label = self._label(name, run, negated) if run in ("=", "==", "!=") else None
        return label or self._runtime(name, negated)

    def _name(self) -> str:
        name = NAME.match(self.text, self.at, self.end)
        if name is None:
            raise self._fault("a runtime or label name", suggestion=EXAMPLE)
        if len(name[0]) > MAX_NAME:
            raise self._fault(f"a name of at most {MAX_NAME} characters", got=f"{len(name[0])}")
        after = name.end()
        if name[0].lower() == "not" and NAME.match(self.text, self.after_space(after), self.end):
            rest = self.text[after : self.end].strip()
            raise self._fault("'!' before a name that must not be there", got="'not'", suggestion=f"!{rest}")
        self.at = self.after_space(after)
        return fold(name[0])

    def _operator(self, name: str) -> str:
        """The run of operator characters that stands here, checked but not taken; may be empty."""
        operator = _RUN.match(self.text, self.at, self.end)
        run = operator[0] if operator else ""
        if run and run not in _OPERATORS:
            meant = _MEANT.get(run) or next((known for known in _OPERATORS if run.startswith(known)), ">=")
            rest = self.text[self.at + len(run) : self.end].strip()
            expected = f"an operator ({', '.join(_OPERATORS)})"
            raise self._fault(expected, got=repr(run), suggestion=f"{name} {meant}{rest}"[:MAX_NAME])
        return run

    def _listed(self, name: str, negated: bool) -> LabelTerm:
        self.skip()
        if not self.take("("):
            raise self._fault("'(' before the values", suggestion=f"{name} in (…, …)")
        values = [value_of(name, self._value())]
        while self.take(","):
            values.append(value_of(name, self._value()))
        if not self.take(")"):
            raise self._fault("',' or ')'")
        self._finish("the term to end after ')'")
        return LabelTerm(name, tuple(sorted(set(values))), negated)

    def _number(self, name: str, run: str, negated: bool) -> NumberTerm:
        operator = "=" if run == "==" else run
        if operator not in _OPPOSITE:
            raise self._fault(f"one of {', '.join(_OPPOSITE)} after {name}", suggestion=f"{name} >=8")
        self.at = self.after_space(self.at + len(run))
        number = _NUMBER.match(self.text, self.at, self.end)
        if number is None:
            raise self._fault("a number (at most 12 digits, 3 after the point)")
        self.at = number.end()
        self._finish(f"the term to end (a second bound is a term of its own: {name} <…)")
        return NumberTerm(name, _OPPOSITE[operator] if negated else operator, float(number[0]))

    def _label(self, name: str, run: str, negated: bool) -> LabelTerm | None:
        """`name=value`, or None (and nothing taken) where it asks for versions."""
        start = self.at
        self.at = self.after_space(self.at + len(run))
        quoted = self.text.startswith('"', self.at)
        written = re.split(r"[\s,|]", self.text[self.at : self.end], maxsplit=1)[0]
        if not quoted and compares_versions(name, written):
            self.at = start
            return None
        value = value_of(name, self._value())
        self._finish("the term to end after the value", suggestion=f"{name} in ({value}, …)")
        return LabelTerm(name, (value,), negated != (run == "!="))

    def _runtime(self, name: str, negated: bool) -> RuntimeTerm:
        verified = _VERIFIED.search(self.text[self.at : self.end])
        end = self.at + verified.start() if verified else self.end
        if verified and negated:
            self.at = end
            raise self._fault("no 'verified' after '!'", got="'verified'")
        written = self.text[self.at : end].rstrip()
        if not written:
            return RuntimeTerm(name, verified=True)
        try:
            constraint = Constraint.parse(written, name)
        except VersionError as error:
            self.at += error.position
            raise self._fault(error.expected, got=error.got, suggestion=f"{name} >=3.9,<4") from error
        if constraint.is_impossible:
            raise self._fault("versions that can exist", got="bounds that contradict each other")
        return RuntimeTerm(name, constraint, negated, verified is not None)

    def _value(self, what: str = "a value") -> str:
        value = _VALUE.match(self.text, self.at, self.end)
        if value is None:
            unclosed = self.text.startswith('"', self.at)
            raise self._fault("a closing '\"'" if unclosed else what, got="none" if unclosed else None)
        if not value[0].startswith('"') and not WORD.fullmatch(value[0]):
            raise self._fault(f"{what} of letters, digits and ._:/+@- (or in quotes)", got=shown(value[0]))
        self.at = self.after_space(value.end())
        return value[0].strip('"')

    def _finish(self, expected: str, *, suggestion: str | None = None) -> None:
        self.skip()
        if self.at < self.end:
            raise self._fault(expected, suggestion=suggestion)

    def _fault(self, expected: str, *, got: str | None = None, suggestion: str | None = None) -> RequirementError:
        seen = got or (name_of(self.text[self.at]) if self.at < self.end else "the end of the term")
        return RequirementError(self.text, self.at, expected, seen, suggestion=suggestion)
