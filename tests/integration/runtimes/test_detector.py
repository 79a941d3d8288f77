"""`RuntimeDetector` in somebody's own program: it lives long, is cancelled, and gets other settings."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from attune import Runtime, RuntimeDetector, load_settings
from attune.core.runtimes.definition import Definition
from factories import command, make_runtime, verification

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTUNE_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)


class Catalog:
    """Definitions in memory, made anew each time as a database makes them."""

    def __init__(self, **binaries: tuple[str, ...]) -> None:
        self.binaries = binaries

    async def list_runtimes(self) -> Sequence[Runtime]:
        return [_runtime(name, *argv) for name, argv in self.binaries.items()]


def _runtime(name: str, binary: str, *args: str) -> Runtime:
    return make_runtime(f"acme.{name}", name, verification(command(binary=binary, args=list(args), pattern=None)))


async def test_after_a_cancelled_detection_the_next_one_verifies_again() -> None:
    catalog = Catalog(slow=("sleep", "60"))
    detector = RuntimeDetector(catalog)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(detector.detect_from_database(), 0.5)

    catalog.binaries = {"quick": ("true",)}
    assert await detector.detect_from_database() == ["quick"]


async def test_the_limits_of_the_settings_given_apply_whatever_was_detected_before() -> None:
    detector = RuntimeDetector(Catalog(quick=("true",)))
    assert await detector.detect_from_database() == ["quick"]

    settings = load_settings()
    strict: Any = replace(settings, host=replace(settings.host, allowed_binaries=("python3",)))
    assert (await detector.detect_capabilities(strict, "ATTUNE_WORKER_RUNTIMES"))["runtimes"] == []


async def test_detecting_again_and_again_keeps_no_definition() -> None:
    detector = RuntimeDetector(Catalog(**{f"absent{number}": (f"absent-{number}",) for number in range(20)}))
    before = _definitions_in_memory()
    for _ in range(10):
        assert await detector.detect_from_database() == []

    assert _definitions_in_memory() - before < 60


def _definitions_in_memory() -> int:
    gc.collect()
    return sum(isinstance(one, Definition) for one in gc.get_objects())
