"""The file in which outcomes and costs of checks are kept between runs.

Whatever is wrong with the file, it reads as empty; whatever hinders writing it, the checks go on without.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from attune.host.probing.concurrency import Expectation

_FORMAT = 2
_MOST_BYTES = 8 << 20
_MOST_OUTCOMES = 512
_MOST_COSTS = 2048
_LOCK_ATTEMPTS = 250
_LOCK_PAUSE_SECONDS = 0.002
_NAME = "outcomes.json"


@dataclass(frozen=True, slots=True)
class Entry:
    """One remembered outcome of a command that exited, and what it depended on. `at` is since the epoch."""

    path: str
    real_path: str
    files: tuple[str, ...]
    digest: str
    exit_code: int
    stdout: str
    stderr: str
    duration_ms: float
    at: float
    routes: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Contents:
    """What the file holds, by key."""

    outcomes: dict[str, Entry] = field(default_factory=dict)
    costs: dict[str, Expectation] = field(default_factory=dict)


class CacheFile:
    """The file in *folder*, which is made on the first write. Several processes may use it at once."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._path = f"{folder}/{_NAME}"

    def read(self) -> Contents:
        """What the file holds now; empty if it is absent, damaged, or not only ours to write."""
        try:
            data = json.loads(self._bytes())
            if data["format"] != _FORMAT:
                return Contents()
            outcomes = {str(key): _entry(value) for key, value in data["outcomes"].items()}
            costs = {str(key): Expectation(float(wall), float(cpu)) for key, (wall, cpu) in data["costs"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return Contents()
        return Contents(outcomes, costs)

    def write(self, outcomes: Mapping[str, Entry | None], costs: Mapping[str, Expectation]) -> None:
        """Add to what the file holds by now; None removes an outcome. Oldest ones give way beyond the bounds."""
        with contextlib.suppress(OSError):
            os.makedirs(self._folder, mode=0o700, exist_ok=True)  # noqa: PTH103
            with _alone_in(self._folder):
                self._replace(_merged(self.read(), outcomes, costs))

    def _bytes(self) -> bytes:
        fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(fd, "rb") as file:
            status = os.fstat(fd)
            ours = status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
            if not stat.S_ISREG(status.st_mode) or not ours or status.st_size > _MOST_BYTES:
                raise ValueError("not a file of ours")
            return file.read()

    def _replace(self, data: bytes) -> None:
        temporary = f"{self._path}.{os.getpid()}.{os.urandom(4).hex()}"
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(data)
            os.replace(temporary, self._path)  # noqa: PTH105
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108
            raise


def _merged(now: Contents, outcomes: Mapping[str, Entry | None], costs: Mapping[str, Expectation]) -> bytes:
    kept = {**now.outcomes, **outcomes}
    entries = sorted(((k, e) for k, e in kept.items() if e is not None), key=lambda pair: pair[1].at)
    latest = {key: cost for key, cost in now.costs.items() if key not in costs} | dict(costs)
    document = {
        "format": _FORMAT,
        "outcomes": {key: asdict(entry) for key, entry in entries[-_MOST_OUTCOMES:]},
        "costs": {k: (round(c.wall_ms, 2), round(c.cpu_ms, 2)) for k, c in list(latest.items())[-_MOST_COSTS:]},
    }
    return json.dumps(document, separators=(",", ":")).encode()


@contextlib.contextmanager
def _alone_in(folder: str) -> Iterator[None]:
    """Keep other writers out for a moment. Raises BlockingIOError if one stays in for long."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for _ in range(_LOCK_ATTEMPTS):
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(_LOCK_PAUSE_SECONDS)
        else:
            raise BlockingIOError("the cache is being written by another process")
        yield
    finally:
        os.close(fd)


_TEXTS = ("path", "real_path", "digest", "stdout", "stderr")


def _entry(value: Any) -> Entry:
    if set(value) != {f.name for f in fields(Entry)} or not all(isinstance(value[name], str) for name in _TEXTS):
        raise ValueError("not an entry")
    numbers = {"duration_ms": float(value["duration_ms"]), "at": float(value["at"])}
    lists = {
        "files": tuple(map(str, value["files"])),
        "routes": tuple((str(place), str(real_path)) for place, real_path in value["routes"]),
    }
    return Entry(**(value | numbers | lists | {"exit_code": int(value["exit_code"])}))
