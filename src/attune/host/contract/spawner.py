"""A small program that forks supervisors: a node starts it once, and each program that runs has a supervisor.

The node starts it by its path, as `python -I -S spawner.py`, with a socket as its stdin. It forks a supervisor for each
socket that it is sent. It has one thread and imports little, so a fork takes it half a millisecond. It ends what a
supervisor that was killed has left.
"""

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time

sys.path.append(__file__.rpartition("/attune/")[0])  # where this package lies, and nothing that the environment names

from attune.host.contract.cgroups import ControlGroup, end_group, own_group
from attune.host.contract.supervisor import (
    PR_SET_CHILD_SUBREAPER,
    PR_SET_DUMPABLE,
    Supervisor,
    children,
    collected,
    kill_all,
    prctl,
    received,
)


class Spawner:
    """Forks supervisors, and ends what those that were killed have left."""

    def __init__(self, orders: socket.socket, groups: str | None) -> None:
        self._orders = orders
        self._groups = groups
        self._supervisors: set[int] = set()

    def serve(self) -> None:
        """Fork a supervisor for each socket that comes; until no more can come and all supervisors have ended."""
        reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        poll = select.poll()
        poll.register(reading, select.POLLIN)
        poll.register(self._orders, select.POLLIN)
        open_ = True
        while open_ or self._supervisors:
            for fd, _ in poll.poll():
                if fd == reading:
                    os.read(reading, 4096)
                    self._collect()
                elif not self._fork():
                    poll.unregister(self._orders)
                    open_ = False

    def _fork(self) -> bool:
        message, fds = received(self._orders)
        if not message:
            return False
        try:
            pid = os.fork()
        except OSError as error:  # whoever asked is told, and the others go on
            with socket.socket(fileno=fds[0]) as control:
                control.send(json.dumps({"errno": error.errno, "at": "fork"}).encode())
            return True
        if not pid:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._orders.close()
            prctl(PR_SET_CHILD_SUBREAPER, 1)
            group = None
            if self._groups is not None:
                with contextlib.suppress(OSError):
                    group = ControlGroup(self._groups)
            with socket.socket(fileno=fds[0]) as control:
                Supervisor(control, group).serve()
            os._exit(0)
        self._supervisors.add(pid)
        os.close(fds[0])
        return True

    def _collect(self) -> None:
        ended = self._take_ended()
        while orphans := [pid for pid in children() if pid not in self._supervisors]:
            kill_all(orphans)
            time.sleep(0.0005)
            ended |= self._take_ended()
        if self._groups is not None:
            for supervisor in ended:
                end_group(self._groups, supervisor)

    def _take_ended(self) -> set[int]:
        ended: set[int] = set()
        for pid, status in collected(os.WUNTRACED):
            if os.WIFSTOPPED(status):  # by its program, which could run for ever then
                kill_all([pid])
            else:
                ended.add(pid)
        ended &= self._supervisors
        self._supervisors -= ended
        return ended


def main() -> None:
    """Be the spawner."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    prctl(PR_SET_DUMPABLE, 0)  # programs of the same user see no descriptor or memory of supervisors
    with socket.socket(fileno=os.dup(0)) as orders:
        try:
            groups: str | None = own_group()
        except OSError:
            groups = None
        Spawner(orders, groups).serve()


if __name__ == "__main__":
    main()
