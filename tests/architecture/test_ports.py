"""Every port has a fake in `attune.testing`, and a contract suite that runs on the fake and on the real ones."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Asked by nobody but their caller: what it says of itself is all that there is to hold.
OBSERVERS = {"RunObserver"}

# Without a fake. `NodePages` gives JSON text that PostgreSQL makes, `FleetPages` counts over all of the fleet: a fake
# would be a second query, which says nothing of the first.
MISSING = {"FleetPages", "NodePages"}


def test_every_port_has_a_fake_and_a_contract() -> None:
    ports = {
        node.name
        for path in (ROOT / "src/attune/core/ports").glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and any("Protocol" in ast.unparse(base) for base in node.bases)
    }
    fakes = "".join(path.read_text() for path in (ROOT / "src/attune/testing").glob("*.py"))
    suites = "".join(path.read_text() for path in (ROOT / "tests/contract").rglob("*.py"))

    assert ports
    for text, what in ((fakes, "fake"), (suites, "contract suite")):
        assert sorted(port for port in ports - OBSERVERS - MISSING if not re.search(rf"\b{port}\b", text)) == [], (
            f"no {what}"
        )
