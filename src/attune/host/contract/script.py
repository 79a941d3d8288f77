"""What runs a script."""

import os

LONGEST_LINE, MOST_SCRIPTS = 256, 5
"""As the kernel has them: how much it reads of a script's first line, how many scripts may run one another."""


def interpreter_of(path: str) -> str | None:
    """What the first line of the script at *path* names after `#!`, or None for anything else."""
    return next(iter(first_line_of(path)), None)


def first_line_of(path: str) -> list[str]:
    """The words after `#!` in the first line of the script at *path*; none for anything else."""
    try:
        with open(path, "rb", 0, opener=lambda name, how: os.open(name, how | os.O_NONBLOCK)) as file:
            head = file.read(LONGEST_LINE) or b""
    except (OSError, ValueError):
        return []
    line = os.fsdecode(head[2:].split(b"\n", 1)[0]) if head.startswith(b"#!") else ""
    return [word for word in line.replace("\t", " ").split(" ") if word]  # a carriage return is part of one
