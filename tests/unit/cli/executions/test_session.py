from __future__ import annotations

from types import SimpleNamespace

from attune.cli.executions.session import interpreters


def test_interpreters_are_told_with_the_age_of_what_was_cached() -> None:
    python = {"version": "3.11.7", "path": "/usr/bin/python3"}
    record = SimpleNamespace(interpreter={"python": {**python, "cached_age_seconds": 90.0}, "ruby": {}})

    assert interpreters(record) == "python 3.11.7 at /usr/bin/python3 (cached, 1m), ruby ? at ?"  # type: ignore[arg-type]


def test_interpreters_are_told_with_the_runtime_they_are_of_and_how_that_was_verified() -> None:
    used = {"name": "python", "version": "3.11.7", "path": "/usr/bin/python3", "status": "available"}
    proof = {"verified_by": "python3 --version", "verified_at": "2026-01-31T12:00:00.000+00:00"}
    record = SimpleNamespace(
        interpreter={"python": {**used, **proof, "ref": "core.python", "real_path": "/python3.11"}}
    )

    assert interpreters(record) == (  # type: ignore[arg-type]
        "python 3.11.7 at /usr/bin/python3 (core.python, /python3.11, available, "
        "verified by `python3 --version`, 2026-01-31T12:00:00.000+00:00)"
    )
