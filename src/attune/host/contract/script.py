"""What runs a script."""

from __future__ import annotations

import os

LONGEST_LINE = 256
"""The kernel reads no more of a script's first line."""


def interpreter_of(path: str) -> str | None:
    """What the first line of the script at *path* names after `#!`, or None for anything else."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    try:
        head = os.read(file, LONGEST_LINE)
    except OSError:
        return None
    finally:
        os.close(file)
    if not head.startswith(b"#!"):
        return None
    words = head[2:].split(b"\n", 1)[0].strip(b" \t").replace(b"\t", b" ").split(b" ", 1)
    return os.fsdecode(words[0]) or None
