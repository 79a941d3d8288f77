"""Puts the parts of this package together: from an environment and options to a runner and a lookup."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from attune.host.contract.policy import HostPolicy
from attune.host.environment import check_environment
from attune.host.probing.limiter import bounded_concurrency
from attune.host.probing.outcome_cache import CacheSurroundings, HostOutcomeCache, host_identity
from attune.host.probing.path_index import PathIndex
from attune.host.probing.runner import HostRunner


@dataclass(frozen=True, slots=True)
class HostOptions:
    """How checks run on this host.

    `extra_variables` are passed on to checks besides the usual ones; secrets never are. Without a `cache_folder`
    nothing is kept. `concurrency` is how many checks run at the same time at most, None for as many as suit the
    machine. `warn` is told what is wrong with the cache.
    """

    policy: HostPolicy = field(default_factory=HostPolicy)
    extra_variables: tuple[str, ...] = ()
    cache_folder: str | None = None
    concurrency: int | None = None
    warn: Callable[[str], None] = lambda text: None


@dataclass(frozen=True, slots=True)
class HostChecks:
    """What runs checks (a `CommandRunner`), what finds commands (a `PathLookup`), and what keeps their outcomes."""

    runner: HostRunner
    paths: PathIndex
    cache: HostOutcomeCache | None = None


def assemble(
    environment: Mapping[str, str], options: HostOptions | None = None, *, clock: Callable[[], float] = time.time
) -> HostChecks:
    """The means to run checks here. *environment* is that of this process; *clock* gives seconds since the epoch."""
    options = options or HostOptions()
    passed = check_environment(environment, options.extra_variables)
    paths = PathIndex(passed["PATH"], options.policy)
    passed["PATH"] = paths.trusted_path()
    concurrency = None if options.concurrency is None else bounded_concurrency(options.concurrency)
    runner = HostRunner(passed, paths, concurrency=concurrency, clock=clock)
    if options.cache_folder is None:
        return HostChecks(runner, paths)
    surroundings = CacheSurroundings(passed, host_identity(), clock)
    return HostChecks(runner, paths, HostOutcomeCache(options.cache_folder, paths, surroundings, options.warn))
