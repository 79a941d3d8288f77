"""An examiner for this machine, put together from its settings."""

from __future__ import annotations

from attune.config import Settings, process_environment
from attune.host.environment import check_environment
from attune.host.path_index import PathIndex
from attune.host.policy import HostPolicy
from attune.host.runner import HostRunner
from attune.operations.examine import Examiner


def examiner_for(settings: Settings, *, fresh: bool = False) -> Examiner:
    """What examines this host within the limits that *settings* draw. *fresh* ignores what earlier runs found."""
    detection = settings.detection
    environment = process_environment()
    policy = HostPolicy(
        None if detection.allowed_binaries is None else frozenset(detection.allowed_binaries), detection.trusted_paths
    )
    paths = PathIndex(environment.get("PATH", ""), policy)
    runner = HostRunner(check_environment(environment, detection.environment), paths)
    return Examiner(runner, paths, max_timeout_seconds=detection.max_timeout)
