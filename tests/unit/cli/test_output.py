from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from attune.cli.output import print_json
from attune.core.access.audit import AuditRecord


def test_times_are_printed_as_rfc_3339_has_them(capsys: pytest.CaptureFixture[str]) -> None:
    record = AuditRecord(id=1, at=datetime(2026, 1, 31, 12, tzinfo=UTC), actor="ann", method="GET", path="/")

    print_json([record])

    assert json.loads(capsys.readouterr().out)[0]["at"] == "2026-01-31T12:00:00+00:00"
