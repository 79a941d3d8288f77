"""The parts of a node. What nodes of each role do beside their heartbeat is a table, and nothing else differs."""

import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, replace
from functools import cache, partial

from attune.agent.health.monitor import HealthMonitor
from attune.agent.logs import log
from attune.agent.node import NodeParts, NodeService
from attune.agent.place import NodePlace
from attune.agent.registration import NodeRegistration
from attune.agent.requests import RequestHandler
from attune.agent.secrets import SecretResolver
from attune.agent.sensors.builtin import BuiltinSensors
from attune.agent.sensors.event_forwarder import EventForwarder, EventLogLimiter
from attune.agent.sensors.instance import BuiltinInstance, ProcessInstance, SensorContext, SensorInstance
from attune.agent.sensors.leases import DatabaseClock, NodeSensors, SensorLeases
from attune.agent.service import node_options, run_service
from attune.agent.worker.executions import ExecutionRunner
from attune.agent.worker.start_checks import StartChecks
from attune.catalogue import helper_file
from attune.composition.databases import data_dir, shipped_runtimes
from attune.composition.embedding import REGISTRATIONS
from attune.composition.events import record_for_sensors
from attune.composition.host_examiner import contract_for, examiner_for, place_probe, reverifier_for
from attune.composition.secrets import keyring_for
from attune.config import Settings
from attune.core.backoff import RestartRules
from attune.core.nodes.role import SENSOR, WORKER, Role
from attune.core.packs.pack import PackFile
from attune.core.ports.packs import PackFolders
from attune.core.ports.sensors import TakenLease
from attune.core.runtimes.definition import Definition, StartOptions, parse_definition
from attune.core.runtimes.verification import Verification
from attune.core.sensors.sensor import Sensor
from attune.host.contract.supervisors import boottime
from attune.host.executions.runner import HostWorkRunner
from attune.host.packs.cache import PackCache
from attune.host.sensors.file_watcher import FileWatcher
from attune.host.sensors.output_log import SensorFolder
from attune.host.sensors.process import HostSensorStarter
from attune.operations.installation.retain import Retention
from attune.postgres.access.secrets import PostgresSecrets
from attune.postgres.connection import Pool, open_pool
from attune.postgres.executions.routing import PostgresRouting
from attune.postgres.executions.store import PostgresExecutions
from attune.postgres.nodes.node_control import PostgresNodeControl
from attune.postgres.nodes.requests import PostgresNodeRequests
from attune.postgres.packs.store import PostgresPacks
from attune.postgres.retention import PostgresRetention
from attune.postgres.rows import read_all
from attune.postgres.sensors.events import PostgresSensorEvents
from attune.postgres.sensors.store import PostgresSensors
from attune.queue.jobs import ProcrastinateQueue


async def run_node_on(
    settings: Settings,
    url: str,
    role: Role,
    name: str | None,
    *,
    heal: Callable[[], Awaitable[None]],
    supervisor: socket.socket | None = None,
) -> None:
    """Run a node of *role* (None for its default name) on the database at *url*, as `run_service` says."""
    async with open_pool(url, application_name="attune node") as pool:
        await run_service(node_parts(settings, role, name, pool, heal), supervisor)


def node_parts(
    settings: Settings, role: Role, name: str | None, pool: Pool, heal: Callable[[], Awaitable[None]]
) -> NodeParts:
    """A node of *role* on *pool*."""
    registration = REGISTRATIONS[role.name](pool, settings, name=name)
    monitor = HealthMonitor(registration, reverifier_for(settings))
    user = contract_for(settings).user
    folder = data_dir(settings) / "packs"
    probe = place_probe(settings, [folder])
    place = NodePlace(registration, probe, settings.health.interval, healed=monitor.suspect_all)
    helper = PackFile(helper_file().name, helper_file().read_bytes())
    readers = None if user is None else user.gid
    packs = PackCache(folder, PostgresPacks(pool).files, readers, tell=log.warning, helper_files=[helper])
    services = [make(registration, monitor, place, pool, packs) for make in _MAKERS[role.name]]
    retain = Retention(PostgresRetention(pool), asdict(settings.retention)).tick
    options = replace(node_options(settings, role, heal), retain=retain)
    return NodeParts(registration, PostgresNodeControl(pool), monitor, place, services, options)


def request_handler_for(
    registration: NodeRegistration, _monitor: HealthMonitor, _place: NodePlace, pool: Pool, _packs: PackFolders
) -> RequestHandler:
    """Answers requests on this host, with what is true there now, whatever was found before."""
    settings = registration.settings
    return RequestHandler(registration, PostgresNodeRequests(pool), lambda: examiner_for(settings))


