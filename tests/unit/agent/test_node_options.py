"""From settings to how a node behaves."""

from __future__ import annotations

from attune.agent.service import node_options
from attune.config import load_settings
from attune.core.nodes.role import SENSOR, WORKER
from attune.postgres.connection import with_connect_timeout


async def nothing() -> None: ...


def test_each_role_has_its_own_time_to_drain() -> None:
    settings = load_settings({"ATTUNE__WORKER__DRAIN_TIMEOUT": "5s", "ATTUNE__SENSOR__DRAIN_TIMEOUT": "7s"})
    conducts = [node_options(settings, role, nothing) for role in (WORKER, SENSOR)]

    assert [conduct.drain_timeout for conduct in conducts] == [5, 7]


def test_a_time_limit_in_the_url_wins_over_the_setting() -> None:
    assert with_connect_timeout("postgresql://h/d", 2.1) == "postgresql://h/d?connect_timeout=3"
    assert with_connect_timeout("postgresql://h/d?a=b", 2) == "postgresql://h/d?a=b&connect_timeout=2"
    assert with_connect_timeout("postgresql://h/d?connect_timeout=9", 2) == "postgresql://h/d?connect_timeout=9"
