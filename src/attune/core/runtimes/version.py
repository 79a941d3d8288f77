"""Versions as programs print them, of any length and pre-release spelling, vendor suffixes dropped; their order."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from attune.core.errors import VersionError

MAX_LENGTH = 256  # characters of a version text
MAX_DIGITS = 18  # of one component: build stamps such as 20250131235959 fit

DEV, ALPHA, BETA, MILESTONE, PREVIEW, CANDIDATE, FINAL = range(7)

_LABELS = {DEV: ".dev", ALPHA: "a", BETA: "b", MILESTONE: "-m", PREVIEW: "preview", CANDIDATE: "rc"}
_PHASES = {
    **dict.fromkeys(("dev", "devel", "snapshot", "nightly", "canary", "unstable", "experimental", "daily"), DEV),
    **dict.fromkeys(("trunk", "git", "svn"), DEV),
    **dict.fromkeys(("a", "alpha"), ALPHA),
    **dict.fromkeys(("b", "beta"), BETA),
    **dict.fromkeys(("m", "milestone"), MILESTONE),
    **dict.fromkeys(("pre", "preview", "prerelease", "pre-release", "ea"), PREVIEW),
    **dict.fromkeys(("c", "rc", "cr", "release candidate"), CANDIDATE),
}

_NUMBER = re.compile(r"(?:v|go|n)?(\d+(?:\.\d+)*)", re.ASCII | re.IGNORECASE)
_LEGACY_JAVA = re.compile(r"1\.(\d)\.(\d+)_(\d+)", re.ASCII)
_PRE = re.compile(
    r"""(?: \(\d+\) | -(?:ce|ee|lts|v8) )?
        (?: [-._~+]? (?P<word>alpha|beta|preview|pre|rc|cr|devel|dev|snapshot|nightly|canary|unstable|experimental|daily
                             |trunk) (?![a-z])
          | [-._~] (?P<split>milestone|ea|m(?=[-.]?\d)|[abc](?=[-.]?\d*(?![\da-z]))) (?![a-z])
          | (?P<short>[abc])(?=\d)
          | (?P<joined>git|svn)(?![a-z]) )
        (?: [-._]? (?P<numbers>\d+(?:\.\d+)*))?""",
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)
# "4.5.0 RC", "4.0 Beta 2", "14.0.1 20240411 (experimental)"
SPACED_PRE = re.compile(
    r"(?: \d{8})? (\()?(?P<spaced>alpha|beta|rc|release candidate|preview|pre-?release|snapshot|nightly|canary|dev|"
    r"experimental|unstable)(?:[ -]?(?P<numbers>\d{1,3}))?(?![\w.-])(?(1)\))",
    re.ASCII | re.IGNORECASE,
)
_JAVA = re.compile(r"(?:.*[._-])?(?:open)?(?:java|jdk|jre|javac)(?:[_-]?\d+)?")
_HASH = re.compile(r"[0-9a-f]*", re.ASCII)
_DEV = re.compile(r"[-._]?dev[-._]?(\d*)", re.ASCII | re.IGNORECASE)
_LETTER = re.compile(r"(z?[a-z])(?![a-z0-9])", re.ASCII | re.IGNORECASE)
_POST = re.compile(r"[-._]?post[-._]?(\d*)", re.ASCII | re.IGNORECASE)
# What may follow and is dropped: "(1)-release", "-14+deb12u1", "p20", ".windows.1", " Patched", "+", ","
_VENDOR = re.compile(r"[-+~_(,;\"')\]]|p\d|\.[a-z]{2}|\s+[a-z(\[]", re.ASCII | re.IGNORECASE)

Key = tuple[tuple[int, ...], int, tuple[int, ...], tuple[int, ...], str, int]


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """One version. Ordered: dev < alpha < beta < milestone < preview < rc < release < release with a letter.

    `3.12` and `3.12.0` are neighbours, not equals: the first may stand for any 3.12.x (see `Constraint.check`), so
    that two equal versions always get the same verdicts. `str()` is canonical and parses back to the same version.
    """

    sort_key: "tuple[Key, int]"
    release: tuple[int, ...] = ()
    text: str = ""

    @staticmethod
    def parse(text: str) -> "Version":
        """The version that *text* begins with, whatever vendors append to it; raises `VersionError`."""
        return _parse(text, False)[0]

    @staticmethod
    def read(text: str) -> "Version | None":
        """Like `parse`, but None where *text* is no version."""
        try:
            return _parse(text, False)[0]
        except VersionError:
            return None

    @staticmethod
    def parse_exactly(text: str) -> "Version":
        """Like `parse`, but also raises `VersionError` for a vendor suffix, which is never compared."""
        return _parse(text, True)[0]

    @property
    def key(self) -> "Key":
        """Where the version stands; trailing zeros do not count, so `3.12` and `3.12.0` share it."""
        return self.sort_key[0]

    @property
    def is_prerelease(self) -> bool:
        """Whether it comes before a release."""
        return self.key[1] < FINAL

    @property
    def is_plain(self) -> bool:
        """Whether it is nothing but a release number, so that a short one may stand for a whole series."""
        key = self.key
        return key[1] == FINAL and not key[4] and not key[5]

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Version({self.text!r})"


def plain(release: tuple[int, ...]) -> Version:
    """The version that has only the release number *release*."""
    return _build(release)


def without_zeros(version: Version) -> Version:
    """*version* with the trailing zeros of its release number dropped."""
    release = _strip(version.release)
    if release == version.release:
        return version
    tail = version.text[len(".".join(map(str, version.release))) :]
    return Version((version.key, len(release)), release, ".".join(map(str, release)) + tail)


def printed(text: str) -> str:
    """The version that *text* begins with, as it is spelt there (old Java as counted since); raises `VersionError`."""
    return _parse(text, False)[1]


def counts_as_java(runtime: str) -> bool:
    """Whether the capability *runtime* (`java`, `acme.jdk-8`) has versions that once began with `1.`."""
    return _JAVA.fullmatch(runtime) is not None


def modern_java(version: Version) -> Version:
    """*version* of Java as versions are counted since Java 9: 1.8 is 8; all before 1.2 is 1."""
    first, *rest = version.release
    if first != 1 or not rest:
        return version
    return Version.parse(version.text.partition(".")[2]) if rest[0] > 1 else plain((1,))


def name_of(character: str) -> str:
    """*character* as an error names it; look-alikes are told by their Unicode name."""
    if character.isascii() and character.isprintable():
        return repr(character)
    shown = repr(character) if character.isprintable() else "a character"
    return f"{shown} (U+{ord(character):04X} {unicodedata.name(character, 'unnamed')})"


@lru_cache(maxsize=4096)
def _parse(text: str, exactly: bool) -> tuple[Version, str]:
    """The version that *text* begins with, and how it is spelt there."""
    if len(text) > MAX_LENGTH:
        raise _fault(text, MAX_LENGTH, f"a version of at most {MAX_LENGTH} characters", f"{len(text)} characters")
    start = len(text) - len(text.lstrip())
    java = _LEGACY_JAVA.match(text, start)
    if java is not None:
        version = _build(tuple(_numbers(text, java[group], java.start(group))[0] for group in (1, 2, 3)))
        end, spelt = java.end(), str(version)
    else:
        number = _NUMBER.match(text, start)
        if number is None:
            raise _fault(text, start, "a version such as 3.11.4", _found(text, start))
        version, end = _suffix(text, _numbers(text, number.group(1), number.start(1)), number.end())
        spelt = text[number.start(1) : end]
    rest = text[end:]
    if rest.strip() and (exactly or not _VENDOR.match(rest)):
        expected = "nothing more than a version" if _VENDOR.match(rest) else "the version to end"
        raise _fault(text, end, expected, _found(text, end))
    return version, spelt


def _suffix(text: str, release: tuple[int, ...], at: int) -> tuple[Version, int]:
    """The version of number *release* with what follows at offset *at*, and where that ends."""
    pre = _PRE.match(text, at) or SPACED_PRE.match(text, at)
    if pre is not None:
        named = pre.groupdict()
        phase = _PHASES[next(text.lower() for kind, text in named.items() if text and kind != "numbers")]
        numbers = _numbers(text, pre["numbers"] or "0", pre.start("numbers"))
        if phase == DEV:  # nightly builds append a hash to the date
            hashed = _HASH.match(text, pre.end())
            return _build(release, phase, numbers), hashed.end() if hashed else pre.end()
        dev = _DEV.match(text, pre.end())
        if dev is not None:
            return _build(release, phase, numbers, dev=_number(text, dev)), dev.end()
        return _build(release, phase, numbers), pre.end()
    post = _POST.match(text, at)
    if post is not None:
        return _build(release, post=_number(text, post) + 1), post.end()
    letter = _LETTER.match(text, at)
    if letter is not None:
        return _build(release, letter=letter[1].lower()), letter.end()
    return _build(release), at


def _build(
    release: tuple[int, ...],
    phase: int = FINAL,
    numbers: tuple[int, ...] = (),
    *,
    dev: int | None = None,
    letter: str = "",
    post: int = 0,
) -> Version:
    key = (_strip(release), phase, numbers, (1,) if dev is None else (0, dev), letter, post)
    text = ".".join(map(str, release))
    if phase != FINAL:
        text += _LABELS[phase] + ".".join(map(str, numbers)) + ("" if dev is None else f".dev{dev}")
    text += letter + (f".post{post - 1}" if post else "")
    return Version((key, len(release)), release, text)


def _strip(release: tuple[int, ...]) -> tuple[int, ...]:
    while len(release) > 1 and release[-1] == 0:
        release = release[:-1]
    return release


def _number(text: str, match: re.Match[str]) -> int:
    return _numbers(text, match[1] or "0", match.start(1))[0]


def _numbers(text: str, digits: str, at: int) -> tuple[int, ...]:
    numbers = []
    for part in digits.split("."):
        if len(part) > MAX_DIGITS:
            raise _fault(text, at, f"a number of at most {MAX_DIGITS} digits", f"one of {len(part)}")
        numbers.append(int(part))
        at += len(part) + 1
    return tuple(numbers)


def _found(text: str, at: int) -> str:
    return name_of(text[at]) if at < len(text) else "the end of the text"


def _fault(text: str, position: int, expected: str, got: str) -> VersionError:
    return VersionError("version", text, position, expected, got)
