"""The loop of the built-in timers on a clock that a test sets: what fires when clocks and time zones change."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from attune.agent.sensors import builtin
from attune.agent.sensors.instance import BuiltinInstance
from attune.core.sensors.sensor import Sensor
from attune.testing.sensors import MemorySensors

pytestmark = pytest.mark.anyio
LONGEST = 600.0  # that they sleep at a time, here
NOON = datetime(2026, 3, 28, 12, tzinfo=UTC)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Clock:
    """Time passes only while somebody sleeps; at each of *steps*, in seconds after *begin*, it is set by so much."""

    def __init__(self, begin: datetime, seconds: float, steps: dict[float, float]) -> None:
        self.begin, self.left, self.steps = begin, seconds, dict(steps)
        self.passed = self.ahead = 0.0
        self.sleeps: list[float] = []
        self.over = asyncio.Event()

    def now(self) -> datetime:
        return self.begin + timedelta(seconds=self.passed + self.ahead)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.sleeps.append(seconds)
        self.passed += seconds
        for at in [at for at in self.steps if at <= self.passed]:
            self.ahead += self.steps.pop(at)
        if self.passed > self.left:
            self.over.set()
            await asyncio.Event().wait()


async def fired(monkeypatch: pytest.MonkeyPatch, config: dict[str, Any], clock: Clock) -> list[tuple[datetime, int]]:
    """What a timer of *config* fired until the clock ended: the time that it fired for, and how many were missed."""
    monkeypatch.setattr(builtin, "asyncio", SimpleNamespace(sleep=clock.sleep))
    monkeypatch.setattr(builtin, "_LONGEST_SLEEP", LONGEST)
    sensor = Sensor(
        1, "acme.timer", "acme.t", "cron" if "cron" in config else "interval", "builtin", "core.sensor.builtin",
        config=config,
    )  # fmt: skip
    store = MemorySensors({1: sensor})
    (taken,) = await store.take(1, [1], 3600)
    sensors = builtin.BuiltinSensors(lambda: 1, store, clock.now, lambda path: lambda: None)
    instance = BuiltinInstance(sensor, taken, lambda: None, sensors.watch)
    instance.begin(0)
    async with asyncio.timeout(30):
        await clock.over.wait()
    await instance.stop()
    return [(datetime.fromisoformat(one.payload["at"]), one.payload["missed"]) for one in store.events]


@pytest.mark.parametrize("config", [{"every": "1m"}, {"cron": "* * * * *"}], ids=["interval", "cron"])
async def test_a_clock_that_is_set_fires_nothing_twice_and_never_spins(
    monkeypatch: pytest.MonkeyPatch, config: dict[str, Any]
) -> None:
    clock = Clock(NOON, 4 * 3600.0, {1800.0: -3600.0, 2 * 3600.0: 7200.0, 3 * 3600.0: 0.5, 3.5 * 3600: -0.5})
    events = await fired(monkeypatch, config, clock)
    times = [at for at, _ in events]

    assert times == sorted(set(times))
    assert sum(1 + missed for _, missed in events) == (times[-1] - NOON) / timedelta(minutes=1)
    assert [missed for _, missed in events if missed] == [120]
    assert len(clock.sleeps) < 4 * 3600 / LONGEST + 3 * len(events)


@pytest.mark.parametrize(
    ("begin", "times"),
    [
        (datetime(2026, 3, 28, tzinfo=UTC), ["28T02:30:00+01:00", "29T03:00:00+02:00", "30T02:30:00+02:00"]),
        (datetime(2026, 10, 24, tzinfo=UTC), ["24T02:30:00+02:00", "25T02:30:00+02:00", "26T02:30:00+01:00"]),
    ],
    ids=["to summer time", "to winter time"],
)
async def test_a_nightly_timer_fires_once_a_night_when_clocks_change(
    monkeypatch: pytest.MonkeyPatch, begin: datetime, times: list[str]
) -> None:
    clock = Clock(begin, 3 * 86_400.0, {})
    events = await fired(monkeypatch, {"cron": "30 2 * * *", "timezone": "Europe/Berlin"}, clock)

    assert [(at.isoformat()[8:], missed) for at, missed in events] == [(at, 0) for at in times]
    assert len(clock.sleeps) < 3 * 86_400 / LONGEST + 3 * len(events)


async def test_an_hourly_timer_fires_each_hour_also_in_the_night_that_has_another_length(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for begin in (datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC)):
        clock = Clock(begin, 86_400.0, {})
        events = await fired(monkeypatch, {"cron": "0 * * * *", "timezone": "Europe/Berlin"}, clock)

        assert [at.astimezone(UTC) for at, _ in events] == [begin + timedelta(hours=hour) for hour in range(1, 25)]


async def test_a_timer_that_fires_next_year_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(datetime(2027, 1, 1, tzinfo=UTC), 3600.0, {})
    events = await fired(monkeypatch, {"cron": "0 0 29 2 *"}, clock)

    assert (events, Counter(clock.sleeps).keys()) == ([], {LONGEST})
