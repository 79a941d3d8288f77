"""Keys of other installations: read as ours, told with file and line, and refused where their value has no meaning."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attune.composition.packs import check_folder
from attune.core.documents import node_of
from attune.core.errors import Fault
from attune.core.matching.requirement import Requirement
from attune.core.packs.pack import KINDS
from attune.core.packs.spellings import SPELLINGS, other_keys, respelt
from attune.core.runtimes.definition import Definition, parse_definition
from pack_folders import EXPRESSIONS, IMAGES, KNOWN, mistakes_of, other_packs, write_other_pack, write_pack

pytestmark = pytest.mark.anyio
PACKS = Path(__file__).parents[3] / "corpus" / "packs"
NOTES = {
    "placed": [
        "actions/where.yaml:6: timeout_seconds: read as timeout",
        "actions/where.yaml:7: max_retries: read as retries",
        "actions/where.yaml:8: worker_selector: read as requires: ['zone=eu']",
        "actions/where.yaml:10: worker_tolerations: read as requires: "
        "['tolerates \"gpu-only\"', 'tolerates \"team\"', 'tolerates \"team=blue\"']",
        "actions/where.yaml:17: worker_affinity: read as requires: ['disk=ssd']",
        "actions/where.yaml:17: worker_affinity: read as prefers: ['rack=r1 *20']",
        "actions/where.yaml:24: default_execution_permission_set_refs: unknown key, ignored",
    ],
    "doors": [
        "sensors/watch.yaml:5: runner_type: read as runtime",
        "sensors/watch.yaml:7: trigger_types: read as trigger: 'doors.opened'",
        "sensors/watch.yaml:8: poll_interval: unknown key, ignored",
    ],
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def notes_of(folder: Path) -> list[str]:
    return list((await check_folder(folder, KNOWN, EXPRESSIONS)).notes)


@pytest.mark.parametrize("name", NOTES)
async def test_what_is_read_otherwise_is_told_with_file_and_line(name: str) -> None:
    told = "\n".join(await notes_of(PACKS / name))
    for expected in NOTES[name]:
        assert expected in told


@pytest.mark.parametrize("ref", other_packs())
async def test_every_pack_of_the_table_is_read_and_what_is_read_otherwise_told(tmp_path: Path, ref: str) -> None:
    told = "\n".join(await notes_of(write_other_pack(tmp_path, ref)))
    for expected in other_packs()[ref].get("told", ()):
        assert expected in re.sub(r":[0-9]+: left", ":1: left", told)


NEAR = [
    ("spoken", "runtimes/py.yaml", "execution_config", "execution_confg"),
    ("spoken", "runtimes/py.yaml", "distributions", "distribution"),
    ("lines", "actions/read.yaml", "parameter_delivery", "parameter_delivry"),
    ("filed", "actions/sum.yaml", "entry_point", "entry_pont"),
    ("filed", "actions/sum.yaml", "parameters", "paramters"),
    ("variables", "actions/show.yaml", "runner_type", "runer_type"),
    ("chosen", "actions/where.yaml", "worker_affinity", "worker_afinity"),
]


@pytest.mark.parametrize(("ref", "file", "key", "near"), NEAR)
async def test_what_is_nearly_a_key_that_matters_is_a_mistake(
    tmp_path: Path, ref: str, file: str, key: str, near: str
) -> None:
    path = write_other_pack(tmp_path, ref) / file
    path.write_text(re.sub(f"^{key}:", f"{near}:", path.read_text(), flags=re.MULTILINE))
    found = "\n".join(await mistakes_of(tmp_path / ref))
    assert re.search(rf"{file}:\d+: {near}: unknown key, did you mean {key}\?", found), found


async def test_what_is_spelt_as_here_is_read_without_a_word(tmp_path: Path) -> None:
    assert await notes_of(write_pack(tmp_path, IMAGES)) == []


async def test_placement_keeps_its_meaning() -> None:
    placed = (await check_folder(PACKS / "placed", KNOWN, EXPRESSIONS)).pack.actions[0]
    wanted = 'disk=ssd; zone=eu; tolerates gpu-only; tolerates team; tolerates "team=blue"'
    assert Requirement.parse(placed.requires) == Requirement.parse(wanted)
    assert Requirement.parse(str(placed.requirement)) == placed.requirement
    assert (placed.prefers, placed.timeout_seconds, placed.retries) == (("rack=r1 *20",), 45, 2)
    assert (placed.label, placed.version_constraint) == ("Where", ">=3.8")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("worker_selector: eu", "worker_selector: expected the form that others give it"),
        ("worker_affinity: {anti: []}", "worker_affinity: expected the form"),
        ("worker_affinity: {required: [{match_expressions: [{key: a, operator: Gt}]}]}", "worker_affinity: expected"),
        ("timeout: 5\ntimeout_seconds: 6", "timeout_seconds: expected either timeout_seconds or timeout, got both"),
        (
            "parameter_delivery: argv",
            "delivery: expected one of stdin, env, args, dotenv, file, dotenv-file, got 'argv'",
        ),
        ("worker_selector: {a b: c}", "requires[0]: expected"),
    ],
)
async def test_what_cannot_be_read_so_is_a_mistake(tmp_path: Path, line: str, sentence: str) -> None:
    files = {"actions/one.yaml": f"name: one\nruntime: python\nentry_point: resize.py\n{line}\n"}
    found = await mistakes_of(write_pack(write_pack(tmp_path), files))
    assert [one for one in found if one.startswith("actions/one.yaml:") and sentence in one], "\n".join(found)


RUNTIME = """
    ref: made.py
    name: Py
    aliases: [mypy, py3]
    execution_config:
      interpreter: {binary: python3, args: ["-u"], file_extension: .py}
      environment: {env_type: virtualenv, dir_name: .venv}
      env_vars: {GREETING: hello, PATH: /nowhere, PYTHONPATH: /there, MORE: {operation: prepend, value: x}}
    versions:
      - {version: "2.7", execution_config: {interpreter: {binary: python2.7}}}
      - version: "3.11"
        is_default: true
        distributions: {verification: {commands: [{binary: python3.11, args: ["-V"], pattern: "Python 3"}]}}
      - {version: "3.9", execution_config: {interpreter: {binary: "{env_dir}/bin/python"}}}
    """
PROVEN = "distributions: {verification: {commands: [{binary: python3, args: [--version], pattern: Python 3}]}}\n"


async def runtime_of(folder: Path, text: str) -> tuple[Definition, str]:
    """The definition that a pack brings whose one runtime is *text*, and what is said of it."""
    files = {"pack.yaml": "ref: made\nversion: 1.0.0\n", "runtimes/one.yaml": text}
    checked = await check_folder(write_pack(folder, files), KNOWN, EXPRESSIONS)
    return parse_definition(checked.pack.runtimes[0]), "\n".join(checked.notes)


async def test_a_runtime_is_a_definition_with_what_starts_it_and_its_versions(tmp_path: Path) -> None:
    definition, told = await runtime_of(tmp_path, RUNTIME)
    assert (definition.capability, definition.aliases) == ("mypy", ("mypy", "py3"))
    checks = [check.argv for check in definition.verification.checks]
    assert checks == [("python3", "--version"), ("python3.11", "-V"), ("python2.7", "--version")]
    assert definition.verification.discover == "all"
    assert definition.start.args == ("-u",)
    assert definition.start.on_host(()).environment == {"GREETING": "hello"}
    assert definition.start.on_host(("PATH",)).environment == {"GREETING": "hello", "PATH": "/nowhere"}
    assert "runtimes/one.yaml:4: execution_config: left out: environment, env_vars.MORE\n" in told
    assert "runtimes/one.yaml:8: versions: left out: 3.9, which names no command\n" in told


async def test_what_proves_a_runtime_is_not_replaced_by_what_starts_it(tmp_path: Path) -> None:
    definition, told = await runtime_of(tmp_path, dedent(RUNTIME).strip().partition("versions:")[0] + PROVEN)
    assert [(check.argv, check.pattern) for check in definition.verification.checks] == [
        (("python3", "--version"), "Python 3")
    ]
    assert (definition.verification.discover, "distributions.verification" in told) == ("first", False)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "key",
                    "operator",
                    "value",
                    "values",
                    "required",
                    "binary",
                    "env_vars",
                    "interpreter",
                    "version",
                    "distributions",
                    "x",
                ]
            ),
            inner,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(kind=st.sampled_from(["pack", *KINDS]), values=st.data())
def test_any_value_of_any_key_is_read_or_refused(kind: str, values: st.DataObject) -> None:
    keys = [
        *other_keys(kind),
        "ref",
        "name",
        "trigger",
        "action",
        "criteria",
        "class_name",
        *{row.key for row in SPELLINGS},
    ]
    document = values.draw(st.dictionaries(st.sampled_from(keys), ANYTHING, max_size=4))
    faults: list[Fault] = []
    node = node_of(document)
    respelt(kind, node, faults)
    assert all(str(fault) for fault in faults)
