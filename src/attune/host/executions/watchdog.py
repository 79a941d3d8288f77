"""A small program that ends what a worker has started, once the worker itself is gone, even by kill -9.

The worker starts it by its path, as `python -I -S watchdog.py`, and tells it `+PID` and `-PID` on its stdin, a line
each, for every process group that it starts and ends. The end of its stdin is the end of the worker.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys


def main() -> None:
    """Keep the list, and end what is on it in the end."""
    for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        sign, number = line[:1], line[1:].strip()
        if number.isdigit() and int(number) > 1:
            (groups.add if sign == "+" else groups.discard)(int(number))
    for group in groups:
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
