"""Runtimes as packs of other installations describe them: how they are started, and their versions, as definitions."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

_COMMAND = re.compile(r"/[^{}]*|[^/{} ]+")
_VARIABLE = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_STARTS = ("interpreter", "env_vars")
_FIRST_PRIORITY = 101  # after the commands of the definition itself


class Partly(NamedTuple):
    """A value that says less than what it was made of; `left` names the rest."""

    value: Any
    left: str


def start_of(execution_config: Mapping[str, Any]) -> Partly:
    """The arguments and variables that programs of the runtime are started with."""
    variables = execution_config.get("env_vars") or {}
    kept = {name: value for name, value in variables.items() if _VARIABLE.fullmatch(name) and isinstance(value, str)}
    start = {"args": list((execution_config.get("interpreter") or {}).get("args") or ()), "environment": kept}
    left = [*(key for key in execution_config if key not in _STARTS and execution_config[key])]
    left += [f"env_vars.{name}" for name in variables if name not in kept]
    return Partly({key: value for key, value in start.items() if value}, ", ".join(left))


def proof_of(execution_config: Mapping[str, Any]) -> dict[str, Any] | None:
    """The verification of a runtime that says only by which interpreter it is run."""
    commands = _commands(execution_config, {})
    return {"commands": [{**command, "priority": 1} for command in commands]} if commands else None


def version_commands(versions: Sequence[Mapping[str, Any]]) -> Partly:
    """The commands that tell the versions apart, the default's first."""
    ordered = sorted(versions, key=lambda version: version.get("is_default") is not True)
    found = [(one, _commands(one.get("execution_config") or {}, one.get("distributions") or {})) for one in ordered]
    commands = [command for _, told_by in found for command in told_by]
    numbered = [{**command, "priority": _FIRST_PRIORITY + index} for index, command in enumerate(commands)]
    return Partly(numbered, ", ".join(f"{one.get('version')}, which names no command" for one, by in found if not by))


def _commands(execution_config: Mapping[str, Any], distributions: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Those of the verification, or else the interpreter, asked for its version."""
    binary = (execution_config.get("interpreter") or {}).get("binary")
    written = (distributions.get("verification") or {}).get("commands")
    commands = written or [{"binary": binary, "args": ["--version"]}]
    return [dict(command) for command in commands if _COMMAND.fullmatch(str(command["binary"] or ""))]
