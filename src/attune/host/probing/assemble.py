"""Puts the parts of this package together: from an environment and options to a runner and a lookup."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from attune.host.environment import check_environment
from attune.host.policy import HostPolicy
from attune.host.probing.caching_runner import CachingRunner
from attune.host.probing.concurrency import bounded_concurrency
from attune.host.probing.outcome_cache import OutcomeCache
from attune.host.probing.path_index import PathIndex
from attune.host.probing.runner import HostRunner


@dataclass(frozen=True, slots=True)
class HostOptions:
    """How checks run on this host.

    `extra_variables` are passed on to checks besides the usual ones; secrets never are. `cache_folder` None
    remembers nothing; `fresh` runs everything again, and remembers it. `concurrency` is how many checks run at the
    same time at most, None for as many as suit the machine.
    """

    policy: HostPolicy = field(default_factory=HostPolicy)
    extra_variables: tuple[str, ...] = ()
    cache_folder: str | None = None
    fresh: bool = False
    concurrency: int | None = None


@dataclass(frozen=True, slots=True)
class HostChecks:
    """What runs checks (a `CommandRunner` with `stop`) and what finds commands (a `PathLookup`)."""

    runner: HostRunner | CachingRunner
    paths: PathIndex


def assemble(
    environment: Mapping[str, str], options: HostOptions | None = None, *, clock: Callable[[], float] = time.time
) -> HostChecks:
    """The means to run checks here. *environment* is that of this process; *clock* gives seconds since the epoch."""
    options = options or HostOptions()
    passed = check_environment(environment, options.extra_variables)
    paths = PathIndex(passed["PATH"], options.policy)
    pace = None if options.concurrency is None else bounded_concurrency(options.concurrency)
    if options.cache_folder is None:
        return HostChecks(HostRunner(passed, paths, pace=pace, clock=clock), paths)
    cache = OutcomeCache(passed, paths, options.cache_folder, clock)
    runner = HostRunner(passed, paths, pace=pace, journal=cache, clock=clock)
    return HostChecks(CachingRunner(runner, cache, fresh=options.fresh), paths)
