"""Puts the parts of this package together: from an environment and options to a runner and a lookup."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from attune.core.errors import UsageError
from attune.host.contract.environment import RUN_BY
from attune.host.contract.execution_contract import ExecutionContract, default_contract
from attune.host.contract.policy import HostPolicy
from attune.host.probing.outcome_cache import CacheSurroundings, HostOutcomeCache, host_identity
from attune.host.probing.path_index import PathIndex
from attune.host.probing.runner import HostRunner


@dataclass(frozen=True, slots=True)
class HostOptions:
    """How checks run on this host.

    `contract` is how they are run, None for that of a program without settings. Without a `cache_folder` nothing is
    kept. `warn` is told what is wrong with the cache.
    """

    policy: HostPolicy = field(default_factory=HostPolicy)
    contract: ExecutionContract | None = None
    cache_folder: str | None = None
    warn: Callable[[str], None] = lambda text: None


@dataclass(frozen=True, slots=True)
class HostChecks:
    """What runs checks (a `CommandRunner`), what finds commands (a `PathLookup`), and what keeps their outcomes."""

    runner: HostRunner
    paths: PathIndex
    cache: HostOutcomeCache | None = None


def assemble(environment: Mapping[str, str], options: HostOptions | None = None) -> HostChecks:
    """The means to run checks here. *environment* is that of this process.

    Raises `UsageError` in a program that is itself run as a check, an action or a sensor: it could go on for ever.
    """
    if RUN_BY in environment:
        raise UsageError(f"this is itself run as {environment[RUN_BY]} of a node: nothing is verified from here")
    options = options or HostOptions()
    contract = options.contract or default_contract(environment)
    paths = PathIndex(contract.environment["PATH"], options.policy)
    contract = replace(contract, path=paths.trusted_path)
    runner = HostRunner(contract, paths)
    if options.cache_folder is None:
        return HostChecks(runner, paths)
    surroundings = CacheSurroundings(contract.now().environment, host_identity(), time.time)
    return HostChecks(runner, paths, HostOutcomeCache(options.cache_folder, paths, surroundings, options.warn))
