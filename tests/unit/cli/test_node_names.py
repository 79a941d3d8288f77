"""Names of nodes that are refused before anything starts."""

from __future__ import annotations

import pytest

from attune.cli.nodes.node import sensor, worker
from attune.core.errors import UsageError


@pytest.mark.parametrize("name", ["", " ", " lead", "trail ", "two\nlines", "tab\there", "x" * 256])
@pytest.mark.parametrize("group", [worker, sensor])
def test_a_name_that_cannot_be_told_from_another_is_refused(group: object, name: str) -> None:
    with pytest.raises(UsageError, match="--name: expected a name of one line without spaces around it, got "):
        group.commands["start"].callback(name)  # type: ignore[attr-defined]
