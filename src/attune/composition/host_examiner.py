"""An examiner for this machine, put together from its settings."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from attune.config import NodeSettings, Settings, process_environment
from attune.host.contract.environment import check_environment
from attune.host.contract.execution_contract import ExecutionContract
from attune.host.contract.run_folders import RunFolders, run_places
from attune.host.policy import HostPolicy
from attune.host.probing.assemble import HostChecks, HostOptions, assemble
from attune.operations.runtimes.examine import Examiner

if TYPE_CHECKING:
    from attune.operations.runtimes.reverify import Reverifier


def examiner_for(settings: Settings) -> Examiner:
    """What examines this host within the limits that *settings* draw."""
    return _examiner(settings, _checks(settings))


def _examiner(settings: Settings, checks: HostChecks) -> Examiner:
    return Examiner(checks.runner, checks.paths, checks.cache, max_timeout_seconds=settings.detection.max_timeout)


def reverifier_for(settings: Settings) -> Reverifier:
    """What keeps true on this host what was found there."""
    from attune.core.nodes.health import HealthPolicy
    from attune.core.nodes.health_schedule import CheckSchedule
    from attune.host.probing.file_probe import FileProbe
    from attune.operations.runtimes.reverify import Reverifier

    checks, health = _checks(settings), settings.health
    return Reverifier(
        _examiner(settings, checks),
        FileProbe(checks.paths),
        time.monotonic,
        HealthPolicy(health.failures_to_withdraw, health.successes_to_restore),
        CheckSchedule(health.interval, health.full_interval),
        deadline_seconds=settings.detection.deadline,
    )


def contract_for(settings: Settings) -> ExecutionContract:
    """How programs are run on this host: checks, actions and sensors."""
    environment = process_environment()
    return ExecutionContract(
        environment=check_environment(environment, settings.detection.environment),
        folders=RunFolders(run_places(environment, os.geteuid())),
    )


def _checks(settings: Settings) -> HostChecks:
    detection = settings.detection
    environment = process_environment()
    allowed = detection.allowed_binaries
    options = HostOptions(
        policy=HostPolicy(None if allowed is None else frozenset(allowed), detection.trusted_paths),
        contract=contract_for(settings),
        cache_folder=str(_cache_folder(settings, environment)) if detection.cache else None,
        concurrency=detection.concurrency,
        warn=_warn,
    )
    return assemble(environment, options)


def _warn(text: str) -> None:
    from attune.agent.logs import log

    log.warning(text)


def host_labels(section: NodeSettings) -> dict[str, str]:
    """The labels of a node here: the facts of this host, and what its settings say, which wins."""
    from attune.core.nodes.labels import labels_of
    from attune.host.facts import host_facts

    return labels_of({**host_facts(), **section.labels})


def _cache_folder(settings: Settings, environment: Mapping[str, str]) -> Path:
    """In the data folder where one is configured, else where the XDG base directory specification puts caches."""
    if settings.data_dir is not None:
        return settings.data_dir / "cache"
    base = environment.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "attune"
