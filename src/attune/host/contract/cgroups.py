"""Control groups, version 2: a group of its own for each supervisor, which the kernel ends at one word, forks and all.

The files are those of the kernel's Documentation/admin-guide/cgroup-v2.rst. Imports only the standard library.
"""

import contextlib
import os


def own_group(mounts: str = "/proc/self/mountinfo", membership: str = "/proc/self/cgroup") -> str:
    """The folder of this process's group; raises `OSError` where there is no version 2."""
    with open(membership) as file:  # noqa: PTH123
        inside = next((line[3:].strip() for line in file if line.startswith("0::")), None)
    with open(mounts) as file:  # noqa: PTH123
        places = [line.split() for line in file if " - cgroup2 " in line]
    if inside is None or not places:
        raise OSError("this kernel has no control groups of version 2")
    return places[0][4] + inside.rstrip("/")


class ControlGroup:
    """A group below *parent* with this process in it. Raises `OSError` where none can be made."""

    def __init__(self, parent: str) -> None:
        self.folder = f"{parent}/attune-{os.getpid()}"
        os.mkdir(self.folder)  # noqa: PTH102
        try:
            self._kill = os.open(f"{self.folder}/cgroup.kill", os.O_WRONLY | os.O_CLOEXEC)
            _write(f"{self.folder}/cgroup.procs", str(os.getpid()))
        except OSError:
            remove_group(self.folder)
            raise

    def limit(self, memory_bytes: int | None, processes: int | None) -> None:
        """Bound what all of the group may use together, where this group has the controllers."""
        for name, value in (("memory.max", memory_bytes), ("pids.max", processes)):
            with contextlib.suppress(OSError):
                if value is not None:
                    _write(f"{self.folder}/{name}", str(value))

    def kill(self) -> None:
        """End every process of the group, this one too."""
        os.write(self._kill, b"1")


def end_group(parent: str, process: int) -> None:
    """End what the group of *process*, which is gone, still holds, and remove it."""
    folder = f"{parent}/attune-{process}"
    with contextlib.suppress(OSError):
        _write(f"{folder}/cgroup.kill", "1")
    remove_group(folder)


def _write(path: str, text: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)


def remove_group(folder: str) -> None:
    """Remove an empty group."""
    with contextlib.suppress(OSError):
        os.rmdir(folder)  # noqa: PTH106


def group_problem() -> str | None:
    """Why this process cannot make control groups, or None."""
    try:
        folder = f"{own_group()}/attune-trial-{os.getpid()}"
        os.mkdir(folder)  # noqa: PTH102
    except OSError as error:
        return str(error) if error.errno is None else f"{error.filename}: {os.strerror(error.errno).lower()}"
    remove_group(folder)
    return None
