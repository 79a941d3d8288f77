"""A pack: what a folder brings to an installation, as values."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from attune.core.errors import AttuneError, Fault
from attune.core.events.rule import Overlap
from attune.core.executions.action import Action
from attune.core.runtimes.runtime import Runtime

KINDS = ("runtimes", "actions", "triggers", "sensors", "rules")
"""The folders of a pack, in an order in which nothing refers to what comes later."""


@dataclass(frozen=True, slots=True)
class TriggerDefinition:
    """A kind of event: `param_schema` describes how it is configured, `out_schema` the payload."""

    ref: str
    label: str
    description: str = ""
    enabled: bool = True
    param_schema: Mapping[str, Any] = field(default_factory=dict)
    out_schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class SensorDefinition:
    """What watches for events. `runtime_ref` is resolved; see `attune.core.sensor.Sensor` for the row, read."""

    ref: str
    label: str
    entrypoint: str
    runtime_ref: str
    trigger_ref: str
    description: str = ""
    enabled: bool = True
    param_schema: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    version_constraint: str | None = None
    requires: tuple[str, ...] = ()
    interpreter_args: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleDefinition:
    """Which action follows an event of a trigger: `conditions` must all hold, `action_params` may hold templates.

    `overlap` is what follows while an execution of the rule has not ended. Executions start `delay_seconds` later.
    """

    ref: str
    label: str
    trigger_ref: str
    action_ref: str
    description: str = ""
    enabled: bool = True
    conditions: tuple[Any, ...] = ()
    action_params: Mapping[str, Any] = field(default_factory=dict)
    priority: int | None = None
    overlap: Overlap = Overlap.QUEUE
    at_most_every_seconds: float | None = None
    delay_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Pack:
    """Everything that one folder says, checked."""

    ref: str
    label: str
    version: str
    description: str = ""
    conf_schema: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    runtime_deps: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
    runtimes: tuple[Runtime, ...] = ()
    actions: tuple[Action, ...] = ()
    triggers: tuple[TriggerDefinition, ...] = ()
    sensors: tuple[SensorDefinition, ...] = ()
    rules: tuple[RuleDefinition, ...] = ()

    def refs(self, kind: str) -> tuple[str, ...]:
        """The refs of one of `KINDS`."""
        return tuple(thing.ref for thing in getattr(self, kind))


@dataclass(frozen=True, slots=True)
class Known:
    """What an installation has beside the pack: capability names of runtimes by ref, triggers, schemas of actions."""

    runtimes: Mapping[str, str] = field(default_factory=dict)
    triggers: frozenset[str] = frozenset()
    actions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PackChange:
    """What loading a pack did to one thing: `what` is added, changed or removed; `kind` is one of a row's, singular."""

    kind: str
    ref: str
    what: str


class PackError(AttuneError):
    """A folder is no pack; `faults` holds everything that is wrong, by file and line, `notes` what is only told."""

    exit_code = 2
    code = "pack"

    def __init__(self, name: str, faults: Sequence[Fault]) -> None:
        self.name = name
        self.notes = tuple(f"{fault.position}: {fault}" for fault in faults if fault.harmless)
        wrong = [fault for fault in faults if not fault.harmless]
        lines = [f"{name}: expected a pack, got {len(wrong)} mistake{'' if len(wrong) == 1 else 's'}"]
        lines += [f"  {fault.position}: {fault}" for fault in wrong] + [f"  warning: {note}" for note in self.notes]
        super().__init__("\n".join(lines), faults=wrong, hint="docs/reference/packs.md")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackRecord:
    """A pack as it is stored, with the refs of what it brings and the paths of its files."""

    ref: str
    label: str
    version: str
    description: str | None
    digest: str | None
    is_standard: bool
    tags: Sequence[str]
    config: Mapping[str, Any]
    updated: datetime
    runtimes: Sequence[str]
    actions: Sequence[str]
    triggers: Sequence[str]
    sensors: Sequence[str]
    rules: Sequence[str]
    files: Sequence[str]


@dataclass(frozen=True, slots=True)
class PackFile:
    """One file; `path` is relative to the pack's folder, with `/`."""

    path: str
    content: bytes
    executable: bool = False


def digest_of(files: Iterable[PackFile]) -> str:
    """64 hex digits: equal for the same paths, contents and executable marks, in whatever order."""
    total = sha256()
    for file in sorted(files, key=lambda file: file.path):
        name = file.path.encode("utf-8", "surrogateescape")
        total.update(b"%d %b %d %d " % (len(name), name, file.executable, len(file.content)))
        total.update(file.content)
    return total.hexdigest()
