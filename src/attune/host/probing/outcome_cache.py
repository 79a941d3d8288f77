"""Outcomes that proved a runtime, kept on disk for at most a day so that a node can start with them at once.

Only native binaries are kept: scripts and links to version managers choose anew each time, so they are run. What a key
does not cover (a library that the program opens itself) may have changed: a kept outcome is to be verified soon after.
"""

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attune.core.ports.runtimes import MAX_CACHED_AGE_SECONDS
from attune.core.runtimes.command import Command, Ending, Found, Outcome
from attune.host.probing.file_probe import state_of
from attune.host.probing.path_index import PathIndex

_FILE = "outcomes.json"
_FORMAT = 3
_MAX_BYTES = 8 << 20
_MAX_OUTCOMES = 512
_MAX_OUTPUT = 8192
_MAX_LINKS = 40


@dataclass(frozen=True, slots=True)
class HostIdentity:
    """What the whole cache belongs to: another host, kernel or user starts with an empty one."""

    machine_id: str
    kernel: str
    user: int


def host_identity(root: Path = Path("/")) -> HostIdentity:
    """The identity of this host. `etc/machine-id` is read below *root*; it is empty where there is none."""
    try:
        machine_id = (root / "etc/machine-id").read_text().strip()
    except (OSError, ValueError):
        machine_id = ""
    return HostIdentity(machine_id, os.uname().release, os.geteuid())


@dataclass(frozen=True, slots=True)
class CacheSurroundings:
    """What outcomes depend on besides the command and its file; *clock* gives seconds since the epoch."""

    environment: Mapping[str, str]
    host: HostIdentity
    clock: Callable[[], float]
    loader_cache: str = "/etc/ld.so.cache"


