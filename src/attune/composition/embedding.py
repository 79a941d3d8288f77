"""What programs that embed Attune use: the detector, the registrations of nodes and the fleet, on their own pool."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, ClassVar

from attune.agent.detector import HostDetector, capabilities_of, detection_options
from attune.agent.registration import NodeRegistration
from attune.composition.databases import data_dir
from attune.composition.host_examiner import examiner_for, host_labels
from attune.config import Settings, load_settings
from attune.core.errors import UsageError
from attune.core.matching.fleet import Node
from attune.core.nodes.role import ROLES, SENSOR, WORKER, Role, role_of_variable
from attune.core.ports.nodes import NodeRegistry
from attune.core.ports.runtimes import RuntimeCatalog
from attune.core.runtimes.runtime import Runtime
from attune.core.runtimes.selection import select
from attune.core.runtimes.verdict import Verdict
from attune.host.instance import HostInstance
from attune.operations.runtimes.detect import detect
from attune.operations.runtimes.examine import Examiner
from attune.postgres.connection import Pool, open_pool
from attune.postgres.nodes.fleet_losses import PostgresFleetLosses
from attune.postgres.nodes.registry import PostgresNodes
from attune.postgres.runtimes.store import PostgresRuntimes


class RuntimeDetector(HostDetector):
    """Detects what this host can run.

    *source* is an open psycopg `AsyncConnectionPool`, or any `RuntimeCatalog`. Definitions are read each time
    `detect` is called and never behind your back.
    """

    def __init__(self, source: "Pool | RuntimeCatalog", *, examiner: Examiner | None = None) -> None:
        catalog: RuntimeCatalog = source if hasattr(source, "list_runtimes") else PostgresRuntimes(source)
        super().__init__(catalog, (lambda _settings: examiner) if examiner else examiner_for)

    async def detect_capabilities(
        self, config: Settings | None, env_var_name: str, config_capabilities: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The capabilities to register, as stored in `worker.capabilities`.

        Environment variable *env_var_name* decides first, then `config_capabilities["runtimes"]`, then the
        definitions, verified on this host. Raises `ConfigError` for values that cannot be read, `DatabaseError`.
        """
        settings = config or load_settings(upwards=False)
        role = role_of_variable(env_var_name)
        detection = await self.detect(settings, role or WORKER, env_var_name, config_capabilities)
        return capabilities_of(detection, settings, host_labels(settings.node((role or WORKER).name)))

    async def detect_from_database(self) -> list[str]:
        """The names of all runtimes that are verified on this host, whatever the environment or a file say.

        Raises `ConfigError`, `DatabaseError`.
        """
        return (await self.detect_all(load_settings(upwards=False))).offered

    @staticmethod
    async def verify_runtime_available(runtime: Runtime) -> bool:
        """Whether *runtime* is there on this host. Raises `ConfigError` for settings that cannot be read."""
        return (await RuntimeDetector.verify(runtime)).status.offered

    @staticmethod
    async def verify(runtime: Runtime) -> Verdict:
        """The verdict on *runtime* on this host, with reason and evidence. Raises `ConfigError` as above."""
        settings = load_settings(upwards=False)
        selection = select("", None, WORKER.name)
        options = detection_options(settings)
        detection = await asyncio.to_thread(detect, [runtime], selection, None, examiner_for(settings), options)
        return detection.verdicts[0]


class PoolRegistration(NodeRegistration):
    """A node that registers itself on *pool*, an open psycopg `AsyncConnectionPool`."""

    _role: ClassVar[Role]

    def __init__(
        self,
        pool: "Pool",
        config: Settings,
        *,
        name: str | None = None,
        registry: NodeRegistry | None = None,
        detector: HostDetector | None = None,
    ) -> None:
        super().__init__(
            self._role,
            config,
            registry=registry or PostgresNodes(pool, max(1.5, config.heartbeat.lost_after / 4)),
            detector=detector or RuntimeDetector(pool),
            labels=host_labels,
            instance=lambda name: HostInstance(data_dir(config) / "nodes", self._role, name),
            losses=PostgresFleetLosses(pool) if registry is None else None,
            name=name,
        )


class WorkerRegistration(PoolRegistration):
    """A worker: it runs actions."""

    _role = WORKER


class SensorWorkerRegistration(PoolRegistration):
    """A sensor: it watches for events."""

    _role = SENSOR


REGISTRATIONS: Mapping[str, type[PoolRegistration]] = {
    WORKER.name: WorkerRegistration,
    SENSOR.name: SensorWorkerRegistration,
}


async def load_fleet(source: "Pool | str", role: str = "worker") -> Sequence[Node]:
    """All nodes of one role, `worker` or `sensor`, as `match` and `explain` take them.

    *source* is an open psycopg `AsyncConnectionPool`, or the URL of a database.

    Raises `UsageError` for another role, `DatabaseError` where the database cannot be reached or is not migrated.
    """
    if role not in ROLES:
        raise UsageError(f"role: expected {' or '.join(ROLES)}, got {role!r}")
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(source, size=1)) if isinstance(source, str) else source
        return await PostgresNodes(pool).fleet(ROLES[role])
