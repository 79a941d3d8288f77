"""An examiner for this machine, put together from its settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attune.config import NodeSettings, Settings, process_environment
from attune.core.labels import labels_of
from attune.host.assemble import HostOptions, assemble
from attune.host.policy import HostPolicy
from attune.operations.examine import Examiner


def examiner_for(settings: Settings, *, fresh: bool = False) -> Examiner:
    """What examines this host within the limits that *settings* draw. *fresh* ignores what earlier runs found."""
    detection = settings.detection
    environment = process_environment()
    allowed = detection.allowed_binaries
    options = HostOptions(
        policy=HostPolicy(None if allowed is None else frozenset(allowed), detection.trusted_paths),
        extra_variables=detection.environment,
        cache_folder=str(_cache_folder(settings, environment)) if detection.cache else None,
        fresh=fresh,
    )
    checks = assemble(environment, options)
    return Examiner(checks.runner, checks.paths, max_timeout_seconds=detection.max_timeout)


def host_labels(section: NodeSettings) -> dict[str, str]:
    """The labels of a node here: the facts of this host, and what its settings say, which wins."""
    from attune.host.facts import host_facts

    return labels_of({**host_facts(), **section.labels})


def _cache_folder(settings: Settings, environment: Mapping[str, str]) -> Path:
    """In the data folder where one is configured, else where the XDG base directory specification puts caches."""
    if settings.data_dir is not None:
        return settings.data_dir / "cache"
    base = environment.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "attune"
