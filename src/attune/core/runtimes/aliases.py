"""The one place that knows that different names mean one runtime."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

ALIASES = {
    "bash": "shell",
    "c#": "dotnet",
    ".net": "dotnet",
    "csharp": "dotnet",
    "golang": "go",
    "jdk": "java",
    "jre": "java",
    "openjdk": "java",
    "k8s": "kubectl",
    "node.js": "node",
    "nodejs": "node",
    "perl5": "perl",
    "php-cli": "php",
    "postgres": "psql",
    "postgresql": "psql",
    "pwsh": "powershell",
    "python3": "python",
    "rscript": "r",
    "sh": "shell",
    "tclsh": "tcl",
    "built-in": "builtin",
    "built-in sensors": "builtin",
}


def fold(name: str) -> str:
    """The capability name that *name* stands for: trimmed, lower-case, aliases resolved."""
    plain = " ".join(name.lower().split())
    return ALIASES.get(plain, plain)


def names_of(name: str) -> list[str]:
    """The other names of a capability, in the order in which they are tried."""
    return [alias for alias, stands_for in ALIASES.items() if stands_for == name]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that *name* was most likely meant to be, or None."""
    close = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def did_you_mean(name: str, known: Iterable[str], mark: str = ",") -> str:
    """`, did you mean python?`, or nothing where no known name is near."""
    near = nearest(name, known)
    return f"{mark} did you mean {near}?" if near else ""