def sensing_for(
    registration: NodeRegistration, monitor: HealthMonitor, _place: NodePlace, pool: Pool, packs: PackFolders
) -> SensorLeases:
    """Runs sensors on the node of *registration*."""
    own = (settings := registration.settings).sensing

    def node() -> tuple[str, int] | None:
        return None if registration.node_id is None else (registration.name, registration.node_id)

    folder, clock, sensors = SensorFolder(data_dir(settings)), DatabaseClock(boottime), NodeSensors(node)
    events = PostgresSensorEvents(pool, record_for_sensors(tell := EventLogLimiter(), keyring_for(settings)), tell)
    context = SensorContext(
        folder=folder,
        start=HostSensorStarter(contract_for(settings)),
        node=sensors.node_now,
        clock=boottime,
        suspect=monitor.suspect,
        recheck=monitor.recheck,
        secrets=SecretResolver(PostgresSecrets(pool), keyring_for(settings)),
        packs=packs,
        options=partial(_start_options, registration),
        restarts=RestartRules(first=own.restart_first, slowest=own.restart_slowest, healthy_after=own.healthy_after),
    )
    builtins = BuiltinSensors(lambda: registration.node_id or 0, events, clock.now, FileWatcher)

    def begin(sensor: Sensor, taken: TakenLease, changed: Callable[[], None]) -> SensorInstance:
        if sensor.is_builtin:
            return BuiltinInstance(sensor, taken, changed, builtins.watch)
        return ProcessInstance(sensor, taken, context, changed)

    return SensorLeases(
        sensors,
        PostgresSensors(pool, lease=lambda: registration.epoch),
        folder,
        own.lease,
        clock,
        begin=begin,
        forwarder=EventForwarder(folder, events, sensors.bad_lines, sensors.throttle),
    )


@cache
def _shipped() -> Mapping[str, Verification]:
    """How the shipped definitions with a smoke check are verified, by capability."""
    shipped = map(parse_definition, shipped_runtimes())
    return {one.capability: one.verification for one in shipped if one.verification.smoke is not None}


def _definition(registration: NodeRegistration, ref: str) -> Definition | None:
    return {one.ref: one for one in registration.detection.definitions}.get(ref) if registration.detection else None


def _start_options(registration: NodeRegistration, ref: str) -> StartOptions:
    found = _definition(registration, ref)
    return found.start.on_host(registration.settings.host.environment) if found else StartOptions()


def _provable(registration: NodeRegistration, ref: str) -> tuple[Definition, bool] | None:
    """The definition of *ref*, with the smoke check of the one shipped for its capability where it has none itself."""
    found = _definition(registration, ref)
    if found and (own := found.verification).smoke is None and (shipped := _shipped().get(found.capability)):
        undecided = (*own.undecided_patterns, *shipped.undecided_patterns)
        return replace(found, verification=replace(own, smoke=shipped.smoke, undecided_patterns=undecided)), False
    return (found, True) if found else None


def executions_for(
    registration: NodeRegistration, monitor: HealthMonitor, place: NodePlace, pool: Pool, packs: PackFolders
) -> ExecutionRunner:
    """Runs executions on the node of *registration*."""
    settings = registration.settings
    provable = partial(_provable, registration)
    return ExecutionRunner(
        lambda: registration.node,
        queue=ProcrastinateQueue(partial(read_all, pool, dict)),
        routing=PostgresRouting(pool),
        attempts=PostgresExecutions(pool, lease=lambda: registration.epoch),
        runner=HostWorkRunner(contract_for(settings), output_kept=settings.executions.output_kept),
        packs=packs,
        secrets=SecretResolver(PostgresSecrets(pool), keyring_for(settings)),
        suspect=monitor.suspect,
        unfit=place.unfit,
        recheck=monitor.recheck,
        broken=StartChecks(examiner_for(settings), provable, monitor.found_broken).problem,
        default_timeout=settings.executions.timeout,
        start=partial(_start_options, registration),
        alone=registration.has_work_to_itself,
    )


Maker = Callable[[NodeRegistration, HealthMonitor, NodePlace, Pool, PackFolders], NodeService]
_MAKERS: Mapping[str, tuple[Maker, ...]] = {
    WORKER.name: (request_handler_for, executions_for),
    SENSOR.name: (request_handler_for, sensing_for),
}
