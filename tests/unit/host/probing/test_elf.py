from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from attune.host.probing.elf import read_elf


def test_dynamic_binary_names_its_loader_and_libraries() -> None:
    elf = read_elf(str(Path("/bin/sh").resolve()))

    assert elf is not None
    assert elf.loader is not None
    assert Path(elf.loader).exists()
    assert any(name.startswith("libc") for name in elf.needed)


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"\x7fELF", b"\x7fELF\x02\x01" + b"\xff" * 300, b"MZ" * 100])
def test_anything_else_is_no_native_binary(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)

    assert read_elf(str(path)) is None


def test_unreadable_places_are_no_native_binary(tmp_path: Path) -> None:
    assert read_elf(str(tmp_path)) is None
    assert read_elf(str(tmp_path / "none")) is None
    assert read_elf("nul\0") is None


def test_damaged_binaries_raise_nothing(tmp_path: Path) -> None:
    source = Path(sys.executable).resolve().read_bytes()[:20_000]
    chance = random.Random(7)
    path = tmp_path / "damaged"
    for _ in range(300):
        content = bytearray(source)
        for _ in range(chance.randint(1, 20)):
            content[chance.randrange(0, 2000)] = chance.randrange(256)
        path.write_bytes(content)
        read_elf(str(path))
