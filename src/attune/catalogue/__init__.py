"""What ships with Attune as data: runtime definitions, one YAML file each, in the packs `core` and `extras`.

The folder `demo` beside them is a pack as `attune pack load` reads it, `helper` what actions in Python can import. An
entry is what its file says: `ref`, `pack_ref`, `name`, `description`, `distributions`. Reading it as a definition
belongs to `attune.core.runtimes.definition`, storing it to `attune.postgres`.
"""

from pathlib import Path
from typing import Any

CORE_VERSION = "1.1.0"

Entry = dict[str, Any]

_HERE = Path(__file__).parent


def core_pack() -> list[Entry]:
    """The five definitions that every database has, by ref."""
    return _pack("core")


def extras() -> list[Entry]:
    """The definitions that can be added, by ref."""
    return _pack("extras")


def demo_folder() -> Path:
    """The pack that a newcomer sees at work."""
    return _HERE / "demo"


def helper_file() -> Path:
    """The module that actions in Python can import."""
    return _HERE / "helper" / "attune_action.py"


def find(name: str) -> Entry | None:
    """The entry of that ref (`extras.ruby`), short name (`ruby`), display name or alias, or None."""
    wanted = name.strip().lower()
    for entry in (*core_pack(), *extras()):
        ref: str = entry["ref"]
        aliases = entry["distributions"].get("aliases", [])
        if wanted in (ref, ref.partition(".")[2], entry["name"].lower(), *aliases):
            return entry
    return None


def _pack(name: str) -> list[Entry]:
    return [_read(path) for path in sorted((_HERE / name).glob("*.yaml"))]


def _read(path: Path) -> Entry:
    """A fresh copy, so that no caller can change what another one sees."""
    import yaml

    # The parser in C, where PyYAML was built with it, takes a tenth of the time: 9 ms for everything.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    entry: Entry = yaml.load(path.read_bytes(), Loader=loader)  # a safe loader in both cases
    return entry
