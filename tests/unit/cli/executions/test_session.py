from __future__ import annotations

from types import SimpleNamespace

from attune.cli.executions.session import interpreters


def test_interpreters_are_told_with_the_age_of_what_was_cached() -> None:
    python = {"version": "3.11.7", "path": "/usr/bin/python3"}
    record = SimpleNamespace(interpreter={"python": {**python, "cached_age_seconds": 90.0}, "ruby": {}})

    assert interpreters(record) == "python 3.11.7 at /usr/bin/python3 (cached, 1m), ruby ? at ?"  # type: ignore[arg-type]
