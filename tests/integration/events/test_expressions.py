"""Expressions in a process of their own: what they can do, and what becomes of hostile ones."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from attune.expressions import IsolatedExpressions

pytestmark = pytest.mark.anyio
PAYLOAD = {"a": 5, "f": 1.5, "s": "ünï", "none": None, "list": list(range(300)), "big": "a" * 5000}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def engine() -> Iterator[IsolatedExpressions]:
    made = IsolatedExpressions(cpu_seconds=0.3, memory_bytes=256 << 20)
    yield made
    made.close()


async def value(engine: IsolatedExpressions, text: str) -> Any:
    (found,) = await engine.evaluate([text], {"payload": PAYLOAD})
    assert found.problem is None, found.problem
    return found.value


async def problem(engine: IsolatedExpressions, text: str) -> str:
    (found,) = await engine.evaluate([text], {"payload": PAYLOAD})
    assert found.problem is not None, found.value
    return found.problem


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("payload.a > 3 && payload.s.startsWith('ü')", True),
        ("payload.a > 3.5", True),
        ("payload.a / 2", 2),
        ("payload.s + '!'", "ünï!"),
        ("has(payload.missing)", False),
        ("payload.list.filter(x, x > 297)", [298, 299]),
        ("payload.none == null", True),
        ("{'a': [payload.a, 1.5, null]}", {"a": [5, 1.5, None]}),
        ("timestamp('2024-01-01T00:00:00Z') + duration('1h')", "2024-01-01T01:00:00+00:00"),
        ("duration('90s')", "90s"),
        ("payload.big.matches('^(a+)+$')", True),
    ],
)
async def test_values_are_json(engine: IsolatedExpressions, text: str, result: Any) -> None:
    assert await value(engine, text) == result


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("payload.missing", "there is no 'missing'"),
        ("nothing", "Undefined variable or function: 'nothing'"),
        ("payload.__class__", "there is no '__class__'"),
        ("payload.list.__len__()", "Undefined variable or function: '__len__'"),
        ("__import__('os')", "Undefined variable or function: '__import__'"),
        ("1 / 0", "division by zero in CEL expression"),
        ("9223372036854775807 + 1", "Arithmetic overflow"),
        ("0.0 / 0.0", "expected a number that JSON has, got nan"),
        ("b'abc'", "expected a value that JSON has, got bytes"),
        ("{1: 2}", "expected keys that are text, got others"),
        ("1" * 2001, "expected at most 2000 characters, got 2001"),
        ("(" * 900 + "1" + ")" * 900, "expected an expression nested at most 96 deep, got a deeper one"),
        ("payload.a >> 3", "expected an expression, got this: extraneous input '>'"),
        ("", "expected an expression, got this"),
    ],
)
async def test_what_has_no_value_is_a_sentence(engine: IsolatedExpressions, text: str, sentence: str) -> None:
    assert (await problem(engine, text)).startswith(sentence)


async def test_an_endless_expression_ends_and_the_others_are_evaluated(engine: IsolatedExpressions) -> None:
    endless = "payload.list.all(w, payload.list.all(x, payload.list.all(y, payload.list.all(z, w + x + y + z >= 0))))"
    swollen = "['" + "a" * 50 + "']" + ".map(x, x + x)" * 40
    found = await engine.evaluate(
        ["payload.a", endless, "payload.a + 1", swollen, "payload.a + 2"], {"payload": PAYLOAD}
    )

    assert [one.value for one in found] == [5, None, 6, None, 7]
    assert found[1].problem == "expected at most 0.3 s of processor time, got more"
    # Whichever of its bounds it meets first.
    assert found[3].problem in (found[1].problem, "expected at most 256 MiB of memory, got more")


async def test_a_megabyte_goes_in_and_out(engine: IsolatedExpressions) -> None:
    text = "x" * 1_000_000
    (found,) = await engine.evaluate(["payload.text"], {"payload": {"text": text}})

    assert found.value == text


async def test_a_check_evaluates_nothing_and_says_where_the_fault_is(engine: IsolatedExpressions) -> None:
    good, bad = await engine.check(["foo(payload.a, 1 / 0)", "payload.a >\n 3 &&"])

    assert good.value == {"variables": ["payload"], "functions": ["_/_", "foo"]}
    assert (bad.line, bad.column) == (2, 6)
    assert bad.problem == "expected an expression, got this: mismatched input the end"


def environment_of(pid: int) -> str:
    return Path(f"/proc/{pid}/environ").read_text()


async def test_the_evaluating_process_knows_nothing_of_its_parents_environment() -> None:
    os.environ["SECRET_OF_THE_PARENT"] = "hunter2"
    engine = IsolatedExpressions()
    try:
        await engine.evaluate(["1"], {})
        process = engine._process
        assert process is not None
        assert "hunter2" not in environment_of(process.pid)
    finally:
        del os.environ["SECRET_OF_THE_PARENT"]
        engine.close()


def test_the_evaluating_process_ends_with_its_parent() -> None:
    code = (
        "from attune.expressions import IsolatedExpressions as E; e = E(); e._all(['1'], {});"
        "import os; print(e._process.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    until = time.monotonic() + 100
    while time.monotonic() < until:
        try:
            os.kill(int(done.stdout), 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    raise AssertionError("the evaluating process lives on")