class HostOutcomeCache:
    """`OutcomeCache` in a file of *folder*, which is used only if nobody else can write there; *warn* is told if not.

    Several processes may use it at once: what one of them fails to keep is run again, no more.
    """

    def __init__(
        self, folder: str, paths: PathIndex, surroundings: CacheSurroundings, warn: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._paths = paths
        self._surroundings = surroundings
        self._warn: Callable[[str], None] | None = warn
        self._environment = sorted(surroundings.environment.items())
        self._keys: dict[tuple[str, ...], str] = {}
        self._read: tuple[object, dict[str, Any]] = (None, {})

    def lookup(self, command: Command, max_age_seconds: float) -> Outcome | None:
        location = self._paths.find(command.binary, command.argv[1:])
        if not isinstance(location, Found):
            return None
        self._keys[command.argv] = key = self._key(command, location.path)
        if max_age_seconds <= 0:
            return None
        with self._opened() as folder:
            kept = self._outcomes(folder).get(key) if folder is not None else None
        return self._outcome(kept, location, min(max_age_seconds, MAX_CACHED_AGE_SECONDS)) if kept else None

    def remember(self, successes: Mapping[Command, Outcome]) -> None:
        new = {}
        for command, outcome in successes.items():
            location = self._paths.find(command.binary, command.argv[1:])
            key = self._keys.get(command.argv)  # as before the command ran: a file that changed since has another
            if isinstance(location, Found) and key is not None and _can_be_kept(command, outcome, location.path):
                fields = (outcome.exit_code, outcome.stdout, outcome.stderr, outcome.duration_ms)
                new[key] = {"at": outcome.at, "outcome": fields}
        if new:
            with contextlib.suppress(OSError), self._opened(make=True) as folder:
                if folder is not None:
                    self._write(folder, {**self._outcomes(folder), **new})

    def _key(self, command: Command, path: str) -> str:
        loader = _state(self._surroundings.loader_cache)
        parts = (command.argv, self._environment, os.path.realpath(path), _link_chain(path), loader)
        return hashlib.blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    def _outcome(self, kept: Any, location: Found, max_age: float) -> Outcome | None:
        try:
            at, (exit_code, stdout, stderr, duration_ms) = float(kept["at"]), kept["outcome"]
            age = self._surroundings.clock() - at
            if not 0 <= age < max_age:
                return None
            return Outcome(
                Ending.EXITED,
                exit_code=int(exit_code),
                stdout=str(stdout),
                stderr=str(stderr),
                path=location.path,
                real_path=os.path.realpath(location.path),
                passed_over=location.passed_over,
                duration_ms=float(duration_ms),
                at=at,
                cached_age=age,
            )
        except (KeyError, TypeError, ValueError):
            return None

    @contextlib.contextmanager
    def _opened(self, *, make: bool = False) -> Iterator[int | None]:
        """A descriptor of the folder; None where there is none, or where somebody else could write to it."""
        with contextlib.suppress(OSError):
            if make:
                os.makedirs(self._folder, mode=0o700, exist_ok=True)  # noqa: PTH103
        try:
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            yield None
            return
        try:
            status = os.fstat(folder)
            private = status.st_uid == os.geteuid() and not stat.S_IMODE(status.st_mode) & 0o077
            if not private and self._warn is not None:
                got = f"mode {stat.S_IMODE(status.st_mode):04o} of user {status.st_uid}"
                self._warn(f"cache folder {self._folder}: expected mode 0700 and our own, got {got}: it is not used")
                self._warn = None
            yield folder if private else None
        finally:
            os.close(folder)

    def _outcomes(self, folder: int) -> dict[str, Any]:
        """What the file holds, by key; empty if it is absent, damaged, or of another host, kernel or user."""
        try:
            file = os.open(_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        except OSError:
            return {}
        with os.fdopen(file, "rb") as opened:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_BYTES:
                return {}
            state = state_of(status)
            if self._read[0] != state:
                self._read = (state, self._parsed(opened.read()))
        return self._read[1]

    def _parsed(self, content: bytes) -> dict[str, Any]:
        try:
            document = json.loads(content)
            if document["belongs_to"] != self._belongs_to:
                return {}
            return {key: kept for key, kept in document["outcomes"].items() if isinstance(kept["at"], float)}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {}

    def _write(self, folder: int, outcomes: Mapping[str, Any]) -> None:
        latest = sorted(outcomes.items(), key=lambda item: item[1]["at"])[-_MAX_OUTCOMES:]
        content = json.dumps({"belongs_to": self._belongs_to, "outcomes": dict(latest)}, separators=(",", ":"))
        temporary = f"{_FILE}.{os.getpid()}.{os.urandom(4).hex()}"
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
        try:
            with os.fdopen(file, "w") as opened:
                opened.write(content)
            os.replace(temporary, _FILE, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError:
            os.unlink(temporary, dir_fd=folder)
            raise

    @property
    def _belongs_to(self) -> list[object]:
        host = self._surroundings.host
        return [_FORMAT, host.machine_id, host.kernel, host.user]


def _can_be_kept(command: Command, outcome: Outcome, path: str) -> bool:
    """Whether *outcome* is that of one native binary, called by its own name."""
    text = len(outcome.stdout) + len(outcome.stderr)
    if outcome.ending is not Ending.EXITED or outcome.truncated or outcome.at is None or text > _MAX_OUTPUT:
        return False
    real_path = os.path.realpath(path)
    called = os.path.basename(command.argv[0]).lower()  # noqa: PTH119
    name = os.path.basename(real_path).lower()  # noqa: PTH119
    # A link to a program of another name, or a second hard link, may be a version manager that looks at its own name.
    return (called.rstrip("0123456789.-") or called) in name and _is_native_with_one_name(real_path)


def _is_native_with_one_name(path: str) -> bool:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read(4) == b"\x7fELF" and os.fstat(file.fileno()).st_nlink == 1
    except OSError:
        return False


def _link_chain(path: str) -> list[tuple[str, object]]:
    """Every link from *path* on and the file at its end, each with its state."""
    chain = []
    for _ in range(_MAX_LINKS):
        chain.append((path, _state(path)))
        try:
            path = os.path.join(os.path.dirname(path), os.readlink(path))  # noqa: PTH115, PTH118, PTH120
        except OSError:
            break
    return chain


def _state(path: str) -> object:
    try:
        return state_of(os.lstat(path))
    except OSError as error:
        return error.errno
