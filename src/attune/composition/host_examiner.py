"""An examiner for this machine, put together from its settings."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from attune.config import HostSettings, NodeSettings, Settings, process_environment
from attune.host.contract.accounts import user_id
from attune.host.contract.ownership import OwnershipRule
from attune.host.contract.policy import HostPolicy
from attune.host.probing.assemble import HostChecks, HostOptions, assemble
from attune.operations.runtimes.examine import Examiner

if TYPE_CHECKING:
    from attune.operations.runtimes.reverify import Reverifier


def examiner_for(settings: Settings) -> Examiner:
    """What examines this host within the limits that *settings* draw."""
    return _examiner(settings, _checks(settings))


def refused_folders(settings: Settings) -> tuple[str, ...]:
    """Why this host takes no commands from some folders of its PATH."""
    return _checks(settings).paths.refusals()


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


def _checks(settings: Settings) -> HostChecks:
    detection = settings.detection
    environment = process_environment()
    options = HostOptions(
        policy=host_policy(settings.host),
        extra_variables=settings.host.environment,
        cache_folder=str(_cache_folder(settings, environment)) if detection.cache else None,
        concurrency=detection.concurrency,
        warn=_warn,
    )
    return assemble(environment, options)


def host_policy(host: HostSettings) -> HostPolicy:
    """What this host agrees to execute. Owners who are no users here are left out."""
    owners = {owner for name in host.trusted_owners if (owner := user_id(name)) is not None}
    return HostPolicy(
        None if host.allowed_binaries is None else frozenset(host.allowed_binaries),
        None if host.allowed_commands is None else frozenset(host.allowed_commands),
        host.allowed_paths,
        OwnershipRule(os.geteuid(), owners),
    )


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
