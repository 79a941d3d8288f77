"""How the API is reached: its address, and the token, which no error shows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from attune.config.kinds import Leaf, example_of
from attune.config.tree import Fault, Node, misfit

_HOST = re.compile(r"\[[0-9A-Fa-f:.]+(%[\w.-]+)?\]|[^\s:\[\]@/\\%]+")
_TOKEN = re.compile(r"[\x21-\x7e]{1,500}")


@dataclass(frozen=True, slots=True)
class ApiUrl(Leaf):
    """The URL below which `/api` lies. With or without a slash at its end, it is the same."""

    expected: str = "a URL that begins with http:// or https://"
    example: str = "https://attune.example"
    verbatim = True

    def read(self, key: str, node: Node, faults: list[Fault]) -> Any:
        text = node.value
        fault = _fault_of(text) if isinstance(text, str) else (self.expected, None)
        if fault is None:
            return str(text).rstrip("/")
        expected, got = fault
        faults.append(misfit(key, node, expected or self.expected, got=got, hint=example_of(key, node, self)))
        return None


def _fault_of(url: str) -> tuple[str | None, str | None] | None:
    """What was expected (None: a URL) and what was found, where something is wrong with *url*."""
    if len(url) > 2000:
        return "a URL of at most 2000 characters", f"{len(url)} characters"
    if re.search(r"[\s\x00-\x1f\x7f]", url):
        return None, "text with a space or a line break in it"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "a host as name, name:port or [address]:port, with a port from 1 to 65535", None
    if parts.scheme not in ("http", "https"):
        return None, None
    if "@" in parts.netloc:
        return "a URL without user and password (the token is a setting of its own)", "one with them"
    if parts.query or parts.fragment or "?" in url or "#" in url:
        return "a URL without ? and #", None
    host = parts.netloc if port is None else parts.netloc.rpartition(":")[0]
    if not _HOST.fullmatch(host.rstrip(":")) or port == 0:
        return "a host as name, name:port or [address]:port, with a port from 1 to 65535", None
    return None


@dataclass(frozen=True, slots=True)
class Token(Leaf):
    """A token as `attune token create` prints it. Its errors never show it."""

    expected: str = "a token as `attune token create` prints it"
    example: str = "attune_…"
    verbatim = True

    def read(self, key: str, node: Node, faults: list[Fault]) -> Any:
        text = node.value
        if isinstance(text, str) and _TOKEN.fullmatch(text):
            return text
        got = "something else"
        if isinstance(text, str):
            got = (
                f"{len(text)} characters" if len(text) > 500 else "text with a space or a character beyond ASCII in it"
            )
        faults.append(misfit(key, node, self.expected, got=got, hint=example_of(key, node, self)))
        return None
