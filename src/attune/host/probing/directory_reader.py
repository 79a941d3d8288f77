"""Asks the disk about directories, and gives up on those that do not answer, as a dead network share does."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

Answer = TypeVar("Answer")


class DirectoryReader:
    """Asks in threads of its own, for a blocked system call cannot be ended. It asks nothing of who is still silent."""

    def __init__(self, seconds: float = 1.0) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._silent: set[str] = set()  # given up, and not back yet

    def ask(self, question: Callable[[str], Answer], directories: Sequence[str]) -> list[Answer | None]:
        """The answer of each directory, None where there is none within the time.

        They are asked one after the other as long as they answer; the rest, if one does not, at the same time.
        """
        answers: dict[str, Answer] = {}
        begun: set[str] = set()
        finished: set[str] = set()

        def work(those: Sequence[str]) -> None:
            for directory in those:
                with self._lock:
                    if directory in begun:
                        return  # given up meanwhile, and asked by others
                    begun.add(directory)
                with suppress(Exception):  # no answer
                    answers[directory] = question(directory)
                with self._lock:
                    finished.add(directory)
                    self._silent.discard(directory)

        asked = [directory for directory in directories if directory not in self._silent]
        if asked:
            until = time.monotonic() + self._seconds
            _run([partial(work, asked)], until)
            _run([partial(work, [directory]) for directory in asked if directory not in begun], until + self._seconds)
            with self._lock:
                self._silent |= begun - finished
        return [answers.get(directory) for directory in directories]


def _run(tasks: Sequence[Callable[[], None]], until: float) -> None:
    threads = [threading.Thread(target=task, name="directory reader", daemon=True) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
