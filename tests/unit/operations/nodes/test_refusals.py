"""How a writer that is refused tells of it, and how long it waits."""

from __future__ import annotations

from structlog.testing import capture_logs

from attune.core.backoff import Backoff
from attune.core.errors import DatabaseError, DatabaseFault
from attune.operations.nodes.refusals import Refusals


def refusal(sqlstate: str, fault: DatabaseFault = DatabaseFault.UNAVAILABLE) -> DatabaseError:
    return DatabaseError(f"refused with {sqlstate}", sqlstate=sqlstate, fault=fault)


def test_each_reason_is_told_once_and_the_end_with_their_number() -> None:
    refusals = Refusals("it cannot be stored", "it is stored again", Backoff(1.0, 4.0, jitter=0.0))
    with capture_logs() as lines:
        delays = [refusals.failed(refusal(sqlstate)) for sqlstate in ("53100", "53100", "25006", "53100")]
        reason = refusals.reason
        refusals.worked()
        refusals.worked()

    assert delays == [1.0, 2.0, 4.0, 4.0]
    assert reason == "it cannot be stored: refused with 53100"
    assert refusals.reason == ""
    assert [(line["event"], line.get("failed")) for line in lines] == [
        ("it cannot be stored: refused with 53100", None),
        ("it cannot be stored: refused with 25006", None),
        ("it is stored again", 4),
    ]


def test_only_rejections_in_a_row_count_as_tries() -> None:
    refusals = Refusals("", "", Backoff(1.0, 4.0))
    tries = []
    for fault in (DatabaseFault.REJECTED, DatabaseFault.REJECTED, DatabaseFault.CONFLICT, DatabaseFault.REJECTED):
        refusals.failed(refusal("XX000", fault))
        tries.append(refusals.tries)

    assert tries == [1, 2, 0, 1]
