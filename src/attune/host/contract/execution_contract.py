"""The execution contract of this host: one place decides how every check, action and sensor is run."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from attune.host.contract.environment import check_environment
from attune.host.contract.launch import Launch, ProgramKind, RunUser
from attune.host.contract.run_folders import RunFolders, home_of, run_places
from attune.host.contract.supervisors import SupervisorPool, supervisors

_ALWAYS_WRITABLE = ("/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/ptmx", "/dev/pts", "/dev/shm")
_CACHES = {"XDG_CACHE_HOME": "", "NPM_CONFIG_CACHE": "/npm", "GOMODCACHE": "/go", "PIP_CACHE_DIR": "/pip"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one program may use, None for as much as the node itself: bytes of address space, and processes."""

    memory_bytes: int | None = None
    processes: int | None = None

    def as_arguments(self) -> tuple[tuple[int, int, int], ...]:
        """The arguments of `setrlimit`, one tuple for each limit. Core dumps are always off."""
        wanted = ((resource.RLIMIT_AS, self.memory_bytes), (resource.RLIMIT_NPROC, self.processes))
        return ((resource.RLIMIT_CORE, 0, 0), *((number, value, value) for number, value in wanted if value))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionContract:
    """How programs are run here. Only what `launch.KINDS` names differs between checks, actions and sensors.

    `environment` is what all of them get; `path` gives the PATH that they get now, None for that of the environment.
    With `confined` they may write to their own folder, the node's cache folder and `writable` only, where the kernel
    can enforce it. Without a `cache_folder` their caches stay where their programs put them.
    """

    environment: Mapping[str, str]
    folders: RunFolders
    supervisors: SupervisorPool = field(default_factory=supervisors)
    path: Callable[[], str] | None = None
    user: RunUser | None = None
    limits: Limits = field(default_factory=Limits)
    no_new_privileges: bool = True
    confined: bool = False
    writable: tuple[str, ...] = ()
    cache_folder: str | None = None

    def now(self) -> ExecutionContract:
        """The same with today's PATH, for a number of programs that are started together."""
        return replace(self, environment=self._common(), path=None)

    def launch(
        self,
        kind: ProgramKind,
        argv: Sequence[str],
        path: str,
        folder: str,
        *,
        variables: Mapping[str, str] | None = None,
        until: float | None = None,
    ) -> Launch:
        """How the file at *path* is to be started in *folder*, with *variables* beside those of all programs."""
        own = {"HOME": self._home(), "TMPDIR": folder, **kind.variables, **(variables or {})}
        places = (folder, *self.writable, *_ALWAYS_WRITABLE, *([self.cache_folder] if self.cache_folder else ()))
        return Launch(
            argv=argv,
            path=path,
            folder=folder,
            environment={**self._common(), **own},
            grace_seconds=kind.grace_seconds,
            until=until,
            user=self.user,
            limits=self.limits.as_arguments(),
            no_new_privileges=self.no_new_privileges,
            writable=places if self.confined else None,
            offline=kind.offline,
        )

    def _common(self) -> dict[str, str]:
        common = {**self.environment, **({"PATH": self.path()} if self.path else {})}
        if self.user is not None:
            common |= {"USER": self.user.name, "LOGNAME": self.user.name}
        if self.cache_folder is not None:
            self._make_cache(self.cache_folder)
            common |= {name: self.cache_folder + below for name, below in _CACHES.items()}
        return common

    def _make_cache(self, folder: str) -> None:
        with contextlib.suppress(OSError):  # then programs have no cache
            if not os.path.isdir(folder):  # noqa: PTH112
                os.makedirs(folder, mode=0o700, exist_ok=True)  # noqa: PTH103
                if self.user is not None:
                    os.chown(folder, self.user.uid, self.user.gid)

    def _home(self) -> str:
        return self.user.home if self.user else self.environment.get("HOME") or home_of(os.geteuid())


def work_cache(environment: Mapping[str, str], user: RunUser | None) -> str:
    """Where the caches of what programs use lie: of *user*, else of the one whose *environment* that is."""
    if os.geteuid() == 0:
        return f"/var/cache/attune/work-{user.name if user else 'root'}"
    base = environment.get("XDG_CACHE_HOME", "")
    return f"{base if base.startswith('/') else home_of(os.geteuid()) + '/.cache'}/attune/work"


def default_contract(environment: Mapping[str, str]) -> ExecutionContract:
    """The contract of a program that has no settings: *environment* is that of this process."""
    passed = check_environment(environment)
    return ExecutionContract(environment=passed, folders=RunFolders(run_places(environment, os.geteuid())))
