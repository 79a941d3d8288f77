"""Loads settings from texts: a file's, and an environment of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from attune.config import Settings, load_settings
from attune.core.errors import ConfigError

Load = Callable[..., Settings]
Refuse = Callable[..., ConfigError]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Settings from the content of `attune.yaml` and the variables of an environment."""

    def load(content: str | bytes = "", **environ: str) -> Settings:
        (tmp_path / "attune.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
        return load_settings(environ, tmp_path)

    return load


@pytest.fixture
def refuse(load: Load) -> Refuse:
    """The error that the same content and variables give."""

    def refuse(content: str | bytes = "", **environ: str) -> ConfigError:
        with pytest.raises(ConfigError) as caught:
            load(content, **environ)
        assert caught.value.exit_code == 2
        return caught.value

    return refuse
