"""What proves that a runtime is present: the commands to try, read from `distributions.verification`.

Pure data. Running a command is for `core/ports/runtimes.py`; what its outcome means, for `judgement.py`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from attune.core.errors import Problem, legible, shown
from attune.core.fields import Fields
from attune.core.pattern import PatternError, compile_pattern

MAX_COMMANDS = 20
MAX_BINARY = 255
MAX_ARGUMENT = 4096
MAX_TIMEOUT_SECONDS = 600.0
DEFAULT_TIMEOUT_SECONDS = 10.0

_VERIFICATION_KEYS = ("always_available", "check_required", "commands", "discover", "examples")
_COMMAND_KEYS = ("binary", "args", "exit_code", "pattern", "priority", "optional", "timeout_seconds")
_EXAMPLE_KEYS = ("output", "exit_code", "expect")


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
class Example:
    """A definition's own test: what a command printed, and what that must be taken for."""

    output: str
    exit_code: int
    available: bool
    version: str | None


@dataclass(frozen=True, slots=True)
class Verification:
    """How to find out whether a runtime is there. `checks` are in the order in which they are tried."""

    checks: tuple[Check, ...] = ()
    always_available: bool = False
    check_required: bool | None = None
    discover: Literal["first", "all"] = "first"
    examples: tuple[Example, ...] = ()

    @property
    def needs_running(self) -> bool:
        """Whether the commands run at all."""
        if self.always_available:
            return self.check_required is True and bool(self.checks)
        return self.check_required is not False


def parse_verification(raw: object, parent: Fields) -> Verification:
    """Read *raw*; what is wrong with it is noted in *parent*."""
    if raw is None:
        return Verification()
    fields = parent.nested(raw, parent.at("verification"))
    if fields is None:
        return Verification()
    fields.warn_unknown(_VERIFICATION_KEYS)
    discover = fields.raw("discover")
    if discover not in (None, "first", "all"):
        fields.refuse("discover", "'first' or 'all'", shown(discover))
    return Verification(
        checks=_checks(fields),
        always_available=fields.flag("always_available") or False,
        check_required=fields.flag("check_required"),
        discover="all" if discover == "all" else "first",
        examples=_examples(fields),
    )


def _checks(fields: Fields) -> tuple[Check, ...]:
    raw = fields.raw("commands")
    if raw is None:
        return ()
    if not isinstance(raw, list):
        fields.refuse("commands", "a list of commands", shown(raw))
        return ()
    if len(raw) > MAX_COMMANDS:
        fields.refuse("commands", f"at most {MAX_COMMANDS} commands", str(len(raw)))
        return ()
    found = [check for index, item in enumerate(raw) if (check := _check(fields, index, item))]
    return tuple(sorted(found, key=lambda check: check.priority))


def _check(fields: Fields, index: int, item: object) -> Check | None:
    path = f"{fields.at('commands')}[{index}]"
    if isinstance(item, str):
        hint = "an object such as " + _as_command(item)
        fields.problems.append(Problem(path, hint, shown(item)))
        return None
    command = fields.nested(item, path)
    if command is None:
        return None
    command.warn_unknown(_COMMAND_KEYS)
    return Check(
        binary=_binary(command),
        args=_args(command),
        exit_code=command.integer("exit_code", 0, between=(0, 255)),
        pattern=_pattern(command),
        priority=command.integer("priority", 999),
        optional=command.flag("optional") or False,
        timeout_seconds=command.seconds("timeout_seconds", MAX_TIMEOUT_SECONDS) or DEFAULT_TIMEOUT_SECONDS,
    )


def _as_command(text: str) -> str:
    words = text.split()[:6] or ["…"]
    args = ", ".join(f'"{word}"' for word in words[1:])
    return f'{{"binary": "{words[0]}", "args": [{args}]}}'


def _binary(command: Fields) -> str:
    value = command.raw("binary")
    if not isinstance(value, str) or not value.strip():
        command.refuse(
            "binary", "a command name or an absolute path", shown(value) if command.has("binary") else "nothing"
        )
    elif "\0" in value:
        command.refuse("binary", "a name without NUL", shown(value))
    elif len(value) > MAX_BINARY:
        command.refuse("binary", f"at most {MAX_BINARY} characters", str(len(value)))
    elif "/" in value and not value.startswith("/"):
        command.refuse("binary", "a bare name or an absolute path", shown(value))
    else:
        _warn_look_alike(command, value)
        return value
    return "invalid"


def _warn_look_alike(command: Fields, value: str) -> None:
    for character in value:
        if ord(character) > 127:
            name = unicodedata.name(character, "unnamed character")
            command.warnings.append(
                f"{command.at('binary')}: {shown(value)} contains U+{ord(character):04X} ({name}), which is not ASCII"
            )
            return


def _args(command: Fields) -> tuple[str, ...]:
    value = command.raw("args")
    if value is None:
        return ()
    if not isinstance(value, list):
        command.refuse("args", "a list of texts", shown(value))
        return ()
    for index, item in enumerate(value):
        path = f"args[{index}]"
        if not isinstance(item, str):
            command.refuse(path, "a text", shown(item))
        elif len(item) > MAX_ARGUMENT:
            command.refuse(path, f"at most {MAX_ARGUMENT} characters", str(len(item)))
        elif "\0" in item:
            command.refuse(path, "a text without NUL", shown(item))
        else:
            continue
        return ()
    return tuple(value)


def _pattern(command: Fields) -> str | None:
    value = command.raw("pattern")
    if value is None:
        return None
    if not isinstance(value, str):
        command.refuse("pattern", "a text", shown(value))
        return None
    try:
        compile_pattern(value)
    except PatternError as error:
        command.refuse("pattern", "a valid RE2 pattern", f"{shown(value)}: {error}")
        return None
    return value


def _examples(fields: Fields) -> tuple[Example, ...]:
    raw = fields.raw("examples")
    if raw is None:
        return ()
    if not isinstance(raw, list):
        fields.refuse("examples", "a list of examples", shown(raw))
        return ()
    found = []
    for index, item in enumerate(raw):
        example = fields.nested(item, f"{fields.at('examples')}[{index}]")
        if example is None:
            continue
        example.warn_unknown(_EXAMPLE_KEYS)
        found.append(_example(example))
    return tuple(found)


def _example(example: Fields) -> Example:
    output = example.raw("output")
    if not isinstance(output, str):
        example.refuse("output", "a text", shown(output))
    expect: Mapping[str, Any] = example.raw("expect") if isinstance(example.raw("expect"), Mapping) else {}
    if not isinstance(expect.get("available"), bool):
        example.refuse("expect.available", "true or false", shown(expect.get("available")))
    version = expect.get("version")
    if version is not None and not isinstance(version, str):
        example.refuse("expect.version", "a text", shown(version))
    return Example(
        output=output if isinstance(output, str) else "",
        exit_code=example.integer("exit_code", 0, between=(0, 255)),
        available=expect.get("available") is True,
        version=version if isinstance(version, str) else None,
    )
