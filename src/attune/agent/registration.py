"""A node's registration: detect what the host can run, claim the name, write the row, keep it alive."""

from __future__ import annotations

import os
import socket
from typing import Any, ClassVar

from attune.agent.detector import RuntimeDetector, capabilities_of
from attune.agent.this_host import host_labels
from attune.config import NodeSettings, Settings
from attune.core.node import SENSOR, WORKER, Role
from attune.core.ports import Heartbeat, NodeRegistry, Registration
from attune.operations.detect import Detection
from attune.postgres.connection import Pool
from attune.postgres.nodes import PostgresNodes


class NodeRegistration:
    """One node of `role`. *pool* is an open psycopg `AsyncConnectionPool`."""

    role: ClassVar[Role]

    def __init__(
        self,
        pool: Pool,
        config: Settings,
        *,
        name: str | None = None,
        registry: NodeRegistry | None = None,
        detector: RuntimeDetector | None = None,
    ) -> None:
        self._config = config
        self._registry = registry or PostgresNodes(pool)
        self._detector = detector or RuntimeDetector(pool)
        self.name = name or self._section(config).name or f"{self.role.name}-{socket.gethostname()}"
        self.node_id: int | None = None
        self.detection: Detection | None = None

    async def claim(self) -> None:
        """Hold the name from now on. Raises `NameTakenError` that says who has it."""
        await self._registry.claim(self.name, self.role, host=socket.gethostname(), pid=os.getpid())

    async def detect_capabilities(self, config: Settings | None = None) -> dict[str, Any]:
        """Detect what this host can run; the capabilities that `register` will write."""
        settings = config or self._config
        self.detection = await self._detector.detect(
            settings, self.role, capabilities=self._section(settings).capabilities
        )
        return capabilities_of(self.detection, settings)

    async def register(self, config: Settings | None = None) -> int:
        """Write this node and everything it verified; its id. Detects first if that was not done.

        Raises `NameTakenError` where another live node of this role has the name, `DatabaseError`.
        """
        settings = config or self._config
        if not await self._registry.holds_name():
            await self.claim()
        if self.detection is None:
            await self.detect_capabilities(settings)
        assert self.detection is not None
        self.node_id = await self._registry.register(
            Registration(
                name=self.name,
                role=self.role,
                host=socket.gethostname(),
                pid=os.getpid(),
                capabilities=capabilities_of(self.detection, settings),
                verdicts=self.detection.verdicts,
                labels=host_labels(self._section(settings)),
                taints=self._section(settings).taints,
            )
        )
        return self.node_id

    async def heartbeat(self) -> Heartbeat:
        """Say that this node lives; what the registry has to say to it.

        Registers again if its row or its hold on the name is gone.
        """
        if await self._registry.holds_name() and self.node_id is not None:
            beat = await self._registry.heartbeat(self.node_id)
            if beat is not None:
                return beat
        await self.register()
        return await self.heartbeat()

    async def news(self, timeout_seconds: float) -> None:
        """Wait until somebody asks something of this node, at most *timeout_seconds*."""
        await self._registry.news(self.node_id or 0, timeout_seconds)

    async def reload(self) -> None:
        """Read the definitions again, verify them on this host and register what was found."""
        await self.detect_capabilities()
        await self.register()

    async def deregister(self) -> None:
        """Go inactive and give the name back."""
        await self._registry.leave(self.node_id)

    def _section(self, config: Settings) -> NodeSettings:
        section: NodeSettings = getattr(config, self.role.settings_section)
        return section


class WorkerRegistration(NodeRegistration):
    """A worker: it runs actions."""

    role = WORKER


class SensorWorkerRegistration(NodeRegistration):
    """A sensor: it watches for events."""

    role = SENSOR


REGISTRATIONS: dict[str, type[NodeRegistration]] = {
    WORKER.name: WorkerRegistration,
    SENSOR.name: SensorWorkerRegistration,
}
