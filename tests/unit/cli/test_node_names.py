"""Names of nodes: which are refused before anything starts, and how remedies have them."""

from __future__ import annotations

import pytest

from attune.cli.nodes import doctor_checks
from attune.cli.nodes.node import sensor, worker
from attune.config import load_settings
from attune.core.errors import UsageError
from attune.core.ports.nodes import NodeRecord


@pytest.mark.parametrize("name", ["", " ", " lead", "trail ", "two\nlines", "tab\there", "x" * 256])
@pytest.mark.parametrize("group", [worker, sensor])
def test_a_name_that_cannot_be_told_from_another_is_refused(group: object, name: str) -> None:
    with pytest.raises(UsageError, match="--name: expected a name of one line without spaces around it, got "):
        group.commands["start"].callback(name)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("name", "quoted"), [("w1", "w1"), ("a b; rm x", "'a b; rm x'"), ("$(id)", "'$(id)'")])
def test_a_remedy_can_be_given_to_a_shell(monkeypatch: pytest.MonkeyPatch, name: str, quoted: str) -> None:
    lost = NodeRecord(id=1, name=name, role="worker", host=None, status="lost", heartbeat_age=90.0)
    stuck = NodeRecord(
        id=2, name=name, role="sensor", host=None, status="degraded", heartbeat_age=1.0, problem="no space"
    )
    live = NodeRecord(id=3, name="w2", role="worker", host=None, status="active", heartbeat_age=1.0)
    monkeypatch.setattr(doctor_checks, "ask", lambda work, settings: [lost, stuck, live])

    remedies = [found.remedy for found in doctor_checks.check_nodes(load_settings())]

    assert remedies == [f"attune sensor show {quoted}", f"attune worker start --name {quoted}", None]
