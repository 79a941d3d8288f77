"""Three tiers: environment variable, config file, database detection."""

from __future__ import annotations

from typing import Any

import pytest

from attune.core.errors import ConfigError
from attune.core.nodes.role import SENSOR, WORKER, other_role_note
from attune.core.runtimes.selection import Source, select, unknown_name_warnings

VARIABLE = "ATTUNE_WORKER_RUNTIMES"


def chosen(text: str | None = None, capabilities: dict[str, Any] | None = None) -> Any:
    return select(VARIABLE, text, "worker", capabilities)


def test_the_environment_wins_over_the_file_and_the_file_over_detection() -> None:
    both = chosen("python", {"runtimes": ["shell"]})
    file_only = chosen(None, {"runtimes": ["shell"]})
    neither = chosen()

    assert (both.source, both.names) == (Source.ENVIRONMENT, ("python",))
    assert (file_only.source, file_only.names) == (Source.CONFIG, ("shell",))
    assert (neither.source, neither.names) == (Source.DATABASE, None)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("python,shell,node", ("python", "shell", "node")),
        ("python,,shell,", ("python", "shell")),
        ("  python ,\n shell\t", ("python", "shell")),
        ("Python,PYTHON,python3", ("python",)),
        ("nodejs,node.js,bash,sh", ("node", "shell")),
        ("golang,jdk,rscript", ("go", "java", "r")),
        ("pyton", ("pyton",)),
        ("none", ()),
        (" NONE ", ()),
        ("none,python", ("none", "python")),
    ],
)
def test_names_are_trimmed_lower_cased_folded_and_kept_once_in_order(text: str, names: tuple[str, ...]) -> None:
    assert chosen(text).names == names


@pytest.mark.parametrize("text", ["", "   ", ",", ",,", " , \n"])
def test_a_blank_variable_counts_as_not_set_with_a_warning(text: str) -> None:
    selection = chosen(text, {"runtimes": ["shell"]})

    assert (selection.source, selection.names) == (Source.CONFIG, ("shell",))
    assert VARIABLE in selection.warnings[0]


def test_an_empty_list_counts_as_not_set() -> None:
    assert chosen(None, {"runtimes": []}).source is Source.DATABASE


def test_a_wrong_separator_names_the_expected_one() -> None:
    with pytest.raises(ConfigError, match="expected names separated by commas, got 'python;shell'") as caught:
        chosen("python;shell")

    assert caught.value.hint == f"{VARIABLE}=python,shell"


def test_a_huge_variable_is_named_but_not_printed() -> None:
    with pytest.raises(ConfigError) as caught:
        chosen("x" * 100_000)

    assert str(caught.value).startswith(VARIABLE)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("python", "worker.capabilities.runtimes: expected a list of names, got 'python'"),
        (["python", 3], r"worker.capabilities.runtimes\[1\]: expected a name, got 3"),
        ({"python": True}, "worker.capabilities.runtimes: expected a list of names"),
        (True, "worker.capabilities.runtimes: expected a list of names, got true"),
    ],
)
def test_a_wrong_type_in_the_file_names_the_key_and_what_was_found(value: object, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        chosen(None, {"runtimes": value})


@pytest.mark.parametrize("text", [None, "python"])
def test_other_capability_keys_are_kept_in_every_tier(text: str | None) -> None:
    assert chosen(text, {"gpu": True, "max_concurrent_executions": 9}).extras == {
        "gpu": True,
        "max_concurrent_executions": 9,
    }


def test_an_unknown_name_is_kept_with_the_nearest_known_one() -> None:
    assert unknown_name_warnings(("pyton", "shell"), ["python", "shell"]) == (
        "no definition is called 'pyton'; did you mean python?",
    )
    assert unknown_name_warnings(("zzz",), ["python"]) == ("no definition is called 'zzz'",)


def test_the_other_roles_variable_is_only_noted() -> None:
    note = other_role_note(SENSOR, {WORKER.environment_variable: "python"}.get)

    assert note == "ATTUNE_WORKER_RUNTIMES is set but this is a sensor, which reads ATTUNE_SENSOR_RUNTIMES"
    assert other_role_note(WORKER, {WORKER.environment_variable: "python"}.get) is None


def test_a_variable_that_is_not_utf8_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"ATTUNE_WORKER_RUNTIMES: expected text in UTF-8, got 'py\\udcff,shell'"):
        select("ATTUNE_WORKER_RUNTIMES", "py\udcff,shell", "worker")
