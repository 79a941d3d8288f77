"""`PathLookup`: one suite for the fake host and the real PATH."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from attune.core.ports.runtimes import PathLookup
from attune.core.runtimes.command import Ending, Found, Missing
from attune.host.probing.path_index import PathIndex
from attune.testing import FakeHost, printed


@pytest.fixture(params=["fake", "host"])
def lookup(request: pytest.FixtureRequest, tmp_path: Path) -> PathLookup:
    if request.param == "fake":
        return FakeHost({"ruby": printed("ruby 3.1.2")})
    program = tmp_path / "ruby"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    os.utime(tmp_path, (1_700_000_000, 1_700_000_000))  # what has just changed may change again unseen
    return PathIndex(str(tmp_path))


def test_a_command_that_is_there_is_not_missing(lookup: PathLookup) -> None:
    assert isinstance(lookup.find("ruby", ["--version"]), Found)


def test_a_command_that_is_missing_has_its_reason(lookup: PathLookup) -> None:
    assert lookup.find("perl6") == Missing(Ending.NOT_FOUND, "not found on PATH")


def test_a_file_that_has_failed_is_passed_over(lookup: PathLookup) -> None:
    found = lookup.find("ruby")
    assert isinstance(found, Found)

    assert isinstance(lookup.find("ruby", failed={os.path.realpath(found.path)}), Missing)


def test_the_token_stays_while_nothing_changes(lookup: PathLookup) -> None:
    assert lookup.token() == lookup.token()
