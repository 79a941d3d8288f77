"""An examiner for this machine, put together from its settings."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from attune.composition.databases import data_dir
from attune.config import HostSettings, NodeSettings, Settings, process_environment, variable
from attune.core.errors import UsageError
from attune.core.nodes.role import Role
from attune.core.runtimes.selection import Selection, select
from attune.host.contract.accounts import run_user, user_id
from attune.host.contract.admission import Admission
from attune.host.contract.environment import TrustedEnvironment, check_environment
from attune.host.contract.execution_contract import ExecutionContract, work_cache
from attune.host.contract.launch import Limits, RunUser
from attune.host.contract.ownership import OwnershipRule
from attune.host.contract.place import place_problem
from attune.host.contract.policy import HostPolicy
from attune.host.contract.protections import Protection, protections
from attune.host.contract.readable import ReadableFiles
from attune.host.contract.run_folders import RunFolders, home_of, run_places
from attune.host.probing.assemble import HostChecks, HostOptions, assemble
from attune.host.probing.directory_reader import DirectoryReader
from attune.host.probing.path_index import PathIndex
from attune.operations.runtimes.examine import Examiner

if TYPE_CHECKING:
    from attune.operations.runtimes.reverify import Reverifier


_SECRETS_OF_DATA = ("token", "secrets.key", "postgres", "postgres.log", "attune.log", "sensors")
_SECRETS_OF_HOME = (".pgpass", ".pg_service.conf", ".postgresql")
_NEVER_HIDDEN = ("/etc/", "/dev/", "/proc/", "/sys/")  # what is replaced while programs run, and what they make there


def examiner_for(settings: Settings) -> Examiner:
    """What examines this host within the limits that *settings* draw."""
    return _examiner(settings, _checks(settings))


def selection_for(settings: Settings, role: Role) -> Selection:
    """What the environment and *settings* say a node of *role* offers here. Raises `ConfigError`."""
    name = role.environment_variable
    return select(name, variable(name), role.name, settings.node(role.name).capabilities)


def refused_folders(settings: Settings) -> tuple[str, ...]:
    """Why programs here get no commands, libraries or settings from some folders that PATH and other variables name."""
    trusted = _trusted(settings.host, host_policy(settings.host))
    trusted()
    return (*_checks(settings).paths.refusals(), *trusted.reasons)


def place_probe(settings: Settings, folders: Sequence[Path]) -> Callable[[], str | None]:
    """What says why nothing can be run on this host now, or written to *folders*; None where all can."""
    return partial(place_problem, contract_for(settings), folders)


def host_protections(settings: Settings) -> tuple[Protection, ...]:
    """What protects this host from the programs that it runs."""
    return protections(contract_for(settings))


def _examiner(settings: Settings, checks: HostChecks) -> Examiner:
    return Examiner(checks.runner, checks.paths, checks.cache, max_timeout_seconds=settings.detection.max_timeout)


def reverifier_for(settings: Settings) -> "Reverifier":
    """What keeps true on this host what was found there."""
    from attune.core.nodes.health import HealthPolicy
    from attune.core.nodes.health_schedule import CheckSchedule
    from attune.host.probing.file_probe import FileProbe
    from attune.operations.runtimes.reverify import Reverifier

    checks, health = _checks(settings), settings.health
    return Reverifier(
        _examiner(settings, checks),
        FileProbe(checks.paths),
        time.monotonic,
        HealthPolicy(health.failures_to_withdraw, health.successes_to_restore),
        CheckSchedule(health.interval, health.full_interval),
        deadline_seconds=settings.detection.deadline,
    )


def contract_for(settings: Settings) -> ExecutionContract:
    """How programs are run on this host: checks, actions and sensors. Raises `UsageError` for a user unknown here."""
    host, environment = settings.host, process_environment()
    user, policy = _run_user(host), host_policy(host)
    if host.landlock and not host.no_new_privileges and os.geteuid() != 0:
        raise UsageError("host.no_new_privileges: false needs host.landlock: false too, unless root runs Attune")
    owner = None if user is None else (user.uid, user.gid)
    trusted = _trusted(host, policy)
    passed = trusted()
    places = (str(host.run_folder),) if host.run_folder else run_places(environment, os.geteuid())
    paths = PathIndex(passed["PATH"], policy)
    return ExecutionContract(
        environment=passed,
        folders=RunFolders(places, partial(policy.ownership.refuses_folder, sticky=False), owner),
        trusted=trusted,
        path=paths.trusted_path,
        user=user,
        limits=Limits(memory_bytes=host.memory_mb and host.memory_mb << 20, processes=host.processes),
        no_new_privileges=host.no_new_privileges,
        confined=host.landlock,
        writable=host.writable,
        readable=ReadableFiles(_hidden(settings, environment, places)),
        cache_folder=work_cache(passed, user),
        refuses=Admission(policy, paths).refuses,
    )


def _hidden(settings: Settings, environment: Mapping[str, str], run_places: Sequence[str]) -> frozenset[str]:
    """What this service can read and its programs cannot: its secrets, those of its user, and run folders of others."""
    data, home = data_dir(settings), home_of(os.geteuid())
    configuration = environment.get("XDG_CONFIG_HOME") or f"{environment.get('HOME') or home}/.config"
    files = {settings.secrets.key_file, *(data / name for name in _SECRETS_OF_DATA), f"{configuration}/attune"}
    files |= {f"{folder}/{name}" for folder in (home, environment.get("HOME") or home) for name in _SECRETS_OF_HOME}
    files |= {settings.path, *map(environment.get, ("PGPASSFILE", "PGSERVICEFILE")), *run_places} - {None}
    found = (str(file) for file in files)
    return frozenset(file for file in found if file.startswith("/") and not file.startswith(_NEVER_HIDDEN))


def _trusted(host: HostSettings, policy: HostPolicy) -> TrustedEnvironment:
    """The variables that programs get. What an operator names is taken as it is."""
    user, reader = _run_user(host), DirectoryReader()
    given = check_environment(process_environment(), host.environment, user.home if user else "")

    def distrusts(path: str) -> str:
        [answer] = reader.ask(policy.ownership.distrusts, [path])
        return f"{path} does not answer" if answer is None else answer

    return TrustedEnvironment(given, distrusts, host.environment)


def _run_user(host: HostSettings) -> RunUser | None:
    if host.run_as is None:
        return None
    if os.geteuid() != 0:
        raise UsageError(f"host.run_as: expected to be set for root only, who can run programs as {host.run_as!r}")
    return run_user(host.run_as)


def _checks(settings: Settings) -> HostChecks:
    detection, environment = settings.detection, process_environment()
    options = HostOptions(
        policy=host_policy(settings.host),
        contract=contract_for(settings),
        cache_folder=str(_cache_folder(settings, environment)) if detection.cache else None,
        warn=_warn,
    )
    return assemble(environment, options)


def host_policy(host: HostSettings) -> HostPolicy:
    """What this host agrees to execute. Owners who are no users here are left out."""
    owners = {owner for name in host.trusted_owners if (owner := user_id(name)) is not None}
    user = _run_user(host)
    return HostPolicy(
        None if host.allowed_binaries is None else frozenset(host.allowed_binaries),
        None if host.allowed_commands is None else frozenset(host.allowed_commands),
        host.allowed_paths,
        OwnershipRule(
            user.uid if user else os.geteuid(), owners, search_path=process_environment().get("PATH", os.defpath)
        ),
    )


def _warn(text: str) -> None:
    from attune.agent.logs import log

    log.warning(text)


def host_labels(section: NodeSettings) -> dict[str, str]:
    """The labels of a node here: the facts of this host, and what its settings say, which wins."""
    from attune.core.nodes.labels import labels_of
    from attune.host.facts import host_facts

    return labels_of({**host_facts(), **section.labels})


def _cache_folder(settings: Settings, environment: Mapping[str, str]) -> Path:
    """In the data folder where one is configured, else where the XDG base directory specification puts caches."""
    if settings.data_dir is not None:
        return settings.data_dir / "cache"
    base = environment.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "attune"
