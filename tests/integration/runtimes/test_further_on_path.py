"""A file of PATH that fails hides none behind it: the next of its name is tried, and the verdict says what failed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from attune.core.runtimes.definition import Definition
from attune.core.runtimes.verdict import Status, Verdict
from attune.host.contract.policy import HostPolicy
from attune.host.probing.assemble import HostOptions, assemble
from attune.operations.runtimes.examine import Examiner
from factories import command, make_definition
from host_checks import SYSTEM_PATH, script

SHIM = 'echo "pyenv: python3: command not found" >&2; exit 127'
SMOKE = {"args": ["-c", "import sys; print(sys.argv[1])", "{nonce}"]}


def verify(definition: Definition, *folders: Path, options: HostOptions | None = None) -> Verdict:
    path = ":".join([*map(str, folders), SYSTEM_PATH])
    checks = assemble({"PATH": path, "HOME": "/"}, options or HostOptions())
    (verdict,) = Examiner(checks.runner, checks.paths).examine([definition])
    return verdict


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (SHIM, "expected exit code 0, got 127"),
        ("exec /no/such/python3", "expected exit code 0, got 12"),
        ("echo Python 2.7.18", "expected output that matches"),
        ("kill -SEGV $$", "killed by SIGSEGV"),
    ],
)
def test_a_good_one_behind_a_broken_one_is_found(tmp_path: Path, body: str, why: str) -> None:
    shim = script(tmp_path, "python3", body)

    verdict = verify(make_definition(command(), smoke=SMOKE), tmp_path)

    assert verdict.status is Status.AVAILABLE
    assert verdict.path == shutil.which("python3", path=SYSTEM_PATH)
    assert f"passed over: {shim}: python3 --version: {why}" in verdict.reason
    assert verdict.evidence is not None and verdict.evidence.command == (verdict.path, "--version")


def test_one_that_says_its_version_and_does_not_start_is_passed_over_too(tmp_path: Path) -> None:
    script(tmp_path, "python3", "echo Python 3.99.0")

    verdict = verify(make_definition(command(), smoke=SMOKE), tmp_path)

    assert verdict.status is Status.AVAILABLE
    assert "could not be started for real" in verdict.reason
    assert verdict.version != "3.99.0"


def test_one_that_is_too_old_is_passed_over(tmp_path: Path) -> None:
    script(tmp_path, "python3", "echo Python 3.2.0")

    verdict = verify(make_definition(command(), min_version="3.8"), tmp_path)

    assert verdict.status is Status.AVAILABLE
    assert "found 3.2.0, needs >=3.8" in verdict.reason


def test_where_all_are_broken_the_reason_has_each(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
        script(folder, "tool", SHIM)

    verdict = verify(make_definition(command(binary="tool")), *folders)

    assert verdict.status is Status.UNAVAILABLE
    assert verdict.reason.startswith("tool --version: expected exit code 0, got 127")
    assert f"further on PATH {folders[1]}/tool --version: expected exit code 0, got 127" in verdict.reason


def test_a_policy_that_allows_the_first_of_a_name_allows_no_other(tmp_path: Path) -> None:
    script(tmp_path, "python3", SHIM)
    policy = HostPolicy(allowed_binaries=frozenset({"python3"}))

    verdict = verify(make_definition(command()), tmp_path, options=HostOptions(policy=policy))

    assert verdict.status is Status.UNAVAILABLE
