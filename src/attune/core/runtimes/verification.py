"""What proves that a runtime is present: the commands to try, read from `distributions.verification`."""

import unicodedata
from dataclasses import dataclass, field
from typing import Literal

from attune.core.documents import DocumentNode, Section, plain
from attune.core.errors import SourcePosition, legible, shown
from attune.core.pattern import PatternError, compile_pattern

MAX_COMMANDS = 20
MAX_BINARY = 255
MAX_ARGUMENT = 4096
MAX_TIMEOUT_SECONDS = 600.0
DEFAULT_TIMEOUT_SECONDS = 10.0
NONCE = "{nonce}"
"""What an argument of a smoke check has in place of the text that must be printed."""


@dataclass(frozen=True, slots=True)
class Check:
    """One command to try; the lowest `priority` is tried first."""

    binary: str
    args: tuple[str, ...] = ()
    exit_code: int = 0
    pattern: str | None = None
    priority: int = 999
    optional: bool = False
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS

    @property
    def argv(self) -> tuple[str, ...]:
        return (self.binary, *self.args)

    def __str__(self) -> str:
        return legible(" ".join(self.argv))


@dataclass(frozen=True, slots=True)
class SmokeCheck:
    """How an interpreter whose command has passed is started for real: it must print the nonce among its `args`."""

    args: tuple[str, ...]
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS

    def of(self, binary: str, nonce: str) -> Check:
        """The check of the interpreter *binary*, which passes where it prints *nonce*."""
        args = tuple(argument.replace(NONCE, nonce) for argument in self.args)
        return Check(binary, args, pattern=nonce, timeout_seconds=self.timeout_seconds)


@dataclass(frozen=True, slots=True)
class Example:
    """A definition's own test: what a command printed, and what that must be taken for."""

    output: str
    exit_code: int
    available: bool
    version: str | None
    position: SourcePosition | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Verification:
    """How to find out whether a runtime is there. `checks` are in the order in which they are tried.

    A check that fails and prints what one of `undecided_patterns` matches says nothing of the runtime.
    """

    checks: tuple[Check, ...] = ()
    smoke: SmokeCheck | None = None
    always_available: bool = False
    check_required: bool | None = None
    discover: Literal["first", "all"] = "first"
    examples: tuple[Example, ...] = ()
    undecided_patterns: tuple[str, ...] = ()

    @property
    def is_optional(self) -> bool:
        """Whether every command is optional, so that no failure of theirs is worth a line of the log."""
        return bool(self.checks) and all(check.optional for check in self.checks)

    @property
    def needs_running(self) -> bool:
        """Whether the commands run at all."""
        if self.always_available:
            return self.check_required is True and bool(self.checks)
        return self.check_required is not False


def parse_verification(definition: Section) -> Verification:
    """Read `verification` of *definition*; what is wrong with it is noted there."""
    node = definition.node("verification")
    section = definition.section(definition.at("verification"), node) if node else None
    if section is None:
        return Verification()
    discover = section.node("discover")
    if discover and discover.value not in ("first", "all"):
        section.refuse("discover", "'first' or 'all'")
    verification = Verification(
        checks=_checks(section),
        smoke=_smoke(section),
        always_available=section.flag("always_available"),
        check_required=section.flag("check_required") if section.node("check_required") else None,
        discover="all" if discover and discover.value == "all" else "first",
        examples=tuple(
            _example(example)
            for path, node in section.items("examples", "a list of examples")
            if (example := section.section(path, node))
        ),
        undecided_patterns=tuple(
            pattern
            for path, node in section.items("undecided_patterns", "a list of RE2 patterns")
            if (pattern := _pattern_of(section, path, node)) is not None
        ),
    )
    section.warn_unknown()
    return verification


def _checks(section: Section) -> tuple[Check, ...]:
    items = list(section.items("commands", "a list of commands"))
    if len(items) > MAX_COMMANDS:
        section.refuse("commands", f"at most {MAX_COMMANDS} commands", str(len(items)))
        return ()
    checks = [check for path, node in items if (check := _check(section, path, node))]
    return tuple(sorted(checks, key=lambda check: check.priority))


