"""Tables of cells that anybody may have written."""

from __future__ import annotations

from attune.cli.table import table


def test_columns_line_up_whatever_script_a_name_is_in() -> None:
    printed = table(["NAME", "STATUS", "WHY"], [["日本", "ok", "a"], ["e\u0301a", "ok", "b"], ["four", "ok", "c"]])

    assert printed.splitlines() == [
        "NAME  STATUS  WHY",
        "日本  ok      a",
        "e\u0301a    ok      b",
        "four  ok      c",
    ]


def test_control_characters_are_shown_and_do_nothing() -> None:
    printed = table(["NAME", "STATUS", "WHY"], [["a\nb", "\x1b[31mok", "\u202ewhy\r"]])

    assert printed.splitlines()[1:] == [r"a\nb  \x1b[31mok  \u202ewhy\r"]


def test_one_endless_name_leaves_room_for_the_rest() -> None:
    rows = [["x" * 5000, "ok", "1", "/a/path", "why"], ["y", "ok", "1", "/b/path", "because of this and that"]]
    heads = ["NAME", "STATUS", "VERSION", "PATH", "WHY"]

    assert all(len(line) < 120 for line in table(heads, rows, width=80, squeeze=3).splitlines())
    assert all(len(line) < 150 for line in table(heads, rows, squeeze=3).splitlines())
