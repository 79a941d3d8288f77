"""What a node registers after a detection."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from attune.agent.detector import capabilities_of
from attune.config import Settings
from attune.core.nodes.role import WORKER, Role
from attune.core.runtimes.selection import Selection, Source
from attune.host.facts import host_facts
from attune.operations.runtimes.detect import Detection, detect
from attune.operations.runtimes.examine import Examiner
from attune.testing import FakeHost


def detection(role: Role = WORKER) -> Detection:
    host = FakeHost({})
    return detect([], Selection(Source.DATABASE, None), role, Examiner(host, host))


def limit(found: Detection, cores: str | None, chosen: int | None = None) -> object:
    settings = Settings()
    settings = replace(settings, worker=replace(settings.worker, max_concurrent_executions=chosen))
    labels = {} if cores is None else {"cpus": cores}
    return capabilities_of(found, settings, labels)["max_concurrent_executions"]


@pytest.mark.parametrize(("cores", "expected"), [("1", 1), ("6", 6), ("0", 1), (None, 1), ("many", 1)])
def test_a_worker_runs_as_many_executions_at_once_as_there_are_cores(cores: str | None, expected: int) -> None:
    assert limit(detection(), cores) == expected


def test_a_chosen_limit_goes_before_the_number_of_cores() -> None:
    assert limit(detection(), "6", 40) == 40


def test_the_limit_of_this_host_is_what_its_process_may_use() -> None:
    cores = int(str(limit(detection(), host_facts()["cpus"])))

    assert 1 <= cores <= len(os.sched_getaffinity(0))
