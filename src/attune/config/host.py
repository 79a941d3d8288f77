"""The settings `host.*`."""
# ruff: noqa: RUF009 - `setting` makes dataclass fields, not shared defaults

from dataclasses import dataclass
from pathlib import Path

from attune.config.kinds import BINARY, COMMAND_LINE, FLAG, FOLDER, USER, integer, text
from attune.config.sections import ListOf, setting

_BINARY = text("the name of a command or an absolute path", "python3", BINARY, longest=4095)
_ABSOLUTE = text("an absolute path", "/usr/bin", r"/[^\x00\n]*", longest=4095)
_VARIABLE = text(
    "the name of a variable other than ATTUNE_*, DATABASE_URL and PGPASSWORD",
    "JAVA_HOME",
    r"(?!ATTUNE_|(DATABASE_URL|PGPASSWORD)\Z)[A-Za-z_][A-Za-z0-9_]*",
)


@dataclass(frozen=True, slots=True)
class HostSettings:
    """What this host ever executes, whatever the database says, and within which limits."""

    allowed_binaries: tuple[str, ...] | None = setting(
        ListOf(_BINARY, "a list of commands"),
        None,
        "The only commands that are executed, with any arguments; `native` stands for files of packs that are executed "
        "themselves. Neither this nor `allowed_commands` set: any; an empty list: none.",
    )
    allowed_commands: tuple[tuple[str, ...], ...] | None = setting(
        ListOf(COMMAND_LINE, "a list of commands with their arguments"),
        None,
        "Commands that checks may run with these arguments and no others: `python3 --version`, or a list of words. "
        "Work may run them with its own.",
    )
    allowed_paths: tuple[str, ...] | None = setting(
        ListOf(_ABSOLUTE, "a list of absolute paths"),
        None,
        "The only folders that anything is executed from. Not set: any; an empty list: none.",
    )
    trusted_owners: tuple[str, ...] = setting(
        ListOf(USER, "a list of names or numbers of users"),
        (),
        "Users who may own what is executed, besides root and the user that executes it.",
    )
    environment: tuple[str, ...] = setting(
        ListOf(_VARIABLE, "a list of names of variables"),
        (),
        "Variables that checks and work see beside the usual harmless ones.",
    )
    run_as: str | None = setting(
        USER, None, "The user as whom checks and work run, where the service is root. Not set: as the service itself."
    )
    writable: tuple[str, ...] = setting(
        ListOf(_ABSOLUTE, "a list of absolute paths"),
        (),
        "Where checks and work may write, besides their own folders and the node's cache.",
    )
    run_folder: Path | None = setting(
        FOLDER, None, "Where the working folders of checks and work are made. Not set: where the service keeps state."
    )
    memory_mb: int | None = setting(
        integer(16, 1 << 24), None, "How much memory one check or work may use, in MiB of address space. Not set: any."
    )
    processes: int | None = setting(
        integer(1, 1 << 22), None, "How many processes the user of checks and work may have. Not set: any."
    )
    no_new_privileges: bool = setting(
        FLAG, True, "Keep checks and work from getting rights by setuid programs such as sudo."
    )
    landlock: bool = setting(
        FLAG, True, "Let checks and work write only where they may, and signal nobody else, where the kernel has it."
    )
