"""What the text of the file may be."""

from __future__ import annotations

import time
from typing import Any

import pytest

from attune.config import Settings
from attune.config.document import LOADERS, read_document
from attune.core.errors import ConfigError, Fault


def error_of(text: str, loader: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read_document(text, "attune.yaml", [], loader=loader)
    return caught.value


both_parsers = pytest.mark.parametrize("loader", LOADERS, ids=["libyaml", "python"])


@pytest.mark.parametrize("content", ["", "\n\n", "# only a comment\n", "---\n", "null\n", "\ufeff", "{}", "worker:\n"])
def test_a_file_without_values_gives_the_defaults(load, content: str) -> None:
    settings = load(content)

    assert settings.path.name == "attune.yaml"
    assert (settings.worker, settings.log) == (Settings().worker, Settings().log)


def test_a_byte_order_mark_and_windows_line_ends_are_fine(load) -> None:
    settings = load(b"\xef\xbb\xbfworker:\r\n  name: w1\r\nlog:\r\n  level: debug\r\n")

    assert (settings.worker.name, settings.log.level) == ("w1", "debug")


def test_other_encodings_are_refused_with_the_line(refuse) -> None:
    assert "expected UTF-8 text, got the byte 0xe9 (attune.yaml:2)" in str(refuse(b"# x\nworker: {name: caf\xe9}"))
    assert "expected UTF-8 text" in str(refuse("worker: {}".encode("utf-16")))


@pytest.mark.parametrize("content", ["[worker]", "- worker\n", "just text", "5", "true"])
def test_anything_but_sections_at_the_top_is_refused(refuse, content: str) -> None:
    assert "attune.yaml: expected sections such as `worker:` at the top level, got " in str(refuse(content))


@both_parsers
def test_a_tab_as_indentation_is_named(loader: Any) -> None:
    error = error_of("worker:\n\tname: w1\n", loader)

    assert str(error).startswith("attune.yaml: expected spaces as indentation, got a tab (attune.yaml:2:")
    assert error.hint == "replace the tabs by spaces"


@both_parsers
@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("worker:\n  name: a: b\n", "attune.yaml:2:10"),
        ("a: [1, 2\nb: 3\n", "attune.yaml:2:"),
        ("a: 'b\n", "attune.yaml:2:1"),
        ("a: {b: c\n", "attune.yaml:2:1"),
        ("a: b\n c: d\n", "attune.yaml:2:"),
        ("a: @b\n", "attune.yaml:1:4"),
        ("%YAML 9\n", "attune.yaml:"),
    ],
)
def test_bad_syntax_is_named_with_line_and_column(loader: Any, text: str, place: str) -> None:
    error = error_of(text, loader)

    assert str(error).startswith("attune.yaml: expected valid YAML, got this: ")
    assert f"({place}" in str(error)


@both_parsers
@pytest.mark.parametrize("text", ["a: \x00", "a: \x07b", 'a: "\\0"', "a: b\udce9"])
def test_characters_that_nothing_can_store_are_refused(loader: Any, text: str) -> None:
    assert "attune.yaml: expected" in str(error_of(text, loader))


@both_parsers
@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:os.system [id]",
        "a: !!python/object:subprocess.Popen {}",
        "!!python/name:os.system ''",
        "a: !!binary aGk=",
        "a: !!set {x}",
        "a: !custom 1",
        "!!omap [a: 1]",
        "!!python/object:x {a: 1}: 2",
    ],
)
def test_tags_make_nothing(loader: Any, text: str) -> None:
    assert "expected a plain value, got the tag !" in str(error_of(text, loader))


def test_the_tag_for_text_makes_text(load) -> None:
    assert load("worker: {name: !!str 12, labels: {gpu: ! yes}}").worker.labels == {"gpu": "yes"}


@both_parsers
def test_a_bomb_of_aliases_is_refused_in_no_time(loader: Any) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    started = time.thread_time()

    error = error_of("\n".join(lines), loader)

    assert "expected at most 10000 values, got more (attune.yaml:" in str(error)
    assert time.thread_time() - started < 20


@both_parsers
@pytest.mark.parametrize("text", ["[" * 20_000, "{a: " * 20_000, "- " * 20_000, "? " * 20_000, "[[" * 50 + "]]" * 50])
def test_deep_nesting_is_an_error_not_a_crash(loader: Any, text: str) -> None:
    assert "expected values nested at most 40 deep, got deeper ones (attune.yaml:1)" in str(error_of(text, loader))


@both_parsers
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: *b", "expected the name of an anchor above, got *b (attune.yaml:1)"),
        ("a: &a [*a]", "expected a value that does not contain itself, got *a (attune.yaml:1)"),
        ("a: &a\n  b: *a", "expected a value that does not contain itself, got *a (attune.yaml:2)"),
        ("a: 1\n---\nb: 2", "expected one document, got a second one after '---' (attune.yaml:2)"),
        ("1: a", "expected keys that are text, got 1, which YAML does not read as text (attune.yaml:1)"),
        ("a: 1\non: b", "got on, which YAML does not read as text (attune.yaml:2)"),
        ("[a]: b", "expected keys that are text, got something else (attune.yaml:1)"),
        ("{a: b}: c", "expected keys that are text, got something else (attune.yaml:1)"),
        ("<<: 5", "expected a section after '<<:', got another value (attune.yaml:1)"),
    ],
)
def test_what_yaml_allows_but_settings_do_not_is_named(loader: Any, text: str, message: str) -> None:
    assert message in str(error_of(text, loader))


def test_a_key_written_twice_names_both_lines(refuse) -> None:
    error = refuse("worker:\n  name: a\n  taints: []\n  name: b\nlog: {level: info}\nworker: {}\n")

    assert str(error).splitlines() == [
        "worker.name: expected each key once, got it again after attune.yaml:2 (attune.yaml:4)",
        "worker: expected each key once, got it again after attune.yaml:1 (attune.yaml:6)",
    ]


def test_aliases_and_merge_keys_work(load) -> None:
    settings = load(
        """
worker: &node
  labels: &labels {zone: eu, rack: a1}
  taints: [gpu]
sensor:
  <<: *node
  labels: {<<: [*labels, {rack: b2, row: r}], zone: us}
"""
    )

    assert settings.sensor.taints == ("gpu",)
    assert settings.sensor.labels == {"zone": "us", "rack": "a1", "row": "r"}


def test_numbers_that_readers_of_yaml_disagree_on_stay_text(load) -> None:
    kept = load(
        "worker: {capabilities: {a: 010, b: 1_000, c: 1:30, d: 2024-01-01, e: 0x1F, f: 1e3, g: -5, h: 1.50, i: .5, "
        "j: ~, k: off, l: 'off', m: [1, {n: null}]}}"
    ).worker.capabilities

    assert kept == {
        "a": "010", "b": "1_000", "c": "1:30", "d": "2024-01-01", "e": "0x1F", "f": 1000.0, "g": -5, "h": 1.5, "i": 0.5,
        "j": None, "k": False, "l": "off", "m": [1, {"n": None}],
    }  # fmt: skip


def test_both_parsers_give_the_same_tree() -> None:
    text = "a: &x [1, 'two', {b: yes}]\nc: *x\nd: |\n  text\n"
    faults: list[Fault] = []

    first, second = (read_document(text, "attune.yaml", faults, loader=loader) for loader in LOADERS)

    assert first == second
    assert not faults
