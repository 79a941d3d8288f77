"""Every line that a node logs has the execution and the sensor that it speaks of as fields, too."""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
import structlog

_SPOKEN_OF = re.compile(r"\b(?:(execution) (\d+)|(sensor) (\w+\.[\w.]+))")


@pytest.fixture(autouse=True)
def lines_have_fields() -> Iterator[None]:
    before = structlog.get_config()
    without: list[MutableMapping[str, Any]] = []

    def look(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for match in _SPOKEN_OF.finditer(str(line["event"])):
            name, value = (part for part in match.groups() if part)
            if str(line.get(name)) != value:
                without.append(dict(line))
        return line

    structlog.configure(processors=[structlog.contextvars.merge_contextvars, look, *before["processors"]])
    yield
    structlog.configure(**before)
    assert without == []
