"""Nodes are asked, and those that answer in time are heard."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pytest

from attune.core.runtimes.preview import Effect, PreviewCandidate
from attune.core.runtimes.verdict import Status
from attune.operations.nodes.ask import ask_nodes, preview
from factories import make_runtime

pytestmark = pytest.mark.anyio
YES = {"verdict": {"status": Status.AVAILABLE.value, "version": "3.2"}}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Requests:
    """Nodes whose answers come one at each look; a node without one is silent."""

    def __init__(self, answers: Mapping[int, Mapping[str, Any]], gone: Collection[int] = ()) -> None:
        self._answers = list(answers.items())
        self._gone = gone
        self.body: Mapping[str, Any] = {}

    async def ask(
        self, nodes: Sequence[int], kind: str, body: Mapping[str, Any], *, asked_by: str, lasts: float
    ) -> Mapping[int, int]:
        self.body = body
        return {node + 100: node for node in nodes if node not in self._gone}

    async def answers(self, requests: Collection[int]) -> Mapping[int, Mapping[str, Any]]:
        if not self._answers:
            return {}
        node, answer = self._answers.pop(0)
        return {node + 100: answer}


async def at_once(_requests: Collection[int], _seconds: float) -> None: ...


async def no_news(_requests: Collection[int], seconds: float) -> None:
    await asyncio.sleep(min(seconds, 0.1))


async def test_it_ends_with_the_last_answer() -> None:
    requests: Any = Requests({1: YES, 2: {"error": "busy"}})
    answers = await ask_nodes(requests, [1, 2], make_runtime(), asked_by="ann", seconds=3600, news=at_once)

    assert answers == {1: YES, 2: {"error": "busy"}}
    assert requests.body["ref"] == "core.python"


async def test_it_ends_without_the_silent_ones_when_the_time_is_over() -> None:
    requests: Any = Requests({1: YES})

    assert await ask_nodes(requests, [1, 2], make_runtime(), asked_by="ann", seconds=0.05, news=no_news) == {1: YES}


async def test_nobody_is_waited_for_where_every_node_is_gone() -> None:
    requests: Any = Requests({}, gone=[1])

    assert await ask_nodes(requests, [1], make_runtime(), asked_by="ann", seconds=3600, news=at_once) == {}


async def test_a_preview_is_in_the_order_of_the_nodes() -> None:
    nodes = [PreviewCandidate(id=number, name=f"w{number}", role="worker") for number in (2, 1)]
    requests: Any = Requests({1: YES})
    found = await preview(requests, nodes, make_runtime(), asked_by="ann", seconds=0.05, news=no_news)

    assert [(one.node.id, one.effect) for one in found] == [(2, Effect.SILENT), (1, Effect.GAINS)]
