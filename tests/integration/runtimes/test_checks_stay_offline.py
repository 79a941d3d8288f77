"""A check downloads nothing: a registry on this machine counts who asks it."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from attune.core.runtimes.command import Command, Ending, Outcome
from attune.host.contract.environment import OFFLINE, check_environment
from attune.host.probing.assemble import HostOptions, assemble
from host_checks import Sandbox, run_all

SHIMS = ("yarn", "pnpm")

pytestmark = pytest.mark.skipif(shutil.which("corepack") is None, reason="corepack is not installed")


@dataclass
class CountingRegistry:
    """An npm registry that has nothing, and what it was asked for."""

    url: str = ""
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def registry() -> Iterator[CountingRegistry]:
    counted = CountingRegistry()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            counted.asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        counted.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield counted
        server.shutdown()


@dataclass
class Corepack:
    """Corepack's shims in a folder of their own, for somebody who has downloaded nothing yet."""

    folder: Path
    registry: CountingRegistry

    def __post_init__(self) -> None:
        self.bin.mkdir()
        self.environment = {
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "COREPACK_NPM_REGISTRY": self.registry.url,
            "COREPACK_HOME": str(self.folder / "corepack"),
        }
        subprocess.run(
            ["corepack", "enable", "--install-directory", str(self.bin), *SHIMS], env=self.environment, check=True
        )

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    def plain(self, name: str, **more: str) -> int:
        return subprocess.run(
            [str(self.bin / name), "--version"],
            env=self.environment | more,
            capture_output=True,
            timeout=60,
            cwd=self.folder,
        ).returncode

    def check(self, name: str) -> Outcome:
        box = Sandbox(self.folder)
        environment = check_environment(self.environment, ["COREPACK_NPM_REGISTRY"])
        contract = replace(box.contract, environment=environment)
        checks = assemble(environment, HostOptions(contract=contract))
        return run_all(checks.runner, {name: Command((str(self.bin / name), "--version"), 30.0)})[name]


@pytest.fixture
def corepack(tmp_path: Path, registry: CountingRegistry) -> Corepack:
    return Corepack(tmp_path, registry)


@pytest.mark.parametrize("name", SHIMS)
def test_a_check_of_corepacks_shims_asks_no_registry(corepack: Corepack, registry: CountingRegistry, name: str) -> None:
    outcome = corepack.check(name)

    assert registry.asked == []
    assert (outcome.ending, outcome.exit_code) != (Ending.EXITED, 0)
    assert corepack.plain(name) != 0
    assert registry.asked, "without the contract the shim asks, so the registry would have noticed"


@pytest.mark.parametrize("name", SHIMS)
def test_the_switches_alone_keep_the_shims_from_asking(
    corepack: Corepack, registry: CountingRegistry, name: str
) -> None:
    corepack.plain(name, COREPACK_ENABLE_NETWORK=OFFLINE["COREPACK_ENABLE_NETWORK"])

    assert registry.asked == []
