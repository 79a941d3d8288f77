"""README, tutorial and how-tos do what they print: every command is typed, as a new user would, on one machine."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from command_hosts import Machine
from printed_pages import PAGES, ROOT, Reader, blocks, pattern_of

# One installation for all: it is begun by the first, and the last removes it.
FIRST, LAST = "write-a-pack.md", "remove-attune.md"
ORDER = sorted([*PAGES, ROOT / "docs/reference/api.md"], key=lambda page: (page.name == LAST, page.name != FIRST))
PROGRAMS = (
    "bash", "basename", "cat", "chmod", "cp", "curl", "cut", "dirname", "env", "git", "grep", "hostname", "id", "jq",
    "ls", "mkdir", "rm", "sed", "sh", "sleep",
)  # fmt: skip
CONVERT = """
case "$*" in *-version*) echo "Version: ImageMagick 6.9.11-60 Q16"; exit;; esac
for target; do :; done
cp "$1" "$target"
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    made.real(*PROGRAMS)
    (made.bin / "python3").symlink_to(Path(sys.executable).resolve())
    made.command("attune", script=f'exec {sys.executable} -m attune "$@"')
    made.command("convert", script=CONVERT)
    made.command("backup", "backup 2.4.1")
    made.variables["ATTUNE_DATA_DIR"] = str(made.folder / ".local" / "share" / "attune")
    return made


@pytest.mark.timeout(1800)  # it types some hundred commands
def test_every_page_does_what_it_prints(machine: Machine) -> None:
    inbox, work = machine.folder / "inbox", machine.folder / "work"
    inbox.mkdir()
    work.mkdir()
    (machine.folder / "a-picture-of-yours.png").write_bytes(b"\x89PNG")
    environment = machine.environment()
    del environment["ATTUNE__HOST__WRITABLE"]
    picture = str(machine.folder / "a-picture-of-yours")
    reader = Reader(work, environment, {"/srv/inbox": str(inbox), "a-picture-of-yours": picture})
    wrong = []
    try:
        for page in ORDER:
            wrong += reader.follow(page)
            if page.name == FIRST:
                address = re.search(r"http://127\.0\.0\.1:\d+", reader.type("attune status")[1])
                assert address, wrong
                reader.known |= {"https://attune.example": address[0], "http://127.0.0.1:8420": address[0]}
    finally:
        reader.close()
        machine.attune("down")

    if wrong:
        pytest.fail("\n\n".join(wrong), pytrace=False)


def test_what_is_not_run_says_why() -> None:
    found = {f"{block.page}: {block.reason}" for page in ORDER for block in blocks(page) if block.reason}

    assert all(len(reason.partition(": ")[2]) > 10 for reason in found)
    assert len(found) <= 13, sorted(found)


@pytest.mark.parametrize(
    ("printed", "said", "fits"),
    [
        ("added extras.ruby", "added extras.ruby", True),
        ("added extras.ruby", "added extras.go", False),
        ("w  active   3 s", "w active 17 s", True),
        ("as … says", "as it says", True),
        ("worker-build-7 is", "worker-x is", True),
    ],
)
def test_output_is_compared_by_its_words(printed: str, said: str, fits: bool) -> None:
    assert (re.search(pattern_of(printed), said, re.M) is not None) == fits
