"""Every test starts without Attune's variables and away from this project's own folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

import warm_programs
from databases import (  # noqa: F401
    blank_database,
    installed,
    migrated_database,
    migrated_folder,
    on_database,
    server_dir,
    server_url,
    template_database,
)
from effort import is_soak  # noqa: F401  # registers the profiles
from logins import logins  # noqa: F401
from whole_run import begin_run, end_run

RUN_FOLDER = begin_run()
settings.load_profile("test")
LEFT_BEHIND: list[str] = []


class OneWorkerForAGroup(LoadScopeScheduling):
    """Each test goes to the worker that is free, and a module whose tests share a server to one of them."""

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return module if module.endswith(SHARING) else nodeid


SHARING = (
    "test_client_processes.py",
    "test_page_in_browser.py",
    "test_client_mode.py",
    "test_many_callers.py",
    "test_wheel.py",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return OneWorkerForAGroup(config, log)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """A run that leaves a process or a file in the temporary folder has failed."""
    yield
    warm_programs.end()
    if RUN_FOLDER is not None:
        LEFT_BEHIND.extend(end_run(RUN_FOLDER))
        if LEFT_BEHIND and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        for line in LEFT_BEHIND if reporter is not None else ():  # its own summary has been printed by now
            reporter.line(f"left behind by the tests: {line}", red=True)


@pytest.fixture(scope="session")
def migrate_hook() -> Callable[[str], object]:
    from concurrent.futures import ThreadPoolExecutor

    from attune.composition.databases import migrate

    def elsewhere(url: str) -> None:
        with ThreadPoolExecutor() as other:  # async tests ask for it too, and it has an event loop of its own
            other.submit(migrate, url).result()

    return elsewhere


@pytest.fixture(autouse=True)
def no_attune_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("ATTUNE") or name in ("DATABASE_URL", "NO_COLOR"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """A command that ran in this process has sent the log to a stream that is closed when its test ends."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
