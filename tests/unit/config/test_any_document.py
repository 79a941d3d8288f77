"""Whatever stands in the file or in a variable, the outcome is settings or a `ConfigError`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from attune.config import Settings, load_settings
from attune.core.errors import ConfigError
from effort import share
from settings_reference import describe_settings

KEYS = sorted({part for one in describe_settings() for part in one.key.split(".")} | {"runtimes"})

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.sampled_from(["10s", "no", "a,b"])
)
names = st.sampled_from(KEYS) | st.text(max_size=8)
values: st.SearchStrategy[Any] = st.recursive(
    scalars, lambda below: st.lists(below, max_size=4) | st.dictionaries(names, below, max_size=4), max_leaves=20
)
documents = st.dictionaries(names, values, max_size=5)
syntax = st.text(alphabet="abno01:-[]{}&*!?|>'\"%@#,.~<\t \n\r\\\ufeff\x85\u2028é", max_size=60)
hard = settings(max_examples=share(150))


def outcome(content: str, environ: dict[str, str], cwd: Path) -> Settings | ConfigError:
    try:
        (cwd / "attune.yaml").write_text(content, encoding="utf-8", errors="surrogatepass", newline="")
        return load_settings(environ, cwd)
    except ConfigError as error:
        assert "Traceback" not in str(error)
        return error


@hard
@given(document=documents)
def test_any_structure(tmp_path: Path, document: dict[str, Any]) -> None:
    result = outcome(yaml.safe_dump(document, allow_unicode=True), {}, tmp_path)

    if isinstance(result, Settings):
        json.dumps([dict(result.worker.capabilities), dict(result.sensor.capabilities)], allow_nan=False)


@hard
@given(content=syntax)
def test_any_text(tmp_path: Path, content: str) -> None:
    assert isinstance(outcome(content, {}, tmp_path), Settings | ConfigError)


@hard
@given(path=st.lists(st.sampled_from(KEYS), min_size=1, max_size=3), text=syntax | values.map(json.dumps))
def test_any_variable(tmp_path: Path, path: list[str], text: str) -> None:
    variable = "ATTUNE__" + "__".join(path).upper()

    assert isinstance(outcome("", {variable: text}, tmp_path), Settings | ConfigError)
