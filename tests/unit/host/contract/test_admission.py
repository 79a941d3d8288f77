"""What a host agrees to execute is asked before each start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from attune.host.contract.admission import Admission
from attune.host.contract.ownership import OwnershipRule
from attune.host.contract.policy import HostPolicy
from attune.host.probing.path_index import PathIndex

NATIVE = "native programs are not among the commands that this host allows (host.allowed_binaries)"


def program(path: Path, mode: int = 0o755) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return str(path)


@pytest.fixture
def tool(tmp_path: Path) -> str:
    return program(tmp_path / "bin" / "tool")


@pytest.fixture
def entry(tmp_path: Path) -> str:
    return program(tmp_path / "pack" / "actions" / "act.sh")


def admission(tmp_path: Path, **limits: object) -> Admission:
    policy = HostPolicy(ownership=OwnershipRule(os.geteuid()), **limits)  # type: ignore[arg-type]
    return Admission(policy, PathIndex(str(tmp_path / "bin"), policy))


def test_without_limits_what_nobody_else_can_change_is_admitted(tmp_path: Path, tool: str, entry: str) -> None:
    asked = admission(tmp_path)

    assert asked.refuses(tool, entry) is None
    assert asked.refuses(entry, entry) is None
    Path(entry).chmod(0o777)
    for path in (tool, entry):
        assert "is writable by everybody" in str(asked.refuses(path, entry))
    assert "is writable by everybody" in str(asked.refuses(str(Path(entry).parent / "act.sh"), tool))


def test_interpreters_must_be_allowed_by_name_or_path(tmp_path: Path, tool: str, entry: str) -> None:
    other = program(tmp_path / "elsewhere" / "tool")
    by_name = admission(tmp_path, allowed_binaries=frozenset({"tool"}))
    by_path = admission(tmp_path, allowed_binaries=frozenset({other}))

    assert (by_name.refuses(tool, entry), by_path.refuses(other, entry)) == (None, None)
    for asked, path in ((by_name, other), (by_path, tool)):
        assert "not among the commands that this host allows" in str(asked.refuses(path, entry))
    inside = admission(tmp_path, allowed_paths=(str(tmp_path / "bin"),))
    assert inside.refuses(tool, entry) is None  # it is read there, not executed
    assert "outside the allowed paths" in str(inside.refuses(other, entry))


def test_what_is_executed_itself_is_native_or_allowed_by_its_path(tmp_path: Path, tool: str, entry: str) -> None:
    assert admission(tmp_path, allowed_binaries=frozenset({"tool"})).refuses(entry, entry) == NATIVE
    assert admission(tmp_path, allowed_binaries=frozenset({"native"})).refuses(entry, entry) is None
    assert admission(tmp_path, allowed_binaries=frozenset({entry})).refuses(entry, entry) is None
    inside = admission(tmp_path, allowed_paths=(str(tmp_path / "bin"),))
    assert "outside the allowed paths" in str(inside.refuses(entry, entry))


def test_what_changed_since_the_last_start_is_seen(tmp_path: Path, tool: str, entry: str) -> None:
    asked = admission(tmp_path, allowed_binaries=frozenset({"tool"}))
    assert asked.refuses(tool, entry) is None
    Path(tool).chmod(0o777)

    assert asked.refuses(tool, entry)
    Path(tool).chmod(0o755)
    assert asked.refuses(tool, entry) is None
    Path(tool).unlink()
    assert asked.refuses(tool, entry)
