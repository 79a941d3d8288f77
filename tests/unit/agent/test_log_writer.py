"""Whoever reads the log may be slow or gone: writing to it neither waits nor fails, and what is lost is told."""

from __future__ import annotations

import io
import os
import time

import pytest
import structlog

from attune.agent import logs
from attune.agent.log_writer import LogWriter
from waiting import wait_for


def test_lines_are_written_in_order() -> None:
    reading, writing = os.pipe()
    writer = LogWriter(writing)
    for number in range(100):
        writer.write(f"{number}\n")
    writer.wait()

    assert os.read(reading, 10_000).decode() == "".join(f"{number}\n" for number in range(100))
    os.close(reading)
    os.close(writing)


def test_a_reader_that_does_not_read_holds_nobody_up_and_is_told_what_it_missed() -> None:
    reading, writing = os.pipe()
    writer = LogWriter(writing, most=10)
    begun = time.monotonic()
    for _ in range(1000):
        writer.write("x" * 1000 + "\n")
    writer.wait(0.01)
    assert time.monotonic() - begun < 100

    os.set_blocking(reading, False)
    seen = b""

    def read() -> bool:
        nonlocal seen
        try:
            seen += os.read(reading, 1 << 20)
        except BlockingIOError:
            return False
        return b" lines of the log were lost)\n" in seen

    wait_for(read)
    os.close(reading)


def test_a_reader_that_is_gone_fails_nobody() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    writer = LogWriter(writing)
    for _ in range(3):
        assert writer.write("line\n") == 5
    writer.wait()
    os.close(writing)


def test_a_line_of_the_log_is_written_at_once_so_that_those_of_other_processes_do_not_run_into_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written: list[str] = []

    class Lines(io.StringIO):
        def write(self, text: str) -> int:
            written.append(text)
            return len(text)

    file = Lines()
    monkeypatch.setattr(logs, "_destination", lambda: file)
    before = structlog.get_config()
    try:
        logs.configure_logging(form="console", level="info")
        logs.log.info("up")
    finally:
        structlog.configure(**before)

    (line,) = written
    assert "up" in line
    assert line.endswith("\n")
