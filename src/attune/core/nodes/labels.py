"""Labels of a node, and the facts among them: labels with a fixed meaning that the host reports about itself."""

from collections.abc import Mapping
from enum import Enum

from attune.core.runtimes.aliases import fold


class LabelKind(Enum):
    """How the value of a fact is compared."""

    TEXT = "text"
    VERSION = "version"
    NUMBER = "number"


FACTS: Mapping[str, LabelKind] = {
    "os": LabelKind.TEXT,
    "arch": LabelKind.TEXT,
    "distro": LabelKind.TEXT,
    "kernel": LabelKind.VERSION,
    "cpus": LabelKind.NUMBER,
    "memory_gb": LabelKind.NUMBER,
    "container": LabelKind.TEXT,
    "hostname": LabelKind.TEXT,
}

# Every host has one of these: where it is not reported, the answer is unknown rather than no.
UNIVERSAL = frozenset({"os", "arch", "kernel", "cpus", "memory_gb", "hostname"})

_LOWERED = frozenset({"os", "arch", "distro", "container", "hostname"})
_ARCHITECTURES = {"amd64": "x86_64", "x64": "x86_64", "x86-64": "x86_64", "arm64": "aarch64"}


def value_of(name: str, value: object) -> str:
    """*value* of label *name* as it is compared: a text, with one spelling for each os and architecture."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = " ".join(str(value).split())
    if name in _LOWERED:
        text = text.lower()
    return _ARCHITECTURES.get(text, text) if name == "arch" else text


def labels_of(written: Mapping[str, object]) -> dict[str, str]:
    """Labels as a node carries them: names folded as the names of terms are, values as `value_of` has them."""
    return {fold(name): value_of(fold(name), value) for name, value in written.items()}


def number(text: str) -> float | None:
    """The number that *text* is, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if -1e18 < value < 1e18 else None
