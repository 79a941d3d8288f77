"""How a node logs: lines for people on a terminal, JSON objects where a program reads them."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO, cast

import structlog

from attune.agent.log_writer import LogWriter
from attune.core.errors import legible

# In a program that embeds Attune and has configured nothing, stdout is the program's own.
if not structlog.is_configured():
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(sys.stderr))
log: Any = structlog.get_logger("attune")


def wait_for_log(seconds: float = 1.0) -> None:
    """Give whoever reads the log *seconds* to take the last lines of it."""
    for writer in _writers:
        writer.wait(seconds)


_writers: list[LogWriter] = []


def _destination() -> TextIO | LogWriter:
    """Where the log goes: stderr, by a writer of ours where that is a file of the system."""
    try:
        _writers[:] = [LogWriter(sys.stderr.fileno())]
    except (OSError, ValueError, AttributeError):
        return sys.stderr
    return _writers[0]


def configure_logging(*, form: str = "auto", level: str = "info") -> None:
    """Send the log to stderr, which may be slow or gone.

    *form* is "console", "json", or "auto": console on a terminal, plain lines elsewhere.
    """
    colours = sys.stderr.isatty() and form != "json"
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=colours, pad_event_to=0)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%Y-%m-%dT%H:%M:%SZ", utc=True),
            structlog.processors.format_exc_info,
            _on_one_line,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _destination())),
        cache_logger_on_first_use=False,
    )


def _on_one_line(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Names in an event are somebody else's text: they must not begin a line of their own, or move the cursor."""
    text = str(event["event"])
    event["event"] = legible(text, len(text))
    return event