def _check(section: Section, path: str, node: DocumentNode) -> Check | None:
    expected = f"an object such as {_as_command(node.value)}" if isinstance(node.value, str) else "an object"
    command = section.section(path, node, expected)
    if command is None:
        return None
    check = Check(
        binary=_binary(command),
        args=_args(command),
        exit_code=command.integer("exit_code", 0, (0, 255)),
        pattern=_pattern(command),
        priority=command.integer("priority", 999),
        optional=command.flag("optional"),
        timeout_seconds=_timeout(command),
    )
    command.warn_unknown()
    return check


def _smoke(verification: Section) -> SmokeCheck | None:
    node = verification.node("smoke")
    section = verification.section(verification.at("smoke"), node) if node else None
    if section is None:
        return None
    smoke = SmokeCheck(_args(section), _timeout(section))
    if not any(NONCE in argument for argument in smoke.args):
        section.refuse("args", f"a list of texts, one of which has {NONCE} in it", shown(plain(section.node("args"))))
    section.warn_unknown()
    return smoke


def _as_command(text: str) -> str:
    words = text.split()[:6] or ["…"]
    args = ", ".join(f'"{word}"' for word in words[1:])
    return f'{{"binary": "{words[0]}", "args": [{args}]}}'


def _binary(command: Section) -> str:
    node = command.node("binary")
    value = node.value if node else None
    if not isinstance(value, str) or not value.strip():
        command.refuse("binary", "a command name or an absolute path")
    elif "\0" in value:
        command.refuse("binary", "a name without NUL")
    elif len(value) > MAX_BINARY:
        command.refuse("binary", f"at most {MAX_BINARY} characters", str(len(value)))
    elif "/" in value and not value.startswith("/"):
        command.refuse("binary", "a bare name or an absolute path")
    else:
        _warn_look_alike(command, value)
        return value
    return "invalid"


def _warn_look_alike(command: Section, value: str) -> None:
    character = next((character for character in value if not character.isascii()), None)
    if character is not None:
        name = unicodedata.name(character, "unnamed character")
        command.warnings.append(
            f"{command.at('binary')}: {shown(value)} contains U+{ord(character):04X} ({name}), which is not ASCII"
        )


def _args(command: Section) -> tuple[str, ...]:
    values = []
    for path, node in command.items("args", "a list of texts"):
        if not isinstance(node.value, str):
            command.refuse_node(path, node, "a text")
        elif len(node.value) > MAX_ARGUMENT:
            command.refuse_node(path, node, f"at most {MAX_ARGUMENT} characters", str(len(node.value)))
        elif "\0" in node.value:
            command.refuse_node(path, node, "a text without NUL")
        else:
            values.append(node.value)
    return tuple(values)


def _timeout(command: Section) -> float:
    node = command.node("timeout_seconds")
    value = DEFAULT_TIMEOUT_SECONDS if node is None else node.value
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 < value <= MAX_TIMEOUT_SECONDS:
        command.refuse("timeout_seconds", f"a number of seconds above 0, up to {MAX_TIMEOUT_SECONDS:g}")
        return DEFAULT_TIMEOUT_SECONDS
    return float(value)


def _pattern(command: Section) -> str | None:
    node = command.node("pattern")
    if node is None:
        return None
    return _pattern_of(command, command.at("pattern"), node)


def _pattern_of(section: Section, path: str, node: DocumentNode) -> str | None:
    if not isinstance(node.value, str):
        section.refuse_node(path, node, "a text")
        return None
    try:
        compile_pattern(node.value)
    except PatternError as error:
        section.refuse_node(path, node, "a valid RE2 pattern", f"{shown(node.value)}: {error}")
    return node.value


def _example(example: Section) -> Example:
    output, expect = example.node("output"), Section(example.object_node("expect"), "", [])
    if not output or not isinstance(output.value, str):
        example.refuse("output", "a text", shown(plain(output)))
    available, version = expect.node("available"), expect.node("version")
    if not available or not isinstance(available.value, bool):
        example.refuse("expect.available", "true or false", shown(plain(available)))
    if version and not isinstance(version.value, str):
        example.refuse("expect.version", "a text", shown(plain(version)))
    exit_code = example.integer("exit_code", 0, (0, 255))
    example.warn_unknown()
    return Example(
        output=str(output.value) if output else "",
        exit_code=exit_code,
        available=bool(available and available.value is True),
        version=str(version.value) if version else None,
        position=example.position,
    )
