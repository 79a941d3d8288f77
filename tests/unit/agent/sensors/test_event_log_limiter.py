"""What a node's log says of events that led nowhere."""

from __future__ import annotations

from attune.agent.sensors.event_forwarder import EventLogLimiter
from attune.core.sensors.event_line import NewEvent


def test_a_sensor_gets_a_line_in_ten_seconds_and_the_next_says_how_many_were_left_out() -> None:
    now = 0.0
    told: list[str] = []
    complain = EventLogLimiter(lambda: now, told.append)
    for second in (0, 1, 9, 11, 12, 22):
        now = float(second)
        complain(NewEvent("acme.t", {}, 1, "acme.a"), f"reason {second}")
    complain(NewEvent("acme.t", {}, 2, "acme.b"), "another")

    assert told == [
        "acme.a: an event has not led to what it should: reason 0",
        "acme.a: an event has not led to what it should: reason 11 (2 more since the last line on it)",
        "acme.a: an event has not led to what it should: reason 22 (1 more since the last line on it)",
        "acme.b: an event has not led to what it should: another",
    ]
