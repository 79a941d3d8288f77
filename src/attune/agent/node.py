"""The life of one node: claim the name, detect, register, beat and keep it true until told to stop, leave."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

import structlog

from attune.agent.health import vigil_for
from attune.agent.registration import NodeRegistration
from attune.core.errors import AttuneError, DatabaseError

log = structlog.get_logger("attune")

_JITTER = 0.2
_SLOWEST_RETRY_SECONDS = 30.0


async def run_node(
    registration: NodeRegistration,
    stop: asyncio.Event,
    *,
    interval_seconds: float = 10.0,
    heal: Callable[[], Awaitable[None]] | None = None,
    on_ready: Callable[[NodeRegistration], None] | None = None,
) -> None:
    """Run until *stop* is set. *heal* is called while the database cannot be reached, *on_ready* after registering.

    Raises `NameTakenError` where the name is taken, now or after an outage.
    """
    structlog.contextvars.bind_contextvars(node=registration.name)
    await registration.claim()
    registered = await _unless_stopped(_join(registration), stop)
    try:
        if registered:
            if on_ready is not None:
                on_ready(registration)
            beating = _beat(registration, stop, interval_seconds, heal)
            await _together(beating, vigil_for(registration, registration.settings).keep(stop))
    finally:
        log.info(f"{registration.role.name} stops")
        with suppress(DatabaseError):
            await registration.deregister()


async def _join(registration: NodeRegistration) -> None:
    await registration.detect_capabilities()
    node_id = await registration.register()
    log.info(f"{registration.role.name} registered", id=node_id)


async def _unless_stopped(work: Awaitable[None], stop: asyncio.Event) -> bool:
    """Run *work* to its end, or abandon it when *stop* is set first; whether it ended."""
    task = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
            return True
        return False
    finally:
        for one in (task, stopping):
            one.cancel()
        await asyncio.gather(task, stopping, return_exceptions=True)


async def _together(*work: Coroutine[Any, Any, None]) -> None:
    """Run all of *work* until one of it ends, in an error perhaps, which is raised; the rest is cancelled."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _beat(
    registration: NodeRegistration,
    stop: asyncio.Event,
    interval: float,
    heal: Callable[[], Awaitable[None]] | None,
) -> None:
    failures = 0
    while not await _sleep(stop, _pause(interval, failures)):
        try:
            await registration.heartbeat()
        except DatabaseError as error:
            if not failures:
                log.warning(f"heartbeat failed, trying again until it works: {error}")
            failures += 1
            if heal is not None:
                with suppress(AttuneError):
                    await heal()
            continue
        if failures:
            log.info("heartbeats work again", failed=failures)
        failures = 0


def _pause(interval: float, failures: int) -> float:
    base = interval if not failures else min(_SLOWEST_RETRY_SECONDS, 0.5 * 2 ** min(failures - 1, 10))
    return base * random.uniform(1 - _JITTER, 1 + _JITTER)


async def _sleep(stop: asyncio.Event, seconds: float) -> bool:
    """Wait; whether *stop* was set meanwhile."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True
