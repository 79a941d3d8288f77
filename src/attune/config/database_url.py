"""The URL of a PostgreSQL server: checked as far as a slip can be named, and never shown with its password."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from attune.config.kinds import Leaf, example_of
from attune.config.tree import Fault, Node, misfit

# Split as libpq does: the first @ before any slash ends the credentials, and # is nothing special.
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:(?P<account>[^@/]*)@)?(?P<hosts>[^/?]*)(?P<rest>[/?].*)?")
_HOST = re.compile(r"(?:\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>[^:]*))?")
_PASSWORD = re.compile(r"(?<=[?&])password=[^&]*")


@dataclass(frozen=True, slots=True)
class DatabaseUrl(Leaf):
    """A URL of a PostgreSQL server, as libpq reads it. Its errors never show it."""

    expected: str = "a URL that begins with postgresql://"
    example: str = "postgresql://user@host:5432/database"
    verbatim = True

    def read(self, key: str, node: Node, faults: list[Fault]) -> Any:
        text = node.value
        fault = self._fault(text) if isinstance(text, str) else (self.expected, None)
        if fault is not None:
            expected, got = fault
            hint = example_of(key, node, self)
            if isinstance(text, str) and "@" in text:
                hint += "; in a password, percent-encode @ as %40, / as %2F, : as %3A"
            faults.append(misfit(key, node, expected, got=got, hint=hint))
        return text

    def _fault(self, url: str) -> tuple[str, str] | None:
        match = _URL.fullmatch(url)
        if re.search(r"[\s\x00-\x1f\x7f]", url):
            return self.expected, "text with a space or a line break in it"
        if match is None:
            return self.expected, "text that is not a URL"
        if match["scheme"].lower() not in ("postgresql", "postgres"):
            return self.expected, f"one that begins with {match['scheme'][:40]}://"
        return _fault_of_hosts(match["hosts"], "@" in match["hosts"] + (match["rest"] or ""))


def _fault_of_hosts(hosts: str, perhaps_password: bool) -> tuple[str, str] | None:
    """What is wrong with *hosts*, which is part of the password if that has a special character in it."""
    for host in hosts.split(","):
        match = _HOST.fullmatch(host)
        if match is None or "@" in host:
            return "hosts as name, name:port or [address]:port", "something else" if perhaps_password else repr(host)
        port = match["port"]
        if port and not (re.fullmatch(r"[0-9]{1,9}", port) and 1 <= int(port) <= 65535):
            return "a port from 1 to 65535", "something else" if perhaps_password else port[:20]
    return None


def without_password(url: str) -> str:
    """*url* for people and logs: its password, wherever it stands, is `***`."""
    match = _URL.fullmatch(url)
    if match is None:
        return "***"
    user, colon, _ = (match["account"] or "").partition(":")
    account = "" if match["account"] is None else f"{user}{':***' if colon else ''}@"
    rest = _PASSWORD.sub("password=***", match["rest"] or "")
    return f"{match['scheme']}://{account}{match['hosts']}{rest}"
