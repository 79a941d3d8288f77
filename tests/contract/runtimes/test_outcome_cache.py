"""What every `OutcomeCache` promises."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from attune.core.ports.runtimes import MAX_CACHED_AGE_SECONDS, OutcomeCache
from attune.core.runtimes.command import Command, Ending, Outcome
from attune.host.probing.outcome_cache import CacheSurroundings, HostIdentity, HostOutcomeCache
from attune.host.probing.path_index import PathIndex
from attune.testing import MemoryOutcomes

VERSION = Command(("tool", "--version"))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def memory(folder: Path, clock: Callable[[], float]) -> OutcomeCache:
    return MemoryOutcomes(clock)


def host(folder: Path, clock: Callable[[], float]) -> OutcomeCache:
    (folder / "tool").write_bytes(b"\x7fELF")
    (folder / "tool").chmod(0o755)
    surroundings = CacheSurroundings({}, HostIdentity("", "", os.geteuid()), clock)
    return HostOutcomeCache(f"{folder}/cache", PathIndex(str(folder)), surroundings, print)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=[memory, host])
def cache(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> OutcomeCache:
    made: OutcomeCache = request.param(tmp_path, clock)
    assert made.lookup(VERSION, 60) is None
    made.remember({VERSION: Outcome(Ending.EXITED, exit_code=0, stdout="tool 1.2", at=clock())})
    return made


def test_remembered_outcome_is_known_with_its_age(cache: OutcomeCache, clock: Clock) -> None:
    clock.now += 59
    outcome = cache.lookup(VERSION, 60)

    assert outcome is not None
    assert (outcome.ending, outcome.exit_code, outcome.stdout) == (Ending.EXITED, 0, "tool 1.2")
    assert outcome.cached_age == 59


def test_older_outcomes_and_other_commands_are_not_known(cache: OutcomeCache, clock: Clock) -> None:
    assert cache.lookup(Command(("tool", "-V")), 60) is None
    clock.now += 60
    assert cache.lookup(VERSION, 60) is None
    assert cache.lookup(VERSION, 0) is None
    clock.now += MAX_CACHED_AGE_SECONDS
    assert cache.lookup(VERSION, 10 * MAX_CACHED_AGE_SECONDS) is None


def test_later_outcome_replaces_an_earlier_one(cache: OutcomeCache, clock: Clock) -> None:
    clock.now += 30
    cache.lookup(VERSION, 0)
    cache.remember({VERSION: Outcome(Ending.EXITED, exit_code=0, stdout="tool 1.3", at=clock())})

    assert (outcome := cache.lookup(VERSION, 60)) is not None
    assert (outcome.stdout, outcome.cached_age) == ("tool 1.3", 0)
