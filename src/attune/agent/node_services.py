"""What nodes of each role do beside their heartbeat: a table, and nothing else differs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attune.agent.health.monitor import HealthMonitor
from attune.agent.node import NodeService
from attune.agent.registration import NodeRegistration
from attune.agent.requests import request_handler_for
from attune.agent.sensors.builtin import BuiltinSensors
from attune.agent.sensors.event_forwarder import EventForwarder
from attune.agent.sensors.event_log_limiter import EventLogLimiter
from attune.agent.sensors.instance import BuiltinInstance, ProcessInstance, SensorInstance
from attune.agent.sensors.leases import DatabaseClock, LeaseRules, SensorLeases
from attune.agent.sensors.sensor_context import SensorContext
from attune.agent.worker.executions import ExecutionRunner
from attune.config import Settings, process_environment, variable
from attune.core.executions.work import PackFolders
from attune.core.nodes.role import SENSOR, WORKER, Role
from attune.core.ports.sensors import TakenLease
from attune.core.sensors.restart import RestartRules
from attune.core.sensors.sensor import Sensor
from attune.host.executions.runner import HostWorkRunner
from attune.host.packs.cache import PackCache
from attune.host.sensors.output_log import SensorFolder
from attune.postgres.connection import Pool
from attune.postgres.embedded import default_data_dir
from attune.postgres.executions.routing import PostgresRouting
from attune.postgres.executions.store import PostgresExecutions
from attune.postgres.packs.files import PostgresPackFiles
from attune.postgres.sensors.events import PostgresSensorEvents
from attune.postgres.sensors.store import PostgresSensors
from attune.postgres.statements import Statements
from attune.queue.procrastinate_queue import ProcrastinateQueue
from attune.reactions import reaction, record_for_sensors

NodeServices = Callable[[NodeRegistration, HealthMonitor], Sequence[NodeService]]


def node_services_of(role: Role, pool: Pool, packs: PackFolders | None = None) -> NodeServices:
    """What nodes of *role* do beside their heartbeat, on *pool*."""
    makers = _MAKERS[role.name]

    def made(registration: NodeRegistration, vigil: HealthMonitor) -> list[NodeService]:
        cache = packs or PackCache(_data_dir(registration.settings) / "packs", PostgresPackFiles(pool).files)
        return [make(registration, vigil, pool, cache) for make in makers]

    return made


def sensing_for(
    registration: NodeRegistration, vigil: HealthMonitor, pool: Pool, packs: PackFolders | None = None
) -> SensorLeases:
    """Runs sensors on the node of *registration*."""
    settings = registration.settings
    folder = SensorFolder(_data_dir(settings))
    clock, events = DatabaseClock(), PostgresSensorEvents(pool, record_for_sensors(reaction(), EventLogLimiter()))

    def node() -> tuple[str, int] | None:
        return None if registration.node_id is None else (registration.name, registration.node_id)

    sensing = SensorLeases(node, PostgresSensors(pool), folder, LeaseRules(settings.sensing.lease), clock)
    place = SensorContext(
        folder, process_environment(), sensing.node_now, clock.now, vigil.suspect, packs, restart_rules(settings)
    )
    builtins = BuiltinSensors(lambda: registration.node_id or 0, events, clock.now)

    def begin(sensor: Sensor, taken: TakenLease, told: Callable[[], None]) -> SensorInstance:
        if sensor.is_builtin:
            return BuiltinInstance(sensor, taken, told, builtins.watch)
        return ProcessInstance(sensor, taken, place, told)

    sensing.begin = begin
    sensing.shipper = EventForwarder(folder, events, sensing.bad_lines, sensing.throttle)
    return sensing


def restart_rules(settings: Settings) -> RestartRules:
    """How sensors are started again, as *settings* want it."""
    sensing = settings.sensing
    return RestartRules(
        first=sensing.restart_first, slowest=sensing.restart_slowest, healthy_after=sensing.healthy_after
    )


def _data_dir(settings: Settings) -> Path:
    if settings.data_dir is not None:
        return settings.data_dir
    import os

    return default_data_dir(is_root=os.geteuid() == 0, home=Path.home(), xdg_data_home=variable("XDG_DATA_HOME"))


def executions_for(
    registration: NodeRegistration, vigil: HealthMonitor, pool: Pool, packs: PackFolders
) -> ExecutionRunner:
    """Runs executions on the node of *registration*."""
    settings = registration.settings

    def suspect(name: str) -> None:
        for verdict in registration.detection.verdicts if registration.detection else ():
            if verdict.capability == name:
                vigil.suspect(verdict.ref)

    return ExecutionRunner(
        lambda: registration.node,
        queue=ProcrastinateQueue(Statements(pool).rows),
        routing=PostgresRouting(pool),
        attempts=PostgresExecutions(pool),
        runner=HostWorkRunner(process_environment()),
        packs=packs,
        suspect=suspect,
        default_timeout=settings.executions.timeout,
    )


Maker = Callable[[NodeRegistration, HealthMonitor, Pool, PackFolders], NodeService]
_MAKERS: Mapping[str, tuple[Maker, ...]] = {
    WORKER.name: (request_handler_for, executions_for),
    SENSOR.name: (request_handler_for, sensing_for),
}
