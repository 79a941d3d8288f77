from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from attune.core.access.audit import AuditFilter, AuditRecord
from attune.core.access.tokens import Caller, Scope
from attune.core.errors import DatabaseError
from attune.testing import MemoryTokens
from attune.web import audit_writer
from attune.web.audit_writer import AuditWriter

pytestmark = pytest.mark.anyio
ENTRY: dict[str, Any] = {
    "method": "GET", "path": "/api/me", "status": 401, "client": "here", "code": "unauthorized", "detail": None,
}  # fmt: skip
CALLER = Caller(token_id=1, name="ci", scope=Scope.READ)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def lines(store: MemoryTokens) -> list[AuditRecord]:
    return [*reversed(await store.list_audit(AuditFilter(limit=10_000)))]


async def test_a_burst_of_refusals_is_one_line_that_counts_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_writer, "_COUNT_SECONDS", 0.02)
    store = MemoryTokens()
    audit = AuditWriter(store)
    for _ in range(300):
        await audit.write(None, ENTRY)
    for _ in range(500):
        (line,) = await lines(store)
        if line.count == 300:
            break
        await asyncio.sleep(0.01)
    await audit.close()

    assert line.count == 300
    assert line.last is not None and line.last >= line.at


async def test_what_is_counted_is_written_when_the_service_ends() -> None:
    store = MemoryTokens()
    audit = AuditWriter(store)
    for _ in range(7):
        await audit.write(CALLER, {**ENTRY, "status": 403})
    await audit.close()

    assert [(line.actor, line.count) for line in await lines(store)] == [("ci", 7)]


async def test_a_line_that_is_never_taken_as_it_is_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryTokens()
    note = store.note

    async def refuses(caller: Caller | None, entry: dict[str, Any]) -> int:
        if entry["detail"] == "odd" or entry["path"] == "/never":
            raise DatabaseError("the database refused: invalid input syntax for type json", row_fault=True)
        return await note(caller, entry)

    monkeypatch.setattr(store, "note", refuses)
    audit = AuditWriter(store)
    with capture_logs() as said:
        await audit.write(None, {**ENTRY, "path": "/never"})
        await audit.write(CALLER, {**ENTRY, "detail": "odd"})
        await audit.write(CALLER, {**ENTRY, "status": 403})
        await audit.close()

    assert [(line.actor, line.status, line.detail) for line in await lines(store)] == [
        ("ci", 401, None),
        ("ci", 403, None),
    ]
    assert [(line["event"], line["path"]) for line in said] == [("never in the audit", "/never")]


async def test_what_was_done_or_failed_within_is_a_line_each_time() -> None:
    store = MemoryTokens()
    audit = AuditWriter(store)
    for status in (202, 202, 500, 500, 422):
        await audit.write(CALLER, {**ENTRY, "status": status})
    for detail in ({"a": 1}, {"a": 2}, {"a": 2}):
        await audit.write(CALLER, {**ENTRY, "status": 422, "detail": detail})
    await audit.close()

    told = [(line.status, line.detail, line.count) for line in await lines(store)]
    assert told == [(202, None, 1)] * 2 + [(500, None, 1)] * 2 + [
        (422, None, 1),
        (422, {"a": 1}, 1),
        (422, {"a": 2}, 2),
    ]


async def test_floods_of_many_kinds_are_counted_in_few_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_writer, "_MOST_OF_ONE", 5)
    monkeypatch.setattr(audit_writer, "_MOST_KINDS", 20)
    store = MemoryTokens()
    audit = AuditWriter(store)
    for number in range(100):
        audit.add(None, {**ENTRY, "path": f"/{number}"})
    for number in range(100):
        audit.add(None, {**ENTRY, "client": f"10.0.0.{number}"})
    await audit.close()

    written = await lines(store)
    assert (len(written), sum(line.count for line in written)) == (21, 200)
    assert [(line.path, line.client, line.count) for line in written if line.count > 1] == [
        ("(several)", "here", 95),
        ("(several)", "(several)", 86),
    ]


async def test_what_could_not_be_written_is_in_the_log_without_its_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_writer, "_AT_ONCE_SECONDS", 0.05)
    store = MemoryTokens()

    async def refuse(*_arguments: Any) -> int:
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(store, "note", refuse)
    audit = AuditWriter(store)
    with capture_logs() as told:
        await audit.write(CALLER, {**ENTRY, "status": 202, "detail": {"a": "hush"}})
        await audit.close()

    last = told[-1]
    assert (last["event"], last["path"], last["status"], last["count"]) == ("never in the audit", "/api/me", 202, 1)
    assert "hush" not in str(told)
