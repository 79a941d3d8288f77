"""What each setting may be, and the sentence for what it may not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("content", "key", "expected", "got", "line"),
    [
        (
            "worker:\n  capabilities:\n    runtimes: python",
            "worker.capabilities.runtimes",
            "a list of names",
            "'python'",
            3,
        ),
        (
            "worker:\n  capabilities:\n    runtimes:\n    - python\n    - 3\n",
            "worker.capabilities.runtimes[1]",
            "a name",
            "3",
            5,
        ),
        ("worker: {capabilities: {runtimes: [[python]]}}", "worker.capabilities.runtimes[0]", "a name", "a list", 1),
        ("sensor: {capabilities: {runtimes: [python, ~]}}", "sensor.capabilities.runtimes[1]", "a name", "~", 1),
        (
            "worker: {capabilities: {runtimes: {python: 3}}}",
            "worker.capabilities.runtimes",
            "a list of names",
            "a section of keys",
            1,
        ),
        ("worker: {capabilities: {runtimes: 3}}", "worker.capabilities.runtimes", "a list of names", "3", 1),
        (
            "worker: {capabilities: [python]}",
            "worker.capabilities",
            "a section of capabilities, in which `runtimes` is a list of names",
            "a list",
            1,
        ),
        ("worker: {capabilities: {x: [.nan]}}", "worker.capabilities.x[0]", "a finite number", ".nan", 1),
        ("worker:\n  name: no", "worker.name", "a name without spaces around it", "no, which YAML reads as false", 2),
        ("worker: {name: true}", "worker.name", "a name without spaces around it", "true", 1),
        ("worker: {name: 12}", "worker.name", "a name without spaces around it", "12", 1),
        ("worker: {name: ' w1 '}", "worker.name", "a name without spaces around it", "' w1 '", 1),
        ("worker: {name: ''}", "worker.name", "a name without spaces around it", "''", 1),
        ("worker: {labels: {rack: 1.10}}", "worker.labels.rack", "text", "1.10", 1),
        ("worker: {labels: [zone]}", "worker.labels", "keys with a text each", "a list", 1),
        ("worker: {taints: gpu}", "worker.taints", "a list of texts", "'gpu'", 1),
        (
            "worker: {max_concurrent_executions: true}",
            "worker.max_concurrent_executions",
            "a whole number from 1 to 10000",
            "true",
            1,
        ),
        (
            "worker: {max_concurrent_executions: 0}",
            "worker.max_concurrent_executions",
            "a whole number from 1 to 10000",
            "0",
            1,
        ),
        (
            "worker: {max_concurrent_executions: 2.0}",
            "worker.max_concurrent_executions",
            "a whole number from 1 to 10000",
            "2.0",
            1,
        ),
        (
            "worker: {max_concurrent_executions: '2'}",
            "worker.max_concurrent_executions",
            "a whole number from 1 to 10000",
            "'2'",
            1,
        ),
        (
            "worker: 5",
            "worker",
            "a section with the keys name, labels, taints, capabilities, drain_timeout, max_concurrent_executions",
            "5",
            1,
        ),
        ("detection: {cache: 1}", "detection.cache", "true or false", "1", 1),
        ("detection: {cache: 'true'}", "detection.cache", "true or false", "'true'", 1),
        ("host: {allowed_paths: [bin]}", "host.allowed_paths[0]", "an absolute path", "'bin'", 1),
        (
            "host: {allowed_binaries: [bin/python3]}",
            "host.allowed_binaries[0]",
            "the name of a command or an absolute path",
            "'bin/python3'",
            1,
        ),
        (
            "host: {environment: [PATH=x]}",
            "host.environment[0]",
            "the name of a variable other than ATTUNE_*, DATABASE_URL and PGPASSWORD",
            "'PATH=x'",
            1,
        ),
        ("log: {level: loud}", "log.level", "one of debug, info, warning, error", "'loud'", 1),
        ("log: {format: off}", "log.format", "one of auto, console, json", "off, which YAML reads as false", 1),
        ("data_dir: ~/attune", "data_dir", "the path of a folder, without ~", "'~/attune'", 1),
    ],
)
def test_a_value_of_another_kind_is_refused_not_converted(
    refuse, content: str, key: str, expected: str, got: str, line: int
) -> None:
    assert str(refuse(content)) == f"{key}: expected {expected}, got {got} (attune.yaml:{line})"


def test_a_long_name_is_refused_by_its_length(refuse) -> None:
    assert "at most 255 characters, got 300 characters" in str(refuse(f"worker: {{name: {'w' * 300}}}"))


@pytest.mark.parametrize("secret", ["ATTUNE_TOKEN", "ATTUNE_WORKER_RUNTIMES", "DATABASE_URL", "PGPASSWORD"])
def test_variables_with_secrets_are_not_let_through_to_checks(refuse, secret: str) -> None:
    assert "host.environment[0]: expected" in str(refuse(f"host: {{environment: [{secret}]}}"))


def test_variables_that_only_begin_like_secret_ones_are_let_through(load) -> None:
    assert load("host: {environment: [PGPASSWORD_X, JAVA_HOME]}").host.environment == (
        "PGPASSWORD_X",
        "JAVA_HOME",
    )


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("10", 10.0),
        ("0.5", 0.5),
        ("10s", 10.0),
        ("500ms", 0.5),
        ("5m", 300.0),
        ("2 m", 120.0),
        ("1.5s", 1.5),
        ("1e1", 10.0),
    ],
)
def test_a_duration_is_a_number_of_seconds_or_has_a_unit(load, written: str, seconds: float) -> None:
    assert load(f"heartbeat: {{interval: {written}}}").heartbeat.interval == seconds


@pytest.mark.parametrize(
    "written",
    ["'5'", "-1", "0", "1e9", "1h", "-5s", "5 minutes", "true", ".nan", ".inf", "[5]", "5M", "''", "1e400", "9" * 200],
)
def test_any_other_duration_gets_the_allowed_range_and_forms(refuse, written: str) -> None:
    error = refuse(f"heartbeat: {{interval: {written}}}")

    assert str(error).startswith(
        "heartbeat.interval: expected a duration from 100ms to 10m "
        "(a number of seconds, or a number and one of ms, s, m, h), got "
    )
    assert error.hint == "write interval: 10s"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://localhost/attune",
        "postgres://u:p%40ss@db:5432/attune?sslmode=require",
        "postgresql:///attune?host=/var/run/postgresql",
        "postgresql://[::1]:5433/attune",
        "postgresql://a:5432,b:5433,c/attune",
        "postgresql://u:p:q@db",
        "postgresql://u:p#q?r@db/x?application_name=a@b",
    ],
)
def test_urls_that_libpq_reads_are_accepted(load, url: str) -> None:
    assert load(f"database: {{url: '{url}'}}").database.url == url


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://u:hunter2@db:0/x", "expected a port from 1 to 65535, got 0"),
        ("postgresql://u:hunter2@db:70000/x", "expected a port from 1 to 65535, got 70000"),
        ("postgresql://u:hunter2@db:http/x", "expected a port from 1 to 65535, got http"),
        ("postgresql://u:hunter2/x@db/x", "expected a port from 1 to 65535, got something else"),
        ("postgresql://u:x@hunter2@db/x", "expected hosts as name, name:port or [address]:port, got something else"),
        ("postgresql://u:hunter2@::1/x", "expected hosts as name, name:port or [address]:port, got '::1'"),
        ("mysql://u:hunter2@db/x", "expected a URL that begins with postgresql://, got one that begins with mysql://"),
        (
            "postgresql+psycopg://u:hunter2@db/x",
            "expected a URL that begins with postgresql://, got one that begins with postgresql+psycopg://",
        ),
        (
            "host=db password=hunter2",
            "expected a URL that begins with postgresql://, got text with a space or a line break in it",
        ),
        (
            "postgresql://u:hunter2@db/x y",
            "expected a URL that begins with postgresql://, got text with a space or a line break in it",
        ),
        ("", "expected a URL that begins with postgresql://, got text that is not a URL"),
    ],
)
def test_a_bad_url_is_named_without_showing_it(refuse, url: str, message: str) -> None:
    error = refuse(f"database: {{url: '{url}'}}")

    assert str(error) == f"database.url: {message} (attune.yaml:1)"
    assert "hunter2" not in f"{error}{error.hint}"


@pytest.mark.parametrize(
    "content",
    [
        "database: postgresql://u:hunter2@db/x",
        "database: 'host=db password=hunter2'",
        "worker: {name: ['postgresql://u:hunter2@db/x']}",
        "worker: 'postgresql://u:hunter2@db/x'",
        "database: {url: [postgresql://u:hunter2@db/x]}",
    ],
)
def test_no_error_shows_a_password(refuse, content: str) -> None:
    error = refuse(content)

    assert "hunter2" not in f"{error}{error.hint}"


def test_the_password_is_in_no_repr(load) -> None:
    settings = load("database: {url: 'postgresql://u:hunter2@db/x?password=hunter2&a=b'}")

    assert "hunter2" not in repr(settings) + str(settings.database)


def test_capabilities_other_than_runtimes_are_kept_as_they_are(load) -> None:
    capabilities = load("worker: {capabilities: {runtimes: [Python, ' '], gpu: true, n: 1, deep: {a: [1, null]}}}")

    assert capabilities.worker.capabilities == {
        "runtimes": ["Python", " "],
        "gpu": True,
        "n": 1,
        "deep": {"a": [1, None]},
    }
    assert json.loads(json.dumps(capabilities.worker.capabilities)) == capabilities.worker.capabilities


def test_null_counts_as_not_set(load) -> None:
    settings = load("worker: {name: ~, capabilities: {runtimes: , x: null}, taints: null}\nsensor: null\n")

    assert settings.worker.name is None
    assert settings.worker.capabilities == {"x": None}
    assert settings.worker.taints == ()


def test_a_relative_data_folder_starts_at_the_working_directory(load, tmp_path: Path) -> None:
    assert load("data_dir: data").data_dir == tmp_path / "data"
    assert load("data_dir: /srv/attune data").data_dir == Path("/srv/attune data")


@pytest.mark.parametrize(
    ("content", "key", "nearest"),
    [
        ("worker: {nmae: x}", "worker.nmae", "worker.name"),
        ("wroker: {name: x}", "wroker", "worker"),
        ("Worker: {name: x}", "Worker", "worker"),
        ("worker: {runtimes: [python]}", "worker.runtimes", "worker.capabilities.runtimes"),
        ("deadline: 5", "deadline", "detection.deadline"),
    ],
)
def test_an_unknown_key_names_the_nearest_one(refuse, content: str, key: str, nearest: str) -> None:
    error = refuse(content)

    assert str(error) == f"{key}: unknown key, did you mean {nearest}? (attune.yaml:1)"
    assert error.hint == f"write {nearest}"


def test_an_unknown_key_like_no_other_gets_the_known_ones(refuse) -> None:
    known = "database, data_dir, worker, sensor, detection, host, heartbeat, health, sensing, executions, api"
    more = "retention, secrets, log, demo"

    assert str(refuse("zzz: x")) == f"zzz: unknown key, expected one of {known}, {more} (attune.yaml:1)"


@pytest.mark.parametrize(
    ("key", "new"),
    [("allowed_binaries", "allowed_binaries"), ("trusted_paths", "allowed_paths"), ("environment", "environment")],
)
def test_a_key_that_has_another_name_now_is_told_the_new_one(refuse, key: str, new: str) -> None:
    error = refuse(f"detection:\n  {key}: []\n")
    by_variable = refuse("", **{f"ATTUNE__DETECTION__{key.upper()}": "[]"})

    assert str(error) == f"detection.{key}: unknown key, it is called host.{new} now (attune.yaml:2)"
    assert error.hint == f"write host.{new}"
    assert by_variable.hint == f"set ATTUNE__HOST__{new.upper()}"


def test_commands_with_arguments_are_texts_or_lists(load, refuse) -> None:
    host = load("host: {allowed_commands: [python3 --version, [sh, -c, 'exit 0'], /bin/true]}").host

    assert host.allowed_commands == (("python3", "--version"), ("sh", "-c", "exit 0"), ("/bin/true",))
    for wrong in ("5", "''", "[]", "[sh, 5]", "bin/sh", "{a: b}"):
        expected = "host.allowed_commands[0]: expected a command and its arguments, as text or as a list of texts"
        assert str(refuse(f"host: {{allowed_commands: [{wrong}]}}")).startswith(expected)


def test_owners_are_names_or_numbers(load, refuse) -> None:
    assert load("host: {trusted_owners: [linuxbrew, 1001, '1002']}").host.trusted_owners == (
        "linuxbrew",
        "1001",
        "1002",
    )
    for wrong in ("-1", "true", "''", "a b", "[x]"):
        assert "expected the name or the number of a user" in str(refuse(f"host: {{trusted_owners: [{wrong}]}}"))


def test_the_path_of_the_file_is_no_setting(refuse) -> None:
    assert str(refuse("path: x")).startswith("path: unknown key")


def test_a_huge_unknown_key_is_shortened(refuse) -> None:
    assert len(str(refuse(f"? {'k' * 50_000}\n: 1"))) < 400


def test_all_faults_are_reported_and_the_hint_belongs_to_the_first(refuse) -> None:
    error = refuse("worker:\n  taints: gpu\nlog:\n  level: loud\n  colour: yes\n", ATTUNE__SENSOR__NAME=" x")

    assert [line.partition(":")[0] for line in str(error).splitlines()] == [
        "worker.taints",
        "log.level",
        "log.colour",
        "sensor.name",
    ]
    assert error.hint == "write taints: [gpu]"


def test_a_flood_of_faults_is_cut(refuse) -> None:
    lines = str(refuse("".join(f"zz{n}: 1\n" for n in range(100)))).splitlines()

    assert len(lines) == 21
    assert lines[-1] == "and 80 more"
