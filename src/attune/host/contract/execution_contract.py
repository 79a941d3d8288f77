"""The execution contract of this host: one place decides how every check, action and sensor is run."""

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from attune.core.errors import UsageError
from attune.host.contract.environment import RUN_BY, check_environment
from attune.host.contract.launch import Launch, Limits, ProgramKind, RunUser
from attune.host.contract.readable import ReadableFiles
from attune.host.contract.run_folders import RunFolders, home_of, run_places
from attune.host.contract.start_fault import check_entry
from attune.host.contract.supervisors import Ended, News, SupervisedProgram, SupervisorPool, supervisors

_ALWAYS_WRITABLE = ("/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/ptmx", "/dev/pts", "/dev/shm")
_GONE_SECONDS = 0.3  # for a supervisor that is ended with its control group
_CACHES = {"XDG_CACHE_HOME": "", "NPM_CONFIG_CACHE": "/npm", "GOMODCACHE": "/go", "PIP_CACHE_DIR": "/pip"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionContract:
    """How programs are run here. Only what `launch.KINDS` names differs between checks, actions and sensors.

    `environment` is what all of them get, `trusted` gives what of it they get now, and `path` their PATH now, None for
    that of the environment. Without a HOME that is trusted they get their folder as one.
    With `confined` they may write to their own folder, the node's cache folder and `writable` only, and read what
    `readable` says, where the kernel can enforce it. Without a `cache_folder` their caches stay where their programs
    put them. `refuses` says why a file is not executed for an entry point, or None.
    """

    environment: Mapping[str, str]
    folders: RunFolders
    supervisors: SupervisorPool = field(default_factory=supervisors)
    trusted: Callable[[], Mapping[str, str]] | None = None
    path: Callable[[], str] | None = None
    user: RunUser | None = None
    limits: Limits = field(default_factory=Limits)
    no_new_privileges: bool = True
    confined: bool = False
    writable: tuple[str, ...] = ()
    readable: ReadableFiles | None = None
    cache_folder: str | None = None
    refuses: Callable[[str, str], str | None] | None = None

    def now(self) -> Self:
        """The same with today's environment, for a number of programs that are started together."""
        return replace(self, environment=self._common(), trusted=None, path=None)

    def start(
        self,
        kind: ProgramKind,
        argv: Sequence[str],
        path: str,
        streams: tuple[int, int, int],
        *,
        entry: str | None = None,
        folder: str | None = None,
        variables: Mapping[str, str] | None = None,
        parameters: bytes | None = None,
        seconds: float | None = None,
        until: float | None = None,
    ) -> SupervisedProgram:
        """Begin to start the file at *path*, in *folder* or else in a new one, with *variables* beside those of all.

        *streams* are its stdin, stdout and stderr, which stay the caller's, *parameters* what a file of the folder has.
        Pass it to `end` at its end. *entry* is the entry point of work, which has to be admitted. Raises `UsageError`
        where it is not or there is no place for a folder or no room in it, `OSError` where no process can be started.
        """
        if entry is not None and self.refuses is not None:
            check_entry(path, entry)
            if refusal := self.refuses(path, entry):
                raise UsageError(refusal)
        seen = None if kind.reads_all or not self.confined or self.readable is None else self.readable.look()
        key = (kind.offline, self.confined, seen, self.writable, self.no_new_privileges, self.cache_folder)
        while True:
            program = self.supervisors.take((self.folders, *key) if folder is None else None)
            try:
                program.folder = program.folder or folder or self.folders.make()
                self.folders.require_room(program.folder)
                given = {} if parameters is None else self.folders.put(program.folder, parameters)
                launch = self._launch(kind, argv, path, program.folder, {**(variables or {}), **given})
                program.start(replace(launch, seconds=seconds, until=until), *streams)
                return program
            except ConnectionError:  # an idle one that somebody killed: the next is another
                self._discard(program)
            except BaseException:
                self._discard(program)
                raise

    def end(self, program: SupervisedProgram, ended: News | None) -> None:
        """Let go of a program of which that was the last news; None ends it now, with all that it started."""
        alive = ended is not None and not (isinstance(ended, Ended) and (ended.by == "supervisor" or ended.left))
        if isinstance(ended, Ended) and ended.left:
            program.wait_gone(_GONE_SECONDS)
        if alive and program.key is not None and self.folders.is_as_new(program.folder):
            self.supervisors.give_back(program)
        else:
            self._discard(program)

    def _discard(self, program: SupervisedProgram) -> None:
        program.close()
        if program.key is not None and program.folder:
            self.folders.remove(program.folder)

    def _launch(
        self, kind: ProgramKind, argv: Sequence[str], path: str, folder: str, variables: Mapping[str, str]
    ) -> Launch:
        own, common = {"TMPDIR": folder, RUN_BY: kind.name, **kind.variables, **variables}, self._common()
        if "PYTHONPATH" in own and "PYTHONPATH" in common:  # where modules lie that the host names, too
            own["PYTHONPATH"] += f":{common['PYTHONPATH']}"
        own_places = (folder, *([self.cache_folder] if self.cache_folder else ()))
        readable = None if kind.reads_all or not self.confined or self.readable is None else self.readable.paths
        return Launch(
            argv=argv,
            path=path,
            folder=folder,
            environment={"HOME": folder, **common, **own},
            grace_seconds=kind.grace_seconds,
            user=self.user,
            limits=self.limits,
            no_new_privileges=self.no_new_privileges,
            writable=(*own_places, *self.writable, *_ALWAYS_WRITABLE) if self.confined else None,
            readable=None if readable is None else (*own_places, *readable),
            offline=kind.offline and (self.no_new_privileges or os.geteuid() == 0),  # the kernel's rule
            tell=kind.tells_start,
        )

    def _common(self) -> dict[str, str]:
        common = {
            **(self.trusted() if self.trusted else self.environment),
            **({"PATH": self.path()} if self.path else {}),
        }
        if self.user is not None:
            common |= {"USER": self.user.name, "LOGNAME": self.user.name}
        if self.cache_folder is not None:
            self._make_cache(self.cache_folder)
            common |= {name: self.cache_folder + below for name, below in _CACHES.items()}
        return common

    def _make_cache(self, folder: str) -> None:
        with contextlib.suppress(OSError):  # then programs have no cache
            if not os.path.isdir(folder):  # noqa: PTH112
                os.makedirs(os.path.dirname(folder), mode=0o711 if self.user else 0o700, exist_ok=True)  # noqa: PTH103, PTH120
                os.mkdir(folder, mode=0o700)  # noqa: PTH102
                if self.user is not None:
                    os.chown(folder, self.user.uid, self.user.gid)


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
