"""What a node logs of a detection."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from attune.agent.detector import log_detection
from attune.core.nodes.role import WORKER
from attune.core.runtimes.command import Ending, Outcome
from attune.core.runtimes.selection import Selection, Source
from attune.operations.runtimes.detect import detect
from attune.operations.runtimes.examine import Examiner
from attune.testing import FakeHost, printed
from factories import command, make_runtime, verification

OUTCOMES = {
    "absent": None,
    "failing": printed("no", 1),
    "hanging": Outcome(Ending.TIMED_OUT, detail="timed out after 1 s"),
}


def levels(outcome: Outcome | None, *optional: bool) -> set[str]:
    """The levels of the lines about a runtime all of whose commands come to *outcome*."""
    commands = [command(optional=flag, priority=number) for number, flag in enumerate(optional)]
    host = FakeHost({} if outcome is None else {"python3": outcome})
    runtime = make_runtime(distributions=verification(*commands))
    with capture_logs() as lines:
        log_detection(detect([runtime], Selection(Source.DATABASE, None), WORKER, Examiner(host, host)))
    return {line["log_level"] for line in lines if "core.python" in line["event"]}


@pytest.mark.parametrize("how", OUTCOMES)
def test_failure_of_an_optional_command_is_logged_at_debug_only(how: str) -> None:
    assert levels(OUTCOMES[how], True, True) == {"debug"}
    assert levels(OUTCOMES[how], True, False) == {"warning" if how == "hanging" else "info"}
    assert levels(OUTCOMES[how], False) == {"warning" if how == "hanging" else "info"}


def test_optional_command_that_succeeds_is_told_like_any_other() -> None:
    assert levels(printed("Python 3.11.7"), True) == {"info"}
