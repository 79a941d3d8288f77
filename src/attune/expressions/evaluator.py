"""The evaluating process: a request a line on stdin, an answer a line for each expression on stdout.

Its memory and the processor time of each request are bounded by the kernel, which ends the process: an expression
cannot be stopped from within. An answer begins with the seconds that it took. Run as a file; it imports nothing of
Attune's.
"""

import json
import math
import resource
import signal
import sys
import time
import types
from datetime import datetime, timedelta
from typing import Any

_LONGEST_ANSWER = 1 << 20
_DEEPEST = 50


def main(memory_bytes: int) -> None:
    """Answer until stdin ends."""
    sys.modules["cel.cli"] = types.ModuleType("cel.cli")  # the package imports its terminal program: 130 ms
    import cel

    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who asks
    for line in sys.stdin.buffer:
        request = json.loads(line)
        left = request["seconds"]
        for text in request["expressions"]:
            began = time.process_time()
            if len(text) > request["longest"]:
                answer = json.dumps({"error": f"expected at most {request['longest']} characters, got {len(text)}"})
            else:
                signal.setitimer(signal.ITIMER_PROF, left)
                answer = _answer(cel, text, request["variables"])
                signal.setitimer(signal.ITIMER_PROF, 0)
            took = time.process_time() - began
            left = max(left - took, 0.001)
            sys.stdout.write(f"{took:.3f} {answer}\n")
            sys.stdout.flush()


def _answer(cel: Any, text: str, variables: Any) -> str:
    """JSON: `{"value": …}`, `{"error": …}`; without variables only what the expression refers to."""
    try:
        program = cel.compile(text)
    except Exception as error:  # whatever the library raises is what is wrong with the expression
        return json.dumps({"syntax": str(error)})
    try:
        if variables is None:
            return json.dumps({"value": {"variables": program.variables(), "functions": program.functions()}})
        answer = json.dumps({"value": _json(program.execute(variables), 0)}, allow_nan=False)
    except Exception as error:
        missing = isinstance(error, KeyError)
        return json.dumps({"error": f"there is no {error}" if missing else str(error) or type(error).__name__})
    if len(answer) > _LONGEST_ANSWER:
        return json.dumps({"error": f"expected a value of at most {_LONGEST_ANSWER} bytes, got {len(answer)}"})
    return answer


def _json(value: Any, depth: int) -> Any:
    """*value* as JSON; times become the text that CEL reads them from."""
    if depth > _DEEPEST:
        raise ValueError(f"expected a value at most {_DEEPEST} levels deep, got a deeper one")
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"expected a number that JSON has, got {value}")
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s"
    if isinstance(value, list | tuple):
        return [_json(item, depth + 1) for item in value]
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise ValueError("expected keys that are text, got others")
        return {key: _json(item, depth + 1) for key, item in value.items()}
    raise ValueError(f"expected a value that JSON has, got {type(value).__name__}")


if __name__ == "__main__":
    main(int(sys.argv[1]))
