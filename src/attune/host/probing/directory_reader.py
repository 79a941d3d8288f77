"""Asks the disk about directories, and gives up on those that do not answer, as a dead network share does."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

Answer = TypeVar("Answer")


class DirectoryReader:
    """Asks in threads of its own, for a blocked system call cannot be ended. It asks nothing of who is still silent."""

    def __init__(self, seconds: float = 1.0) -> None:
        self._seconds = seconds
        self._asked: set[str] = set()

    def ask(self, question: Callable[[str], Answer], directories: Sequence[str]) -> list[Answer | None]:
        """The answer of each directory, None where there is none within the time.

        They are asked one after the other as long as they answer; the rest, if one does not, at the same time.
        """
        answers: dict[str, Answer] = {}

        def work(those: Sequence[str]) -> None:
            for directory in those:
                if given_up.is_set() and directory is not those[0]:
                    return
                self._asked.add(directory)
                with suppress(Exception):  # no answer
                    answers[directory] = question(directory)
                self._asked.discard(directory)

        if not directories:
            return []
        given_up = threading.Event()
        open_ones = [directory for directory in directories if directory not in self._asked]
        until = time.monotonic() + self._seconds
        _run([partial(work, open_ones)], until)
        given_up.set()
        rest = [one for one in open_ones if one not in answers and one not in self._asked]
        _run([partial(work, [one]) for one in rest], until + self._seconds)
        return [answers.get(directory) for directory in directories]


class _Worker:
    """A thread that does one task after the other; one that is stuck in its task is left alone."""

    def __init__(self) -> None:
        self._tasks: SimpleQueue[tuple[Callable[[], None], threading.Lock]] = SimpleQueue()
        threading.Thread(target=self._work, name="directory reader", daemon=True).start()

    def begin(self, task: Callable[[], None]) -> threading.Lock:
        """Begin with *task*; the lock is released when it is done."""
        done = threading.Lock()
        done.acquire()
        self._tasks.put((task, done))
        return done

    def _work(self) -> None:
        while True:
            task, done = self._tasks.get()
            task()
            _idle.append(self)
            done.release()


_idle: list[_Worker] = []
os.register_at_fork(after_in_child=_idle.clear)


def _run(tasks: Sequence[Callable[[], None]], until: float) -> None:
    begun = []
    for task in tasks:
        try:
            worker = _idle.pop()
        except IndexError:
            worker = _Worker()
        begun.append(worker.begin(task))
    for done in begun:
        done.acquire(timeout=max(0.0, until - time.monotonic()))
