"""What a change of a definition would do to one node."""

from __future__ import annotations

from typing import Any

import pytest

from attune.core.runtimes.preview import Effect, PreviewCandidate, counted, forecast
from attune.core.runtimes.verdict import Status


def candidate(status: str | None = None, version: str | None = None) -> PreviewCandidate:
    return PreviewCandidate(id=1, name="w1", role="worker", status=status, version=version)  # type: ignore[arg-type]


def answer(status: Status, version: str | None = None) -> dict[str, Any]:
    return {"verdict": {"status": status.value, "version": version}}


@pytest.mark.parametrize(
    ("node", "said", "effect"),
    [
        (candidate(), answer(Status.AVAILABLE, "3.2"), Effect.GAINS),
        (candidate("unavailable"), answer(Status.AVAILABLE, "3.2"), Effect.GAINS),
        (candidate("available", "3.2"), answer(Status.AVAILABLE, "3.2"), Effect.KEEPS),
        (candidate("available", "3.1"), answer(Status.AVAILABLE, "3.2"), Effect.CHANGES),
        (candidate("available", "3.1"), answer(Status.UNAVAILABLE), Effect.LOSES),
        (candidate("available", "3.1"), answer(Status.INVALID), Effect.LOSES),
        (candidate("unavailable"), answer(Status.UNAVAILABLE), Effect.LACKS),
        (candidate("available", "3.1"), answer(Status.UNKNOWN), Effect.UNDECIDED),
        (candidate("declared"), answer(Status.UNAVAILABLE), Effect.DECLARED),
    ],
)
def test_what_a_node_answers_decides(node: PreviewCandidate, said: dict[str, Any], effect: Effect) -> None:
    found = forecast(node, said)

    assert (found.effect, found.verdict, found.error) == (effect, said["verdict"], None)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (None, "no answer in time"),
        ({"error": "it is busy"}, "it is busy"),
        ({"verdict": "yes"}, "an answer without a verdict"),
    ],
)
def test_without_a_verdict_a_node_is_silent_and_says_why(said: Any, error: str) -> None:
    found = forecast(candidate("available"), said)

    assert (found.effect, found.verdict, found.error) == (Effect.SILENT, None, error)


def test_every_effect_is_counted_also_those_that_nobody_has() -> None:
    counts = counted([forecast(candidate(), answer(Status.AVAILABLE))] * 2)

    assert counts["gains"] == 2
    assert set(counts) == {effect.value for effect in Effect}
    assert sum(counts.values()) == 2
