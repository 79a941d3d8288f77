"""`Expressions`: one suite for functions in memory and for the process that evaluates them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from attune.expressions import IsolatedExpressions
from attune.testing import MemoryExpressions

pytestmark = pytest.mark.anyio
VARIABLES = {"payload": {"width": 5, "name": "a"}}
MANY = f"[{','.join(map(str, range(100)))}]"
ENDLESS = f"{MANY}.all(a, {MANY}.all(b, {MANY}.all(c, {MANY}.all(d, a + b + c + d >= 0))))"


def _endless(_variables: Any) -> Any:
    raise TimeoutError


KNOWN = {
    ENDLESS: _endless,
    "payload.width > 3": lambda variables: variables["payload"]["width"] > 3,
    "payload.name": lambda variables: variables["payload"]["name"],
    "payload.missing": lambda variables: variables["payload"]["missing"],
}


@pytest.fixture(params=["memory", "process"])
def expressions(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "memory":
        yield MemoryExpressions(KNOWN)
        return
    engine = IsolatedExpressions()
    yield engine
    engine.close()


async def test_each_text_has_its_value_in_order(expressions: Any) -> None:
    values = await expressions.evaluate(["payload.name", "payload.width > 3"], VARIABLES)

    assert [(one.value, one.problem) for one in values] == [("a", None), (True, None)]
    assert list(await expressions.evaluate([], VARIABLES)) == []


async def test_one_that_fails_says_why_and_stops_no_other(expressions: Any) -> None:
    first, second, third = await expressions.evaluate(["payload.missing", "((", "payload.name"], VARIABLES)

    assert (first.value, second.value, third.value) == (None, None, "a")
    assert "missing" in first.problem
    assert second.problem


async def test_the_syntax_is_checked_without_variables(expressions: Any) -> None:
    good, bad = await expressions.check(["payload.missing", "(("])

    assert good.problem is None
    assert {*good.value} == {"variables", "functions"}
    assert bad.problem


async def test_those_that_share_their_time_end_with_the_first_that_uses_it_up(expressions: Any) -> None:
    texts = ["payload.name", ENDLESS, "payload.width > 3"]
    shared = await expressions.evaluate(texts, VARIABLES, 0.2)
    alone = await expressions.evaluate(texts, VARIABLES)

    assert [(one.value, one.overran) for one in shared] == [("a", False), (None, True), (None, True)]
    assert shared[1].problem == shared[2].problem == "expected at most 0.2 s of processor time, got more"
    assert shared[1].seconds == 0.2 and shared[0].seconds < 0.2
    assert [(one.value, one.overran) for one in alone] == [("a", False), (None, True), (True, False)]
