"""What runs a script."""

from __future__ import annotations

import os

LONGEST_LINE, MOST_SCRIPTS = 256, 5
"""As the kernel has them: how much it reads of a script's first line, how many scripts may run one another."""


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
