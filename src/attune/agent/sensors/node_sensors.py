"""What the parts that run the sensors of one node share: what is held, the fleet as last seen, the database's time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from attune.agent.sensors.instance import SensorInstance
from attune.core.matching.fleet import Node
from attune.core.sensors.assignment import AssignmentView


class DatabaseClock:
    """The database's time as of the last renewal, this host's before; *machine*: seconds since boot, with sleep."""

    def __init__(self, machine: Callable[[], float]) -> None:
        self.machine = machine
        self._now, self._at = datetime.now(UTC), machine()

    def set(self, now: datetime, at: float) -> None:
        """It was *now* when the machine's clock was at *at*."""
        self._now, self._at = now, at

    def now(self) -> datetime:
        return self._now + timedelta(seconds=self.machine() - self._at)


class NodeSensors:
    """What runs on this node, by sensor, and the fleet as last seen. *node*: its name and id once registered."""

    def __init__(self, node: Callable[[], tuple[str, int] | None]) -> None:
        self.node = node
        self.held: dict[int, SensorInstance] = {}
        self.world = AssignmentView()
        self.changed = asyncio.Event()

    def node_now(self) -> Node | None:
        """This node as the registry last showed it."""
        known = self.node()
        return next((node for node in self.world.nodes if known and node.id == known[1]), None)

    def bad_lines(self, output_log: UUID, count: int) -> None:
        """Note that *count* lines of an output log are no events."""
        for instance in self._printing(output_log):
            instance.report = replace(instance.report, bad_lines=count)
            self.changed.set()

    def throttle(self, output_log: UUID, on: bool) -> None:
        """Hold back whatever prints into an output log, as long as *on*."""
        for instance in self._printing(output_log):
            instance.throttle(on)

    def _printing(self, output_log: UUID) -> list[SensorInstance]:
        return [instance for instance in self.held.values() if instance.taken.output_log == output_log]
