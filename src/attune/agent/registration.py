"""A node's registration: detect what the host can run, claim the name, write the row, keep it alive."""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol

from attune.agent.detector import HostDetector, capabilities_of
from attune.agent.health.fleet_guard import FleetGuard
from attune.config import NodeSettings, Settings
from attune.core.errors import DatabaseError
from attune.core.matching.fleet import Node
from attune.core.matching.registered import registered_node
from attune.core.nodes.health import CheckedVerdict, Transition
from attune.core.nodes.role import Role
from attune.core.ports.nodes import (
    FleetLosses,
    HealthReport,
    Heartbeat,
    NodeInstance,
    NodeRegistry,
    Predecessor,
    Registration,
)
from attune.operations.runtimes.detect import Detection


class InstanceFile(Protocol):
    """What tells this node from others of its name, on this host."""

    def identity(self) -> NodeInstance:
        """Its key and this boot."""

    def is_alone(self) -> bool:
        """Whether no other process has this identity."""

    def close(self) -> None:
        """Let the next process be alone."""


class NodeRegistration:
    """One node of *role*. *labels* gives the labels of a node on this host from its settings."""

    def __init__(
        self,
        role: Role,
        config: Settings,
        *,
        registry: NodeRegistry,
        detector: HostDetector,
        labels: Callable[[NodeSettings], Mapping[str, str]],
        instance: Callable[[str], InstanceFile] | None = None,
        losses: FleetLosses | None = None,
        name: str | None = None,
    ) -> None:
        self.role = role
        self.settings = config
        self._registry = registry
        self._detector = detector
        self._labels = labels
        self._guard = None if losses is None else FleetGuard(losses, config.health.fleet_guard)
        self.name = name or config.node(role.name).name or f"{role.name}-{socket.gethostname()}"
        self._instance = instance(self.name) if instance is not None else None
        self._predecessor: tuple[Predecessor, float] | None = None  # and when the name was taken over from it
        self.node_id: int | None = None
        self.detection: Detection | None = None
        self.told = asyncio.Event()  # set whenever somebody may have asked something of this node
        self.problem: str | None = None  # why nothing can be run here, None where it can
        self._status = "active"
        self._node: tuple[object, Node] | None = None
        self._writing = asyncio.Lock()  # what is written last is what was found last

    @property
    def node(self) -> Node | None:
        """This node as the matcher sees it, the same object as long as nothing changes; None while it takes no work."""
        if self.node_id is None or self.detection is None or self.problem or self._status == "draining":
            return None
        known = (self.node_id, self.detection)
        if self._node is None or self._node[0] != known:
            self._node = (known, registered_node(self.node_id, self._offer(self.settings)))
        return self._node[1]

    async def claim(self) -> None:
        """Hold the name from now on. Raises `NameTakenError` that says who has it."""
        known = self._instance.identity() if self._instance is not None else None
        before = await self._registry.claim(
            self.name, self.role, host=socket.gethostname(), pid=os.getpid(), instance=known
        )
        self._predecessor = None if before is None else (before, time.monotonic())
        self.has_work_to_itself()

    @property
    def epoch(self) -> int | None:
        """The number of the lease of the name, None while none is held."""
        return self._registry.epoch

    def has_work_to_itself(self) -> bool:
        """Whether no earlier process of this node can still be running what it had begun."""
        alone = self._instance is not None and self._instance.is_alone()
        if self._predecessor is not None:
            before, since = self._predecessor
            silent = before.age + time.monotonic() - since
            if (alone and before.same_boot) or silent > self.settings.heartbeat.lost_after:
                self._predecessor = None
        return self._predecessor is None

    async def detect_capabilities(
        self, config: Settings | None = None, *, max_age_seconds: float = 0.0
    ) -> dict[str, Any]:
        """What this host can run, as `register` will write it; cached proofs count up to that age."""
        settings = config or self.settings
        self.detection = await self._detect(settings, max_age_seconds)
        return dict(self._offer(settings).capabilities)

    async def _detect(self, settings: Settings, max_age_seconds: float = 0.0) -> Detection:
        capabilities = settings.node(self.role.name).capabilities
        return await self._detector.detect(
            settings, self.role, capabilities=capabilities, max_age_seconds=max_age_seconds
        )

    async def register(self, config: Settings | None = None) -> int:
        """Write this node, detecting first if need be; its id. Raises `NameTakenError`, `DatabaseError`.

        Once a newer start has taken the name over, the error is a `SupersededError`, and the node is to end.
        """
        settings = config or self.settings
        if self.epoch is None:
            await self.claim()
        async with self._writing:
            if self.detection is None:
                await self.detect_capabilities(settings)
            self.node_id = await self._registry.register(self._offer(settings))
            await self.tell_problem()
            return self.node_id

    async def heartbeat(self, refused: str = "") -> Heartbeat:
        """Say that this node lives; what the registry says to it. Registers again if its row is gone."""
        if self.epoch is not None and self.node_id is not None:
            beat = await self._registry.heartbeat(self.node_id, refused)
            if beat is not None:
                self._status = beat.status
                return beat
        await self.register()
        return await self.heartbeat(refused)

    @property
    def is_misjudged(self) -> bool:
        """Whether the registry does not know whether anything can be run here."""
        return self._status == ("active" if self.problem else "degraded")

    async def tell_problem(self) -> None:
        """Have the registry know whether anything can be run here. Raises `DatabaseError`."""
        if self.node_id is not None:
            await self._registry.degrade(self.node_id, self.problem)

    async def news(self, timeout_seconds: float) -> None:
        """Wait until somebody asks something of this node, at most *timeout_seconds*."""
        await self._registry.news(self.node_id or 0, timeout_seconds)
        self.told.set()

    async def reload(self) -> None:
        """Read the definitions again, verify them on this host and register what was found."""
        detection = await self._detect(self.settings)
        if self._guard is not None and self.node_id is not None and self.detection is not None:
            detection = await self._guard.kept(self.node_id, self.detection, detection)
        self.detection = detection
        await self.register()

    async def tell_losses(self, refs: Collection[str] | None = None) -> None:
        """Say which of *refs*, else of what this node does not offer, much of the fleet has lost lately."""
        if self._guard is not None and self.node_id is not None and self.detection is not None:
            missing = {verdict.ref for verdict in self.detection.verdicts if not verdict.status.offered}
            with suppress(DatabaseError):
                await self._guard.tell(self.node_id, missing if refs is None else missing.intersection(refs))

    async def record_health(
        self, now: float, checked: Sequence[CheckedVerdict], transitions: Sequence[Transition], offer_changed: bool
    ) -> bool:
        """Write what checks found; False if that must wait for a heartbeat. Raises `DatabaseError`."""
        assert self.detection is not None
        newer = {report.verdict.ref: report.verdict for report in checked}
        verdicts = tuple(newer.get(verdict.ref, verdict) for verdict in self.detection.verdicts)
        self.detection = replace(self.detection, verdicts=verdicts)
        async with self._writing:
            if self.node_id is None or self.epoch is None:
                return False
            offer = self._offer(self.settings) if offer_changed else None
            report = HealthReport(now, checked, transitions, offer)
            stored = await self._registry.record_health(self.node_id, report)
        await self.tell_losses([transition.runtime_ref for transition in transitions])
        return stored

    async def deregister(self) -> None:
        """Go inactive and give the name back."""
        try:
            await self._registry.leave(self.node_id)
        finally:
            if self._instance is not None:
                self._instance.close()

    def _offer(self, settings: Settings) -> Registration:
        assert self.detection is not None
        section = settings.node(self.role.name)
        labels = self._labels(section)
        return Registration(
            name=self.name,
            role=self.role,
            host=socket.gethostname(),
            pid=os.getpid(),
            capabilities=capabilities_of(self.detection, settings, labels),
            verdicts=self.detection.verdicts,
            labels=labels,
            taints=section.taints,
        )
