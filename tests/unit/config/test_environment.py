"""Variables of the environment as settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from attune.config import Settings, load_settings, process_environment, variable


def test_environment_wins_over_file_and_file_over_default(load) -> None:
    content = "worker: {name: file, labels: {zone: eu, rack: a}}\nheartbeat: {interval: 20}\n"
    settings = load(content, ATTUNE__WORKER__NAME="env", ATTUNE__WORKER__LABELS__ZONE="us")

    assert settings.worker.name == "env"
    assert settings.worker.labels == {"zone": "us", "rack": "a"}
    assert settings.heartbeat.interval == 20.0
    assert settings.detection.deadline == 60.0


@pytest.mark.parametrize(
    ("variable", "text", "section", "name", "value"),
    [
        ("ATTUNE__WORKER__NAME", "no", "worker", "name", "no"),
        ("ATTUNE__WORKER__NAME", "12", "worker", "name", "12"),
        ("ATTUNE__WORKER__NAME", "a: #b", "worker", "name", "a: #b"),
        ("ATTUNE__WORKER__TAINTS", "[gpu, 'no']", "worker", "taints", ("gpu", "no")),
        ("ATTUNE__WORKER__TAINTS", '["gpu"]', "worker", "taints", ("gpu",)),
        ("ATTUNE__WORKER__TAINTS", "- gpu\n- ssd", "worker", "taints", ("gpu", "ssd")),
        ("ATTUNE__WORKER__LABELS", "{zone: eu}", "worker", "labels", {"zone": "eu"}),
        ("ATTUNE__WORKER__LABELS__RACK", "1.10", "worker", "labels", {"rack": "1.10"}),
        ("ATTUNE__WORKER__CAPABILITIES__RUNTIMES", "[python]", "worker", "capabilities", {"runtimes": ["python"]}),
        ("ATTUNE__WORKER__CAPABILITIES__GPU", "2", "worker", "capabilities", {"gpu": 2}),
        ("ATTUNE__WORKER__MAX_CONCURRENT_EXECUTIONS", "4", "worker", "max_concurrent_executions", 4),
        ("ATTUNE__WORKER", "{name: w1}", "worker", "name", "w1"),
        ("ATTUNE__DETECTION__CACHE", "false", "detection", "cache", False),
        ("ATTUNE__DETECTION__DEADLINE", "5", "detection", "deadline", 5.0),
        ("ATTUNE__DETECTION__DEADLINE", "500ms", "detection", "deadline", 0.5),
        ("ATTUNE__LOG__LEVEL", "error", "log", "level", "error"),
        ("ATTUNE__LOG__LEVEL", "", "log", "level", "info"),
        ("ATTUNE__LOG__LEVEL", " \n", "log", "level", "info"),
        ("DATABASE_URL", "postgresql://u:p#x@db/x", "database", "url", "postgresql://u:p#x@db/x"),
        ("DATABASE_URL", "", "database", "url", None),
    ],
)
def test_a_variable_sets_its_setting(
    tmp_path: Path, variable: str, text: str, section: str, name: str, value: object
) -> None:
    assert getattr(getattr(load_settings({variable: text}, tmp_path), section), name) == value


def test_a_single_key_wins_over_its_section_whatever_their_order(tmp_path: Path) -> None:
    variables = {"ATTUNE__WORKER__NAME": "single", "ATTUNE__WORKER": "{name: section, taints: [gpu]}"}

    for environ in (variables, dict(reversed(variables.items()))):
        worker = load_settings(environ, tmp_path).worker
        assert (worker.name, worker.taints) == ("single", ("gpu",))


def test_null_in_a_variable_gives_the_default_back(load) -> None:
    assert load("worker: {taints: [gpu]}", ATTUNE__WORKER__TAINTS="null").worker.taints == ()


def test_the_prefixed_variable_wins_over_the_named_one_and_both_over_the_file(load) -> None:
    file, named, prefixed = (f"postgresql://{host}/x" for host in ("file", "named", "prefixed"))
    content = f"database: {{url: '{file}'}}\ndata_dir: /file"

    assert load(content).database.url == file
    assert load(content, DATABASE_URL=named).database.url == named
    assert load(content, ATTUNE__DATABASE__URL=prefixed, DATABASE_URL=named).database.url == prefixed
    assert load(content, ATTUNE_DATA_DIR="/named").data_dir == Path("/named")
    assert load(content, ATTUNE_DATA_DIR="/named", ATTUNE__DATA_DIR="/prefixed").data_dir == Path("/prefixed")


@pytest.mark.parametrize(
    ("variable", "text", "message", "hint"),
    [
        (
            "ATTUNE__WORKER__CAPABILITIES__RUNTIMES",
            "python",
            "worker.capabilities.runtimes: expected a list of names, got 'python'",
            "set ATTUNE__WORKER__CAPABILITIES__RUNTIMES='[python]'",
        ),
        (
            "ATTUNE__WORKER__CAPABILITIES__RUNTIMES",
            "a,b",
            "worker.capabilities.runtimes: expected a list of names, got 'a,b'",
            "set ATTUNE__WORKER__CAPABILITIES__RUNTIMES='[a,b]'",
        ),
        (
            "ATTUNE__WORKER__NMAE",
            "x",
            "worker.nmae: unknown key, did you mean worker.name?",
            "set ATTUNE__WORKER__NAME",
        ),
        ("ATTUNE__WROKER__NAME", "x", "wroker: unknown key, did you mean worker?", "set ATTUNE__WORKER"),
        ("ATTUNE__LOG__LEVEL__X", "x", "log.level.x: unknown key, log.level has no keys below it", None),
        ("ATTUNE__", "x", ": unknown key, expected one of", None),
        ("ATTUNE__WORKER____NAME", "x", "worker.: unknown key, expected one of", None),
        (
            "ATTUNE__HEARTBEAT__INTERVAL",
            "0",
            "heartbeat.interval: expected a duration from 100ms to 10m",
            "set ATTUNE__HEARTBEAT__INTERVAL='10s'",
        ),
        ("ATTUNE__WORKER", "python", "worker: expected a section with the keys", None),
    ],
)
def test_errors_name_the_variable(refuse, variable: str, text: str, message: str, hint: str | None) -> None:
    error = refuse("", **{variable: text})

    assert str(error).startswith(message)
    assert str(error).endswith(f" ({variable})")
    assert error.hint == hint


def test_bad_yaml_in_a_variable_names_the_variable_and_the_place(refuse) -> None:
    assert "ATTUNE__WORKER__TAINTS: expected valid YAML" in str(refuse("", ATTUNE__WORKER__TAINTS="[a"))
    assert "expected UTF-8 text" in str(refuse("", ATTUNE__WORKER__TAINTS="[\udce9]"))
    assert "nested at most" in str(refuse("", ATTUNE__WORKER__TAINTS="[" * 100_000))


def test_a_wrong_section_in_the_file_is_reported_even_when_a_key_below_it_is_overridden(refuse) -> None:
    assert str(refuse("worker: 5", ATTUNE__WORKER__NAME="w1")).startswith("worker: expected a section")


def test_other_variables_are_none_of_our_business(tmp_path: Path) -> None:
    environ = {
        "ATTUNE_WORKER_RUNTIMES": "python", "ATTUNE_SENSOR_RUNTIMES": "", "ATTUNE_HOME": "x",
        "ATTUNE_PORT": "tcp://10.0.0.1:80", "PATH": "/bin", "attune__worker__name": "x", "WORKER__NAME": "x",
    }  # fmt: skip

    assert load_settings(environ, tmp_path) == Settings()


def test_the_list_of_runtimes_is_read_at_the_time_of_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ATTUNE_WORKER_RUNTIMES", raising=False)
    before = variable("ATTUNE_WORKER_RUNTIMES")
    monkeypatch.setenv("ATTUNE_WORKER_RUNTIMES", " python,, ")

    assert before is None
    assert variable("ATTUNE_WORKER_RUNTIMES") == " python,, "


def test_the_copy_of_the_environment_is_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTUNE_TEST_VALUE", "1")
    copy = process_environment()
    copy["ATTUNE_TEST_VALUE"] = "2"

    assert process_environment()["ATTUNE_TEST_VALUE"] == "1"
