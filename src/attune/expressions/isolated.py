"""Starts and asks the evaluating process, and starts another where an expression has ended it."""

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from attune.core.errors import AttuneError, shown
from attune.core.events.expression import LONGEST_EXPRESSION, Evaluated

_EVALUATOR = Path(__file__).with_name("evaluator.py")
_ANSWER_SECONDS = 30.0  # for a host on which the process gets no time at all
_SYNTAX = re.compile(r"ERROR: <input>:(\d+):(\d+): (?:Syntax error: )?(.*)")


class ExpressionsUnavailableError(AttuneError):
    """The evaluating process cannot be started here."""

    code = "expressions"


class IsolatedExpressions:
    """`Expressions` by CEL in a process of its own, started when it is first needed.

    An expression by itself gets *cpu_seconds* of processor time, the process *memory_bytes*. Safe for several tasks and
    threads, which wait for each other.
    """

    def __init__(self, *, cpu_seconds: float = 1.0, memory_bytes: int = 512 << 20) -> None:
        self._cpu_seconds = cpu_seconds
        self._memory_bytes = memory_bytes
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    async def evaluate(
        self, texts: Sequence[str], variables: Mapping[str, Any], seconds: float | None = None
    ) -> list[Evaluated]:
        """What each of *texts* comes to; one that fails is told of, and stops no other, but for lack of *seconds*."""
        return await asyncio.to_thread(self._all, texts, dict(variables), seconds)

    async def check(self, texts: Sequence[str]) -> list[Evaluated]:
        """What is wrong with the syntax of each of *texts*; the value says which variables and functions it names."""
        return await asyncio.to_thread(self._all, texts, None)

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._stop()

    def _all(
        self, texts: Sequence[str], variables: Mapping[str, Any] | None, seconds: float | None = None
    ) -> list[Evaluated]:
        with self._lock:
            if seconds is not None:
                return self._together(texts, variables, seconds)
            return [answer for text in texts for answer in self._together([text], variables, self._cpu_seconds)]

    def _together(self, texts: Sequence[str], variables: Mapping[str, Any] | None, seconds: float) -> list[Evaluated]:
        """An answer for each of *texts*; where the process ended, the same one for all that it did not come to."""
        connection = self._connection()
        asked = {"expressions": list(texts), "variables": variables, "longest": LONGEST_EXPRESSION, "seconds": seconds}
        request = json.dumps(asked).encode() + b"\n"
        answers: list[Evaluated] = []
        try:
            connection.sendall(request)  # it is read whole before the first answer is written
            with connection.makefile("rb") as lines:
                while len(answers) < len(texts):
                    line = lines.readline()
                    if not line.endswith(b"\n"):
                        raise EOFError
                    took, _, answer = line.partition(b" ")
                    evaluated = _evaluated(json.loads(answer), texts[len(answers)])
                    answers.append(replace(evaluated, seconds=float(took)))
        except (ConnectionError, EOFError, TimeoutError) as error:
            reason = self._reason_of_end(isinstance(error, TimeoutError), seconds)
            end = Evaluated(problem=reason, seconds=seconds, overran=reason.startswith("expected at most"))
            answers += [end] * (len(texts) - len(answers))
        except BaseException:
            self._stop()  # its answers would be taken for those to the next question
            raise
        return answers

    def _connection(self) -> socket.socket:
        """To the process, which is started if none runs."""
        if self._socket is None or self._process is None or self._process.poll() is not None:
            self._stop()
            self._socket, other_end = socket.socketpair()
            self._socket.settimeout(_ANSWER_SECONDS)
            command = [sys.executable, "-P", str(_EVALUATOR), str(self._memory_bytes)]
            try:
                self._process = subprocess.Popen(
                    command,
                    stdin=other_end.fileno(),
                    stdout=other_end.fileno(),
                    stderr=subprocess.DEVNULL,
                    env={"LC_ALL": "C.UTF-8"},
                    cwd="/",
                    start_new_session=True,
                )
            except OSError as error:
                raise ExpressionsUnavailableError(f"expressions cannot be evaluated: {error.strerror}") from error
            finally:
                other_end.close()
        return self._socket

    def _reason_of_end(self, timed_out: bool, seconds: float) -> str:
        """Why the process is gone, as a sentence about the expression that ended it; none is left after it."""
        process = self._process
        code = None if process is None or timed_out else process.wait(5)
        self._stop()
        if timed_out:
            return f"expected an answer within {_ANSWER_SECONDS:g} s, got none"
        if code == -signal.SIGPROF:
            return f"expected at most {seconds:g} s of processor time, got more"
        if code in (-signal.SIGABRT, -signal.SIGKILL, -signal.SIGSEGV):
            return f"expected at most {self._memory_bytes >> 20} MiB of memory, got more"
        return f"expected a value, got the end of the evaluating process (exit code {code})"

    def _stop(self) -> None:
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._socket = self._process = None

    def __del__(self) -> None:
        self._stop()


def _evaluated(answer: Mapping[str, Any], text: str) -> Evaluated:
    if "syntax" in answer:
        return _syntax_problem(answer["syntax"], text)
    if "error" in answer:
        brief = " ".join(answer["error"].partition(". Check ")[0].split())
        return Evaluated(problem=brief[:300])
    return Evaluated(answer["value"])


def _syntax_problem(message: str, text: str) -> Evaluated:
    place = _SYNTAX.search(message)
    if place is None:
        return Evaluated(problem=f"expected an expression, got {shown(text)}")
    what = place[3].partition(" expecting ")[0].replace("'<EOF>'", "the end")
    if "Recursion limit" in what:
        return Evaluated(problem="expected an expression nested at most 96 deep, got a deeper one")
    return Evaluated(problem=f"expected an expression, got this: {what}", line=int(place[1]), column=int(place[2]))
