"""The files that sensors print into. Each has a folder of its own below `sensors` in the data folder, named by its id.

FOLDER/ID/journal   what the sensor prints; locked by all that may still print into it
FOLDER/ID/work      the sensor's working directory
FOLDER/NAME.node    held alone by the live node of that name
"""

import contextlib
import ctypes
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote
from uuid import UUID

_PUNCH_HOLE = 0x03  # FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE
_PAGE = 4096


class OutputLog:
    """`SensorOutput` as a file."""

    def __init__(self, folder: Path) -> None:
        self.id = UUID(folder.name)
        self.folder = folder
        self.path = folder / "journal"
        self.work = folder / "work"

    def create(self) -> None:
        self.work.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.exists else 0

    @property
    def changed(self) -> int:
        return self.path.stat().st_mtime_ns if self.exists else 0

    @property
    def exists(self) -> bool:
        return self.path.exists()

    @property
    def is_closed(self) -> bool:
        try:
            with self.path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except FileNotFoundError:
            return True
        return True

    def read(self, offset: int, most: int) -> bytes:
        with self.path.open("rb", buffering=0) as file:
            file.seek(offset)
            return file.read(most)

    def forget(self, begin: int, end: int) -> None:
        """Give the disk back what lies between, where the file system can; offsets stay as they are."""
        begin, end = -(-begin // _PAGE) * _PAGE, end // _PAGE * _PAGE
        if end <= begin:
            return
        with contextlib.suppress(OSError), self.path.open("r+b", buffering=0) as file:
            ctypes.CDLL(None).fallocate(file.fileno(), _PUNCH_HOLE, ctypes.c_int64(begin), ctypes.c_int64(end - begin))

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


class SensorFolder:
    """`SensorOutputs` as folders."""

    def __init__(self, data: Path) -> None:
        self.path = data / "sensors"
        self._held: int | None = None

    def hold(self, node: str) -> bool:
        if self._held is not None:
            return True
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = quote(node, safe="")[:200]
        fd = os.open(self.path / f"{name}.node", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        self._held = fd
        return True

    def release(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            os.close(held)

    def output_log(self, key: UUID) -> OutputLog:
        return OutputLog(self.path / str(key))

    def output_logs(self) -> Iterator[OutputLog]:
        try:
            entries = sorted(self.path.iterdir())
        except FileNotFoundError:
            return
        for entry in entries:
            with contextlib.suppress(ValueError):
                yield OutputLog(entry)
