"""`NodeControl` and `NodeLifecycle`: one suite for memory, PostgreSQL and the API."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from attune.core.errors import UsageError
from attune.core.nodes.role import WORKER
from attune.core.ports.nodes import Heartbeat, Overdue, Registration

pytestmark = pytest.mark.anyio

RULES = Overdue(stale_after=30, lost_after=60, amnesty=0, look_every=0)


async def joined(living: Any) -> int:
    await living.registry.claim("w1", WORKER, host="host-1", pid=7)
    return int(await living.registry.register(Registration("w1", WORKER, "host-1", 7, {})))


async def status(living: Any) -> str:
    (node,) = await living.registry.list_nodes(WORKER)
    return str(node.status)


async def test_a_node_that_is_not_heard_of_is_stale_then_lost_and_back_with_its_next_heartbeat(living: Any) -> None:
    node_id = await joined(living)
    await living.later(node_id, 29)
    assert (await living.life.mark_overdue(RULES, living.judge), await status(living)) == (0, "active")
    await living.later(node_id, 2)
    assert (await living.life.mark_overdue(RULES, living.judge), await status(living)) == (1, "stale")
    assert await living.life.mark_overdue(RULES, living.judge) == 0
    await living.later(node_id, 30)
    assert (await living.life.mark_overdue(RULES, living.judge), await status(living)) == (1, "lost")

    assert await living.registry.heartbeat(node_id) == Heartbeat("active")
    assert await status(living) == "active"


async def test_only_who_is_heard_of_judges_others(living: Any) -> None:
    silent = await joined(living)
    await living.later(silent, 100)

    assert await living.life.mark_overdue(RULES, silent) == 0
    assert await living.life.mark_overdue(RULES, 9999) == 0
    assert await living.life.mark_overdue(RULES, living.judge) == 1
    assert await status(living) == "lost"


async def test_time_in_which_nobody_is_heard_of_counts_a_little_against_those_who_stay_silent(living: Any) -> None:
    node_id = await joined(living)
    await living.outage(node_id, 100)
    assert (await living.life.mark_overdue(RULES, living.judge), await status(living)) == (0, "stale")
    await living.later(node_id, 45)
    assert (await living.life.mark_overdue(RULES, living.judge), await status(living)) == (1, "stale")
    await living.later(node_id, 10)
    assert (await living.life.mark_overdue(RULES, living.judge), await status(living)) == (1, "lost")

    await living.registry.heartbeat(node_id)
    for _ in range(4):  # as on a machine so busy that every heartbeat is late
        await living.outage(node_id, 31)
        assert await living.life.mark_overdue(RULES, living.judge) == 0
    for _ in range(7):
        await living.outage(node_id, 31)
        await living.life.mark_overdue(RULES, living.judge)
    assert await status(living) == "lost"


async def test_readers_judge_a_node_by_its_age_though_nobody_lives_to_mark_it(living: Any) -> None:
    node_id = await joined(living)
    assert await living.life.mark_overdue(replace(RULES, stale_after=10, lost_after=20), living.judge) == 0
    for seconds, seen in ((9, "active"), (2, "stale"), (10, "lost")):
        await living.outage(node_id, seconds)
        assert await status(living) == seen
    assert await living.registry.heartbeat(node_id) == Heartbeat("active")
    assert await status(living) == "active"
    await living.registry.leave(node_id)
    await living.outage(node_id, 100)
    assert await status(living) == "inactive"


async def test_a_draining_node_that_was_lost_comes_back_draining(living: Any) -> None:
    node_id = await joined(living)
    assert await living.life.drain(node_id) is True
    await living.later(node_id, 40)
    await living.life.mark_overdue(RULES, living.judge)
    await living.later(node_id, 40)
    await living.life.mark_overdue(RULES, living.judge)
    assert await status(living) == "lost"

    assert await living.registry.heartbeat(node_id) == Heartbeat("draining")


async def test_drain_and_resume(living: Any) -> None:
    node_id = await joined(living)
    assert await living.life.resume(node_id) is True
    assert await status(living) == "active"
    assert await living.life.drain(node_id) is True
    assert await living.life.drain(node_id) is True
    assert await living.registry.heartbeat(node_id) == Heartbeat("draining")
    assert await living.life.resume(node_id) is True
    assert await living.registry.heartbeat(node_id) == Heartbeat("active")
    assert await living.life.resume(node_id) is True


async def test_registering_again_does_not_end_a_drain(living: Any) -> None:
    node_id = await joined(living)
    await living.life.drain(node_id)
    await living.registry.register(Registration("w1", WORKER, "host-1", 7, {}))

    assert await status(living) == "draining"


async def test_each_request_to_reload_is_counted(living: Any) -> None:
    node_id = await joined(living)
    assert await living.life.reload(node_id) is True
    assert await living.life.reload(node_id) is True

    assert await living.registry.heartbeat(node_id) == Heartbeat("active", 2)
    await living.registry.register(Registration("w1", WORKER, "host-1", 7, {}))
    assert await living.registry.heartbeat(node_id) == Heartbeat("active", 2)
    await living.registry.leave(node_id)
    await living.registry.claim("w1", WORKER, host="host-1", pid=7)
    await living.registry.register(Registration("w1", WORKER, "host-1", 7, {}))
    assert await living.registry.heartbeat(node_id) == Heartbeat("active", 0)


async def test_a_request_wakes_the_node_that_it_is_for(living: Any) -> None:
    node_id = await joined(living)
    waiting = asyncio.ensure_future(living.registry.news(node_id, 30))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await living.life.drain(node_id)

    await asyncio.wait_for(waiting, 10)


async def test_only_a_node_that_is_gone_is_removed_unless_forced(living: Any) -> None:
    node_id = await joined(living)
    with pytest.raises(UsageError, match="expected a node that is inactive or lost"):
        await living.life.remove(node_id)
    await living.registry.leave(node_id)
    await living.life.remove(node_id)

    assert await living.registry.list_nodes(WORKER) == []
    assert await living.life.drain(node_id) is False


async def test_an_inactive_node_is_neither_drained_nor_marked(living: Any) -> None:
    node_id = await joined(living)
    await living.registry.leave(node_id)
    await living.later(node_id, 1000)

    assert await living.life.drain(node_id) is False
    assert await living.life.mark_overdue(RULES, living.judge) == 0
    assert await status(living) == "inactive"


async def test_a_degraded_node_says_why_and_both_changes_are_in_its_timeline(living: Any) -> None:
    node_id = await joined(living)
    for problem in ("/run: no space left on device", "/run: read-only file system"):
        await living.registry.degrade(node_id, problem)
        (node,) = await living.registry.list_nodes(WORKER)
        assert (node.status, node.problem) == ("degraded", problem)
        assert [one.status for one in await living.registry.fleet(WORKER)] == ["degraded"]
    assert await living.registry.heartbeat(node_id) == Heartbeat("degraded")
    await living.registry.register(Registration("w1", WORKER, "host-1", 7, {}))
    assert await status(living) == "degraded"
    await living.registry.degrade(node_id, None)

    assert await living.registry.heartbeat(node_id) == Heartbeat("active")
    changes = await living.registry.node_transitions(node_id)
    assert [(one.runtime_ref, one.name, one.from_status, one.to_status, one.reason) for one in changes] == [
        ("", "place", "degraded", "active", "programs can be run here again"),
        ("", "place", "active", "degraded", "/run: no space left on device"),
    ]


async def test_a_degraded_node_drains_and_is_stale_like_any_other(living: Any) -> None:
    node_id = await joined(living)
    await living.registry.degrade(node_id, "/run: no space left on device")
    await living.later(node_id, 40)
    await living.life.mark_overdue(RULES, living.judge)
    assert await status(living) == "stale"
    assert await living.registry.heartbeat(node_id) == Heartbeat("degraded")
    assert await living.life.drain(node_id) is True
    await living.registry.degrade(node_id, None)

    assert await living.registry.heartbeat(node_id) == Heartbeat("draining")
