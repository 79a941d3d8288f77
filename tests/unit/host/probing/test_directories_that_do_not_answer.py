"""Directories of PATH that do not answer: they hold nothing up, and what could be in them is undecided."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from attune.core.runtimes.command import Ending, Found, Missing
from attune.host.probing import path_index
from attune.host.probing.directory_reader import DirectoryReader
from attune.host.probing.path_index import PathIndex


class Disk:
    """The real disk, on which some directories answer late or never."""

    def __init__(self) -> None:
        self.late: dict[str, float] = {}
        self.over = threading.Event()

    def wait(self, path: object) -> None:
        seconds = next((late for name, late in self.late.items() if str(path).startswith(name)), 0.0)
        if seconds:
            self.over.wait(seconds)

    def stat(self, path: str) -> os.stat_result:
        self.wait(path)
        return Path(path).stat()

    def listdir(self, path: str) -> list[str]:
        self.wait(path)
        return [entry.name for entry in Path(path).iterdir()]


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    disk = Disk()

    class System:
        def __getattr__(self, name: str) -> object:
            return getattr(disk if name in ("stat", "listdir") else os, name)

    monkeypatch.setattr(path_index, "os", System())
    yield disk
    disk.over.set()


def folder(parent: Path, name: str, *commands: str) -> str:
    path = parent / name
    path.mkdir()
    for command in commands:
        (path / command).write_text("#!/bin/sh\n")
        (path / command).chmod(0o755)
    os.utime(path, (1, 1))
    return str(path)


def test_what_is_nowhere_else_is_undecided_and_names_the_directory(disk: Disk, tmp_path: Path) -> None:
    dead, good = folder(tmp_path, "dead", "python3"), folder(tmp_path, "good", "node")
    disk.late[dead] = 60.0
    index = PathIndex(f"{dead}:{good}")
    began = time.monotonic()

    index.token()
    python, node = index.find("python3"), index.find("node")

    assert time.monotonic() - began < 50
    assert python == Missing(Ending.UNDECIDED, f"PATH directory {dead} does not answer")
    assert node == Found(f"{good}/node", (f"PATH directory {dead} does not answer",))
    assert index.trusted_path() == good
    assert index.refusals() == (f"PATH directory {dead} does not answer",)


def test_a_directory_that_answers_again_is_used_again(disk: Disk, tmp_path: Path) -> None:
    dead = folder(tmp_path, "dead", "python3")
    disk.late[dead] = 60.0
    index = PathIndex(dead)
    assert isinstance(index.find("python3"), Missing)
    disk.late.clear()
    disk.over.set()

    until = time.monotonic() + 100
    while not isinstance(found := index.find("python3"), Found) and time.monotonic() < until:
        time.sleep(0.02)
        index.token()

    assert found == Found(f"{dead}/python3")


def test_six_slow_directories_take_no_longer_than_one(disk: Disk, tmp_path: Path) -> None:
    slow = [folder(tmp_path, f"slow{number}") for number in range(6)]
    good = folder(tmp_path, "good", "node")
    disk.late.update(dict.fromkeys(slow, 30.0))
    index = PathIndex(":".join([*slow, good]))
    began = time.monotonic()

    assert isinstance(index.find("node"), Found)
    assert time.monotonic() - began < 60


def test_who_does_not_answer_is_not_asked_again_meanwhile() -> None:
    over, asked = threading.Event(), []

    def question(directory: str) -> str:
        asked.append(directory)
        if directory == "dead":
            over.wait(60)
        return directory.upper()

    reader = DirectoryReader(0.1)
    answers = [reader.ask(question, ["a", "dead", "b"]) for _ in range(3)]
    over.set()

    assert answers == [["A", None, "B"]] * 3
    assert asked.count("dead") == 1


def test_several_may_ask_at_the_same_time() -> None:
    reader, both = DirectoryReader(20), threading.Barrier(2, timeout=20)

    def question(directory: str) -> str:
        both.wait()
        return directory

    answers: list[object] = []
    asking = [threading.Thread(target=lambda: answers.append(reader.ask(question, ["a"]))) for _ in range(2)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()

    assert answers == [["a"], ["a"]]
