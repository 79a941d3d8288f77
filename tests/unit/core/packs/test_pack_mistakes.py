"""A folder that is no pack: every mistake is told at once, with file and line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from attune.core.errors import UsageError
from attune.core.packs.pack import Known
from pack_folders import EXPRESSIONS, IMAGES, KNOWN, mistakes_of, write_pack

pytestmark = pytest.mark.anyio

TWENTY = {
    **IMAGES,
    "pack.yaml": """
        ref: img
        label: Images
        version: 1.0
        lable: Pictures
        """,
    "actions/resize.yaml": """
        name: resize
        label: Resize
        entry_pont: resize.py
        runtime: pyton
        requires:
          - ffmpeg
          - python >=
        prefers: [gpu *500]
        parameters:
          width: {type: integr}
          token: {type: string, secret: true}
        timeout: soon
        retries: -1
        delivery: argv
        on_lost: ignore
        """,
    "actions/draw.yaml": """
        name: draw
        label: Draw
        entry_point: ../draw.py
        runtime: python
        runtime_version: ">=3.9 and more"
        """,
    "sensors/ticks.yaml": """
        name: ticks
        label: Ticks
        runtime: core.sensor.builtin
        entry_point: interval
        config: {evry: 5s}
        trigger: img.mode
        """,
    "rules/shrink.yaml": """
        name: shrink
        label: Shrink
        trigger: img.made
        when:
          - payload.width >> 100
          - paylod.width > 100
        action: img.resise
        parameters: {width: "${{ payload.width "}
        enabled: sometimes
        """,
}
EXPECTED = [
    "actions/draw.yaml:3: entry_point: expected a file beside this one, without .. and not absolute, got '../draw.py'",
    "actions/draw.yaml:5: runtime_version: expected a version constraint such as '>=3.9,<4', got '>=3.9 and more'",
    "actions/resize.yaml:1: entry_point: expected a file beside this one, got nothing",
    "actions/resize.yaml:3: entry_pont: unknown key, did you mean entry_point?",
    "actions/resize.yaml:4: runtime: expected a runtime that exists, got 'pyton', did you mean python?",
    "actions/resize.yaml:7: requires[1]: expected a version after '>=' at offset 9",
    "actions/resize.yaml:8: prefers[0]: expected ",
    "actions/resize.yaml:10: parameters.width.type: expected one of array, boolean",
    "actions/resize.yaml:12: timeout: expected a time from 0.01 to",
    "actions/resize.yaml:13: retries: expected a whole number from 0 to 1000, got -1",
    "actions/resize.yaml:14: delivery: expected one of stdin, env, args, dotenv, file, dotenv-file, got 'argv'",
    "actions/resize.yaml:15: on_lost: expected one of retry, abandon, got 'ignore'",
    "pack.yaml:3: version: expected a version such as 1.0.0, got 1.0, which needs quotes",
    "pack.yaml:4: lable: unknown key, did you mean label?",
    "rules/shrink.yaml:5: when[0]: expected an expression, got this: extraneous input '>' (line 1, column 16 of",
    "rules/shrink.yaml:6: when[1]: expected the names event, pack, payload, got paylod",
    "rules/shrink.yaml:7: action: expected an action that exists, got 'img.resise', did you mean img.resize?",
    "rules/shrink.yaml:8: parameters.width: expected }} after the template at offset 0, got the end of the text",
    "rules/shrink.yaml:9: enabled: expected true or false, got 'sometimes'",
    "sensors/ticks.yaml:5: config.every: expected a time from 100ms to 366d, such as '5s', got nothing",
    "sensors/ticks.yaml:5: config.evry: expected one of every, at_start, got an unknown key",
    "sensors/ticks.yaml:6: trigger: expected a trigger that exists, got 'img.mode', did you mean img.made?",
]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_pack_with_twenty_mistakes_gets_all_of_them_told_with_file_and_line(tmp_path: Path) -> None:
    found = await mistakes_of(write_pack(tmp_path, TWENTY))

    assert len(found) == len(EXPECTED), "\n".join(found)
    for told, expected in zip(sorted(found), sorted(EXPECTED), strict=True):
        assert told.startswith(expected)


async def test_a_good_pack_has_none(tmp_path: Path) -> None:
    assert await mistakes_of(write_pack(tmp_path)) == []


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("pack.yaml", None, "pack.yaml: expected one file of this name, got none"),
        ("pack.yaml", "", "pack.yaml: expected an object with ref and version, got null"),
        (
            "pack.yaml",
            "ref: core\nlabel: C\nversion: 1.0.0",
            "pack.yaml:1: ref: expected a ref of your own",
        ),
        ("pack.yaml", "ref: Img\nlabel: C\nversion: 1.0.0", "pack.yaml:1: ref: expected lower-case letters"),
        ("pack.yaml", "a: [", "pack.yaml:2:1: expected valid YAML"),
        ("pack.yaml", b"\tref: img", "pack.yaml:1:1: expected spaces as indentation, got a tab"),
        ("pack.yaml", "!!python/object:os.system {}", "pack.yaml:1: expected a plain value, got the tag"),
        ("pack.yaml", b"ref: \xff", "pack.yaml:1: expected UTF-8 text, got the byte 0xff"),
        ("pack.yaml", "[" * 100_000, "pack.yaml:1: expected values nested at most 40 deep, got deeper ones"),
        (
            "pack.yaml",
            "ref: img\nlabel: I\nversion: 1.0.0\nmeta: {a: [.inf]}",
            "pack.yaml:4: expected a number that JSON has, got .inf",
        ),
        ("rules/a.yaml", "- 1", "rules/a.yaml:1: expected an object that describes one of the pack's rules, got [1]"),
        ("actions/b.yaml", "label: B", "actions/b.yaml:1: name: expected a name, or ref: img.<name>, got nothing"),
        (
            "triggers/b.yaml",
            "ref: other.b\nlabel: B",
            "triggers/b.yaml:1: ref: expected a ref of this pack, img.<name>",
        ),
        (
            "triggers/b.yaml",
            "name: made\nlabel: B",
            "triggers/made.yaml:1: ref: expected each ref once, got img.made again",
        ),
        (
            "rules/zz.yaml",
            "name: big\nlabel: B\ntrigger: img.none\naction: img.resize",
            "rules/zz.yaml:3: trigger: expected a trigger that exists",
        ),
        ("action/b.yaml", "name: b", "action/b.yaml: expected the folder actions, got action, which is not read"),
        ("actions/b.yaml", "entri: b.py", "actions/b.yaml:1: entri: unknown key, did you mean entry?"),
        ("actions/b.yaml", "runer_type: shell", "actions/b.yaml:1: runer_type: unknown key, did you mean runner_type?"),
        ("triggers/b.yaml", "name: b\nname: c\nlabel: B", "triggers/b.yaml:2: name: expected each key once"),
        ("runtimes/r.yaml", "ref: other.r\nname: R", "runtimes/r.yaml:1: ref: expected a ref of this pack"),
        (
            "runtimes/r.yaml",
            "ref: img.r\nname: R\ndistributions:\n  verification:\n    commands:\n      - {binary: r, pattern: '('}",
            "runtimes/r.yaml:6: verification.commands[0].pattern: expected ",
        ),
        (
            "runtimes/r.yaml",
            "ref: img.r\nname: R\ndistributions:\n  verification:\n    commands: [{binary: r}]\n    examples:\n"
            "      - {output: 'r 1.2.3', exit_code: 0, expect: {available: true, version: 9.9.9}}",
            "runtimes/r.yaml:7: distributions.verification.examples[0]: expected version '9.9.9', got '1.2.3'",
        ),
        (
            "actions/resize.py",
            None,
            "actions/resize.yaml:3: entry_point: expected a file of the pack, got actions/resize.py",
        ),
    ],
)
async def test_one_mistake_is_one_sentence(tmp_path: Path, name: str, content: str | bytes, sentence: str) -> None:
    write_pack(tmp_path)
    found = await mistakes_of(write_pack(tmp_path, {name: content}))

    assert len(found) >= 1
    assert any(one.startswith(sentence) for one in found), "\n".join(found)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("runtime_version: '>=3'", "runtime_version: expected a runtime that it is about, got none"),
        ("", "entry_point: expected an executable file, for there is no runtime"),
        ("runtime: python\nresult_file: /etc/passwd", "result_file: expected a file in the working directory"),
        ("runtime: python\ntimeout: 0", "timeout: expected a time from 0.01"),
        ("runtime: python\ntimeout: true", "timeout: expected a time from 0.01"),
        ("runtime: python\nretries: 1.5", "retries: expected a whole number"),
        ("priority: 10", "priority: expected a whole number from 0 to 9, got 10"),
        ("concurrency: 0", "concurrency: expected a whole number from 1 to 1000000, got 0"),
        ("runtime: python\ninterpreter_args: -u", "interpreter_args: expected a list of texts, got '-u'"),
        ("runtime: python\ninterpreter_args: [1]", "interpreter_args[0]: expected a text, got 1"),
        ("runtime: python\nparameters: [a]", "parameters: expected an object, got ['a']"),
        ("runtime: python\nparameters: {a: {pattern: '(?=a)'}}", "parameters.a.pattern: expected a pattern (RE2)"),
        (
            "runtime: python\ndelivery: env\nparameters: {a-b: {}, a.b: {}}",
            "got ATTUNE_PARAM_A_B, which is that of a-b",
        ),
        ("runtime: python\ndelivery: args\nparameters: {a=b: {}}", "parameters: expected a name without '='"),
        ("runtime: python\noutput: {type: array}", "output.type: expected object, got 'array'"),
        ("runtime: python\nname: other\nref: img.x", "name: expected a name that ends the ref, or none, got 'other'"),
    ],
)
async def test_an_action_that_cannot_work_is_refused(tmp_path: Path, line: str, sentence: str) -> None:
    name = "" if "name:" in line else "name: one\n"
    files = {"actions/one.yaml": f"{name}label: One\nentry_point: resize.py\n{line}\n"}
    found = await mistakes_of(write_pack(write_pack(tmp_path), files))

    assert [one for one in found if one.startswith("actions/one.yaml:") and sentence in one], "\n".join(found)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ("{}", "parameters.width: expected a value, got nothing"),
        ("{width: wide}", "parameters.width: expected an integer, got 'wide'"),
        ("{width: '${{ payload.width }}', higth: 3}", "parameters.higth: expected one of width, path, token"),
        ("{width: 3, token: 4}", "parameters.token: expected a text, got a secret value"),
    ],
)
async def test_parameters_that_the_action_will_not_take_are_found_before(
    tmp_path: Path, parameters: str, sentence: str
) -> None:
    files = {
        "rules/shrink.yaml": f"name: s\nlabel: S\ntrigger: img.made\naction: img.resize\nparameters: {parameters}\n"
    }
    (found,) = await mistakes_of(write_pack(write_pack(tmp_path), files))

    assert found.startswith(f"rules/shrink.yaml:5: {sentence}")


async def test_what_another_pack_brings_can_be_named(tmp_path: Path) -> None:
    known = Known(KNOWN.runtimes, frozenset({"other.seen"}), {"other.act": {}})
    rule = "name: s\nlabel: S\ntrigger: other.seen\naction: other.act\nparameters: {a: 1}\n"

    assert await mistakes_of(write_pack(write_pack(tmp_path), {"rules/shrink.yaml": rule}), known) == []
    assert len(await mistakes_of(tmp_path)) == 2


async def test_links_out_of_the_folder_pipes_and_too_much_are_refused(tmp_path: Path) -> None:
    folder = write_pack(tmp_path / "pack")
    (tmp_path / "secret").write_text("hunter2")
    (folder / "actions" / "out").symlink_to(tmp_path / "secret")
    (folder / "actions" / "up").symlink_to(tmp_path)
    (folder / "actions" / "nowhere").symlink_to(folder / "nothing")
    (folder / "actions" / "again").symlink_to(folder / "actions" / "resize.py")
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe")
    (folder / ".git").mkdir()
    (folder / ".git" / "big").write_bytes(bytes(11 << 20))
    (folder / "big").write_bytes(bytes(11 << 20))
    found = await mistakes_of(folder)

    assert [one.partition(": expected")[0] for one in found] == [
        "actions/nowhere",
        "actions/out",
        "actions/up",
        "big",
        "loop",
        "pipe",
    ]
    assert not any("hunter2" in one for one in found)


async def test_too_many_files_are_refused(tmp_path: Path) -> None:
    write_pack(tmp_path)
    for number in range(1000):
        (tmp_path / f"data{number}").touch()

    assert "expected at most 1000 files, got more" in "\n".join(await mistakes_of(tmp_path))


async def test_what_is_no_folder_is_said(tmp_path: Path) -> None:
    from attune.composition.packs import check_folder

    with pytest.raises(UsageError, match="expected the folder of a pack"):
        await check_folder(tmp_path / "nothing", KNOWN, EXPRESSIONS)
