"""The blocks of the documentation, and running them as a reader would: typed into a shell, in an empty folder.

What readers do not see says what is special about the block below it: `<!-- file: PATH -->` is what it belongs into,
`<!-- ends with 3 -->` how its last command ends, `<!-- not run: REASON -->` why nobody can run it here.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[3]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs/tutorial").glob("*.md")),
    *sorted((ROOT / "docs/how-to").glob("*.md")),
]
SHELL = ("console", "sh")
_BLOCK = re.compile(
    r"(?m)(?:^ *<!-- (?P<mark>[^\n]*) -->\n)?^(?P<indent> *)```(?P<kind>\w*)\n(?P<text>.*?)^(?P=indent)```", re.S
)
_LOOKS = re.compile(r"attune (\w+ (list|show|definitions)|match|status|doctor)\b")
_SECONDS = 240.0


@dataclass(frozen=True)
class PrintedCommand:
    """What is typed, what the page says that it prints, and how it ends."""

    typed: str
    printed: tuple[str, ...] = ()
    code: int = 0


@dataclass(frozen=True)
class PrintedBlock:
    """One fenced block: what a page says stands in it and, in what readers do not see, about it."""

    page: str
    kind: str
    text: str
    mark: str

    @property
    def reason(self) -> str:
        """Why it is not run, empty where it is."""
        return self.mark.removeprefix("not run: ") if self.mark.startswith("not run: ") else ""

    @property
    def file(self) -> str:
        """The file that it is, empty where it is none."""
        return self.mark.removeprefix("file: ") if self.mark.startswith("file: ") else ""

    def commands(self) -> list[PrintedCommand]:
        """What it has typed, in order; in `sh` every line is."""
        if self.kind == "sh":
            return [PrintedCommand(self.text)]
        found: list[PrintedCommand] = []
        for part in re.split(r"(?m)^[$#] ", self.text)[1:]:
            typed, *printed = part.rstrip("\n").split("\n")
            while typed.endswith("\\"):
                typed = f"{typed}\n{printed.pop(0)}"
            found.append(PrintedCommand(typed, tuple(printed)))
        if found and (ending := re.fullmatch(r"ends with (\d+)", self.mark)):
            found[-1] = PrintedCommand(found[-1].typed, found[-1].printed, int(ending[1]))
        return found


def blocks(page: Path) -> Iterator[PrintedBlock]:
    """Those of *page*, in order."""
    for found in _BLOCK.finditer(page.read_text()):
        yield PrintedBlock(page.name, found["kind"], dedent(found["text"]), found["mark"] or "")


@dataclass
class Reader:
    """Somebody who does what pages print, with *environment*. *known* stands for what pages make up."""

    folder: Path
    environment: Mapping[str, str]
    known: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._open()

    def _open(self) -> None:
        self._shell = subprocess.Popen(
            ["bash", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.folder,
            env=dict(self.environment),
            start_new_session=True,
        )

    def follow(self, page: Path) -> list[str]:
        """Do what *page* says, in a shell of its own; what was not as it is printed there."""
        self.close()
        self._open()
        wrong = []
        for block in blocks(page):
            if block.reason:
                continue
            if block.file:
                path = self.folder / self._own(block.file)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(self._own(block.text))
            commands = block.commands() if block.kind in SHELL else []
            wrong += [f"{block.page}: {fault}" for command in commands if (fault := self._fault(command))]
        return wrong

    def type(self, command: str) -> tuple[int, str]:
        """What *command* ends with, and prints."""
        assert self._shell.stdin is not None and self._shell.stdout is not None
        self._shell.stdin.write(f"{{ {command}\n}} </dev/null; printf '\\n:%s:\\n' $?\n")
        self._shell.stdin.flush()
        watch = threading.Timer(_SECONDS, self._kill)
        watch.start()
        try:
            lines: list[str] = []
            for line in self._shell.stdout:
                if ended := re.fullmatch(r":(\d+):\n", line):
                    return int(ended[1]), "".join(lines).removesuffix("\n")
                lines.append(line)
        finally:
            watch.cancel()
        raise AssertionError(f"{command}: expected that it ends, and got until then:\n{''.join(lines)}")

    def close(self) -> None:
        """End the shell."""
        self._kill()
        self._shell.communicate()

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._shell.pid, signal.SIGKILL)

    def _own(self, text: str) -> str:
        for name, value in self.known.items():
            text = text.replace(name, value)
        return text

    def _fault(self, command: PrintedCommand) -> str:
        """What is not as the page has it; what only looks is asked again for a while, as a reader would."""
        until = time.monotonic() + _SECONDS / 2
        while True:
            code, output = self.type(self._own(command.typed))
            if token := re.search(r"attune_[\w-]{30,}", output):
                self.known["attune_…"] = token[0]
            fault = _difference([self._own(line) for line in command.printed], output)
            if code != command.code:
                fault = f"expected that it ends with {command.code}, got {code}: {output}"
            if not fault or not _LOOKS.match(command.typed) or time.monotonic() > until:
                return f"{command.typed}\n{fault}" if fault else ""
            time.sleep(0.5)


def _difference(printed: Sequence[str], output: str) -> str:
    rest = output
    for line in printed:
        found = re.search(pattern_of(line), rest, re.M) if line.strip() not in ("", "…") else None
        if found is None and line.strip() not in ("", "…"):
            return f"expected {line!r} in:\n{output}"
        rest = rest[found.end() :] if found else rest
    return ""


def pattern_of(line: str) -> str:
    """What a line of output has to be like: numbers, times, spaces and the host's name are free, and so is `…`."""
    text = re.escape(line.strip())
    text = re.sub(r"(?:\w+\\-)?build\\-7", r"\\S+", text)
    text = re.sub(r"\d+(?:\\\.\d+)*", r"[\\d.,]+", text)
    return r"^[ \t]*" + re.sub(r"(?:\\ )+", r"[ \\t]+", text).replace("…", ".*") + r"[ \t]*$"
