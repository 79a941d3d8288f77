"""`attune pack`, `trigger`, `rule` and `event` as authors of packs run them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from attune import catalogue
from command_hosts import Machine
from logins import Logins
from pack_folders import write_pack

HOW_TO = Path(__file__).parents[3] / "docs" / "how-to" / "write-a-pack.md"


@pytest.fixture
def machine(tmp_path: Path, logins: Logins) -> Machine:
    made = Machine(tmp_path)
    made.variables["DATABASE_URL"] = logins.url("ops", "admin")
    write_pack(made.folder / "img")
    return made


def test_check_load_show_send_and_remove(machine: Machine) -> None:
    checked = machine.attune("pack", "check", "img")
    assert checked.stdout == "img 1.0.0: valid, 1 action, 1 sensor, 1 trigger, 1 rule\n"
    add = "attune runtime add --from-catalogue ffmpeg"
    warning = f"img.resize: no definition is called ffmpeg; for a runtime: {add}"
    assert checked.stderr == f"attune: warning: {warning}\n"
    assert json.loads(machine.attune("pack", "check", "img", "--json").stdout)["warnings"] == [warning]
    assert machine.attune(*add.split()[1:]).returncode == 0
    assert machine.attune("pack", "check", "img").stderr == ""
    loaded = machine.attune("pack", "load", "img")
    assert (loaded.returncode, loaded.stdout.splitlines()[-1]) == (0, "img 1.0.0: loaded")
    assert machine.attune("pack", "load", "img").stdout == "img 1.0.0: unchanged\n"
    assert [one["ref"] for one in json.loads(machine.attune("pack", "list", "--json").stdout)] == ["core", "img"]
    assert "  rules/shrink.yaml" in machine.attune("pack", "show", "img").stdout

    sent = machine.attune("event", "send", "img.made", "-p", "path=a", "-p", "width:=300")
    assert "img.shrink: execution 1, requested" in sent.stdout
    assert machine.attune("rule", "disable", "img.shrink").stdout == "img.shrink is disabled\n"
    sent = machine.attune("event", "send", "img.made", "-p", "path=a", "-p", "width:=300", "--json")
    assert json.loads(sent.stdout)["enforcements"] == []
    assert "execution 1 (requested)" in machine.attune("event", "list").stdout
    assert "img.ticks" in machine.attune("trigger", "list").stdout
    assert "payload.width > 100" in machine.attune("rule", "list").stdout
    refused = machine.attune("pack", "remove", "img")
    assert (refused.returncode, "execution 1, which is requested" in refused.stderr) == (2, True)


def test_a_new_pack_is_whole_and_its_rule_asks_for_its_action(machine: Machine) -> None:
    made = machine.attune("pack", "new", "my_pack")
    assert (made.returncode, made.stderr) == (0, "try: attune pack load my_pack\n")
    assert "wrote my_pack/actions/hello.py\n" in made.stdout
    checked = machine.attune("pack", "check", "my_pack")
    assert (checked.stdout, checked.stderr) == ("my_pack 0.1.0: valid, 1 action, 1 trigger, 1 rule\n", "")
    assert machine.attune("pack", "load", "my_pack").returncode == 0
    sent = machine.attune("event", "send", "my_pack.arrived", "-p", "who=Ann")
    assert "my_pack.greet: execution 1, requested" in sent.stdout

    for name, expected in {
        "my_pack": "a folder that is not there yet",
        "My": "lower-case",
        "core": "lower-case",
    }.items():
        refused = machine.attune("pack", "new", name)
        assert (refused.returncode, expected in refused.stderr) == (2, True), refused.stderr


def test_mistakes_are_told_whole_and_as_json(machine: Machine) -> None:
    rule = "name: s\nlable: S\nauthor: Ann\n"
    write_pack(machine.folder / "img", {"rules/shrink.yaml": rule, "actions/resize.py": None})
    for command in ("check", "load"):
        done = machine.attune("pack", command, "img")
        assert done.returncode == 2
        assert done.stderr.splitlines() == [
            "attune: img: expected a pack, got 4 mistakes",
            "  actions/resize.yaml:3: entry_point: expected a file of the pack, got actions/resize.py,"
            " which is not there",
            "  rules/shrink.yaml:1: trigger: expected the ref of a trigger, got nothing",
            "  rules/shrink.yaml:1: action: expected the ref of an action, got nothing",
            "  rules/shrink.yaml:2: lable: unknown key, did you mean label?",
            "  warning: rules/shrink.yaml:3: author: unknown key, ignored",
            "try: docs/reference/packs.md",
        ]
    told = json.loads(machine.attune("pack", "check", "img", "--json").stdout)

    assert (told["valid"], told["mistakes"][-1]["where"]) == (False, "rules/shrink.yaml:2")
    assert told["warnings"] == ["rules/shrink.yaml:3: author: unknown key, ignored"]
    assert [one["ref"] for one in json.loads(machine.attune("pack", "list", "--json").stdout)] == ["core"]


def test_without_a_database_a_pack_is_held_against_what_is_shipped(machine: Machine) -> None:
    del machine.variables["DATABASE_URL"]
    machine.variables["ATTUNE_DATA_DIR"] = str(machine.folder / "nothing")

    assert machine.attune("pack", "check", "img").returncode == 0
    assert machine.attune("pack", "check", str(catalogue.demo_folder())).returncode == 0
    assert not (machine.folder / "nothing").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["pack", "load", "nowhere"], "expected the folder of a pack, got 'nowhere', which is none"),
        (["pack", "show", "cor"], "no pack is called 'cor'; did you mean core?"),
        (["pack", "remove", "core"], "core: expected a pack that was loaded, got one that is part of Attune"),
        (["rule", "enable", "nothing"], "no rule has the ref 'nothing'"),
        (["event", "send", "nothing"], "no trigger has the ref 'nothing'"),
        (["event", "send", "x", "-p", "width"], "-p: expected KEY=TEXT or KEY:=JSON, got 'width'"),
        (["event", "send", "x", "-p", "width:=wide"], "-p: expected JSON after width:=, got 'wide'"),
        (["event", "send", "core.x", "-p", "width:=1e999"], "no trigger has the ref 'core.x'"),
        (["event", "show", "7"], "no event has the number 7"),
    ],
)
def test_a_slip_is_one_sentence_and_exit_code_2(machine: Machine, arguments: list[str], sentence: str) -> None:
    done = machine.attune(*arguments)

    assert done.returncode == 2
    assert done.stderr.startswith(f"attune: {sentence}")


def test_the_pack_of_the_manual_is_right(machine: Machine) -> None:
    blocks = re.findall(r"in `thumbs/(\S+)`.*?```yaml\n(.*?)```", HOW_TO.read_text(), re.DOTALL)
    files = {name: re.sub(r"(?m)^   ", "", text) for name, text in blocks}
    assert len(files) == 5
    write_pack(machine.folder / "thumbs", {**files, "actions/shrink.py": "print(1)\n"})
    assert machine.attune("pack", "load", "thumbs").returncode == 0
    sent = machine.attune("event", "send", "thumbs.arrived", "-p", "path=/srv/inbox/a.png")

    assert "thumbs.shrink: execution 1, requested" in sent.stdout
