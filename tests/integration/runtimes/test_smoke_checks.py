"""Smoke checks as real processes: of interpreters that are here, and of ones that only say their version."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from attune import catalogue
from attune.core.runtimes.definition import parse_definition
from attune.core.runtimes.runtime import Runtime
from attune.core.runtimes.verdict import Status, Verdict
from attune.host.contract.execution_contract import default_contract
from attune.host.contract.launch import Limits
from attune.host.probing.assemble import HostOptions, assemble
from attune.operations.runtimes.examine import Examiner
from host_checks import SYSTEM_PATH, script

NO_LIMITS = Limits()
SMOKED = [
    entry
    for entry in (*catalogue.core_pack(), *catalogue.extras())
    if "smoke" in entry["distributions"]["verification"]
]


def examine(name: str, path: str, limits: Limits = NO_LIMITS) -> Verdict:
    entry = catalogue.find(name)
    assert entry is not None
    environment = {"PATH": path, "HOME": "/"}
    checks = assemble(environment, HostOptions(contract=replace(default_contract(environment), limits=limits)))
    (verdict,) = Examiner(checks.runner, checks.paths).examine([parse_definition(Runtime(**entry))])
    return verdict


@pytest.mark.parametrize("entry", SMOKED, ids=lambda entry: entry["ref"])
def test_what_is_on_this_machine_starts(entry: dict[str, object]) -> None:
    definition = parse_definition(Runtime(**entry))  # type: ignore[arg-type]
    if not any(shutil.which(check.binary, path=SYSTEM_PATH) for check in definition.verification.checks):
        pytest.skip("not on this machine")

    verdict = examine(definition.ref, SYSTEM_PATH)

    assert verdict.status is Status.AVAILABLE, verdict.reason
    assert verdict.evidence is not None
    assert verdict.evidence.smoke


def test_a_python_whose_standard_library_is_gone_is_not_available(tmp_path: Path) -> None:
    real = shutil.which("python3", path=SYSTEM_PATH)
    script(tmp_path, "python3", f'PYTHONHOME={tmp_path} exec {real} "$@"')

    verdict = examine("python", str(tmp_path))

    assert verdict.status is Status.UNAVAILABLE
    assert "says its version, but could not be started for real: expected exit code 0, got 1" in verdict.reason


@pytest.mark.parametrize("name", ["node.js", "java", "perl", "python"])
@pytest.mark.parametrize("megabytes", [8, 24, 64, 200, 400])
def test_an_interpreter_that_finds_no_memory_is_never_unavailable(name: str, megabytes: int) -> None:
    verdict = examine(name, SYSTEM_PATH, Limits(memory_bytes=megabytes << 20))

    assert verdict.status in (Status.UNKNOWN, Status.AVAILABLE) or "not found on PATH" in verdict.reason, verdict
