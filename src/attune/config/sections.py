"""The kinds of value with a structure of Attune's own: sections, capabilities, the database's URL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from attune.config.kinds import Anything, Kind, ListOf, Text, example_of
from attune.config.tree import Fault, Node, misfit

PREFIX = "ATTUNE__"
RUNTIME_NAMES = ListOf(Text("a name", "python", r"[^\x00]*"), "a list of names")


def setting(kind: Kind, default: Any, meaning: str, *, secret: bool = False) -> Any:
    """A dataclass field that is a setting. The `repr` of what it belongs to leaves a *secret* out."""
    metadata = {"kind": kind, "meaning": meaning}
    if isinstance(default, dict):
        return field(default_factory=dict, metadata=metadata, repr=not secret)
    return field(default=default, metadata=metadata, repr=not secret)


def section(cls: type) -> Any:
    """A dataclass field that is a section of settings, with the defaults of *cls*."""
    return field(default_factory=cls, metadata={"kind": Section(cls)})


@dataclass(frozen=True, slots=True)
class Section:
    """The settings of a dataclass: those of its fields that `setting` or `section` made."""

    cls: type
    example: str = "its keys, indented, on the following lines"
    verbatim = False

    @property
    def expected(self) -> str:
        return f"a section with the keys {', '.join(self.names)}"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(one.name for one in fields(self.cls) if "kind" in one.metadata)

    def child(self, name: str) -> Kind | None:
        return next((one.metadata["kind"] for one in fields(self.cls) if one.name == name and one.metadata), None)

    def read(self, key: str, node: Node, faults: list[Fault]) -> Any:
        if not isinstance(node.value, dict):
            faults.append(misfit(key, node, self.expected))
            return None
        values = {}
        for name, below in node.value.items():
            path = f"{key}.{name}" if key else name
            kind = self.child(name)
            if kind is None:
                faults.append(unknown_key(self, key, name, below))
            elif below.value is not None:
                values[name] = kind.read(path, below, faults)
        return self.cls(**values)


def unknown_key(within: Kind, prefix: str, name: str, node: Node) -> Fault:
    """The fault of *node* under the key *name*, which *within* (at *prefix*) does not have."""
    path = f"{prefix}.{name}" if prefix else name
    shown = path if len(path) <= 100 else f"{path[:100]}…"
    below = [*paths_below(within)]
    if not below:
        return Fault(f"{shown}: unknown key, {prefix} has no keys below it", node.origin)
    from difflib import get_close_matches

    known = {key.rpartition(".")[2]: key for key in reversed(below)} | {key: key for key in within.names}
    nearest = get_close_matches(name[:100].lower(), known, n=1)
    if not nearest:
        return Fault(f"{shown}: unknown key, expected one of {', '.join(within.names)}", node.origin)
    meant = ".".join(filter(None, (prefix, known[nearest[0]])))
    hint = f"set {variable_of(meant)}" if node.from_variable else f"write {meant}"
    return Fault(f"{shown}: unknown key, did you mean {meant}?", node.origin, hint)


def variable_of(key: str) -> str:
    """The variable that overrides the setting *key*."""
    return PREFIX + key.upper().replace(".", "__")


def paths_below(kind: Kind) -> Iterator[str]:
    """The dotted keys of all settings below *kind*, in order."""
    for name in kind.names:
        child = kind.child(name)
        if child is not None:
            yield name
            yield from (f"{name}.{path}" for path in paths_below(child))


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a node says it can do: `runtimes` is a list of names, every other key is kept as it is."""

    expected: str = "a section of capabilities, in which `runtimes` is a list of names"
    example: str = "{runtimes: [python, shell]}"
    verbatim = False
    names = ("runtimes",)

    def child(self, name: str) -> Kind | None:
        return RUNTIME_NAMES if name == "runtimes" else Anything()

    def read(self, key: str, node: Node, faults: list[Fault]) -> Any:
        if not isinstance(node.value, dict):
            faults.append(misfit(key, node, self.expected, hint=example_of(key, node, self)))
            return {}
        values = {}
        for name, below in node.value.items():
            if name != "runtimes":
                values[name] = Anything().read(f"{key}.{name}", below, faults)
            elif below.value is not None:
                values[name] = list(RUNTIME_NAMES.read(f"{key}.{name}", below, faults))
        return values


_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<rest>[/?#].*)?")
_PASSWORD = re.compile(r"(?<=[?&])password=[^&#]*")


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """A URL of a PostgreSQL server, as libpq reads it. Its errors never show it."""

    expected: str = "a URL that begins with postgresql://"
    example: str = "postgresql://user@host:5432/database"
    verbatim = True
    names = ()

    def child(self, name: str) -> Kind | None:
        return None

    def read(self, key: str, node: Node, faults: list[Fault]) -> Any:
        hint = example_of(key, node, self)
        text = node.value
        if not isinstance(text, str):
            faults.append(misfit(key, node, self.expected, hint=hint))
            return None
        match = _URL.fullmatch(text)
        if match is None or re.search(r"[\s\x00-\x1f\x7f]", text):
            got = "text that is not a URL" if match is None else "one with a space or line break in it"
            faults.append(misfit(key, node, self.expected, got=got, hint=hint))
        elif match["scheme"].lower() not in ("postgresql", "postgres"):
            faults.append(misfit(key, node, self.expected, got=f"the scheme {match['scheme']!r}", hint=hint))
        else:
            self._check_ports(key, node, match["authority"], faults)
        return text

    def _check_ports(self, key: str, node: Node, authority: str, faults: list[Fault]) -> None:
        for host in authority.rpartition("@")[2].split(","):
            port = re.fullmatch(r"(?:\[[^\]]*\]|[^:\[\]]*)(?::([^:]*))?", host)
            if port is None:
                faults.append(misfit(key, node, "hosts as name, name:port or [address]:port", got=repr(host)))
            elif port[1] and not (re.fullmatch(r"[0-9]{1,9}", port[1]) and 1 <= int(port[1]) <= 65535):
                faults.append(misfit(key, node, "a port from 1 to 65535", got=port[1][:20]))


def without_password(url: str) -> str:
    """*url* for people and logs: its password, wherever it stands, is `***`."""
    user, at, rest = _PASSWORD.sub("password=***", url).rpartition("@")
    scheme, colon, account = user.partition("://")
    name, had_password, _ = account.partition(":")
    return f"{scheme}{colon}{name}{':***' if had_password else ''}{at}{rest}"
