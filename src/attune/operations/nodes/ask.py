"""Ask running nodes something and wait for their answers, no longer than a time limit."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

from attune.core.nodes.requests import CHECK, check_body
from attune.core.ports.nodes import NodeRequests
from attune.core.runtimes.preview import Forecast, PreviewCandidate, forecast
from attune.core.runtimes.runtime import Runtime

_LOOK_SECONDS = 0.5  # without news; with news at once
_TOGETHER_SECONDS = 0.02  # answers that come within this are read together

News = Callable[[Collection[int], float], Awaitable[None]]
"""Waits until one of these requests may have been answered, at most that many seconds."""


async def ask_nodes(
    port: NodeRequests, nodes: Sequence[int], runtime: Runtime, *, asked_by: str, seconds: float, news: News
) -> dict[int, Mapping[str, Any]]:
    """Have *nodes* check *runtime*; the answers that came within *seconds*, by the id of the node."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    nodes_asked = await port.ask(nodes, CHECK, check_body(runtime), asked_by=asked_by, lasts=seconds)
    open_ones, answers = set(nodes_asked), dict[int, Mapping[str, Any]]()
    while True:
        for number, answer in (await port.answers(open_ones)).items():
            open_ones.discard(number)
            answers[nodes_asked[number]] = answer
        left = until - loop.time()
        if not open_ones or left <= 0:
            return answers
        await news(open_ones, min(left, _LOOK_SECONDS))
        if len(open_ones) > 1:
            await asyncio.sleep(_TOGETHER_SECONDS)


async def preview(
    port: NodeRequests,
    nodes: Sequence[PreviewCandidate],
    runtime: Runtime,
    *,
    asked_by: str,
    seconds: float,
    news: News,
) -> list[Forecast]:
    """What *runtime* would be on each of *nodes*, from dry-runs there; in their order."""
    answers = await ask_nodes(port, [node.id for node in nodes], runtime, asked_by=asked_by, seconds=seconds, news=news)
    return [forecast(node, answers.get(node.id)) for node in nodes]
