"""How runtimes are named in requirements: names, different ones of which may mean one runtime, and refs."""

import re
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

MAX_NAME = 128
NAME = re.compile(r"\.?[A-Za-z](?:[A-Za-z0-9_.+#/-]*[A-Za-z0-9_+#])?")
_REF = re.compile(r"[a-z][a-z0-9_+#-]*(?:\.[a-z_][a-z0-9_+#-]*)+")


def fold(name: str) -> str:
    """The capability name that *name* stands for: trimmed, lower-case, aliases resolved."""
    plain = " ".join(name.lower().split())
    return ALIASES.get(plain, plain)


def is_sayable(name: str) -> bool:
    """Whether the term *name* of a requirement means exactly *name*."""
    return NAME.fullmatch(name) is not None and len(name) <= MAX_NAME and fold(name) == name


def is_ref(name: str) -> bool:
    """Whether *name* has the form of a ref, as `acme.ruby` has and `python3.11` has not: then it means no label."""
    return is_sayable(name) and _REF.fullmatch(name) is not None


def names_of(name: str) -> list[str]:
    """The other names of a capability, in the order in which they are tried."""
    return [alias for alias, stands_for in ALIASES.items() if stands_for == name]


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known name that *name* was most likely meant to be, or None; at *cutoff* 1 only the same."""
    close = get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return close[0] if close else None


def did_you_mean(name: str, known: Iterable[str], mark: str = ",") -> str:
    """`, did you mean python?`, or nothing where no known name is near."""
    near = nearest(name, known)
    return f"{mark} did you mean {near}?" if near else ""
