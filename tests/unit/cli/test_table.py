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


def test_no_line_is_wider_than_the_terminal() -> None:
    rows = [["x" * 5000, "ok", "1", "/a/path", "why"], ["y", "ok", "1", "/b/path", "because of this and that " * 9]]
    heads = ["NAME", "STATUS", "VERSION", "PATH", "WHY"]

    for width in (60, 80, 120):
        assert max(map(len, table(heads, rows, width=width).splitlines())) <= width


def test_nothing_is_cut_where_the_width_suffices_or_does_not_matter() -> None:
    rows = [["x" * 90, "ok", "/a/long/path" * 9, "why"]]

    for width in (None, 400):
        assert table(["NAME", "STATUS", "PATH", "WHY"], rows, width=width).splitlines()[1].split() == rows[0]


def test_what_leaves_little_room_for_the_last_cell_has_it_below() -> None:
    rows = [["7", "failed", "a.path/of/thirty-one/characters", "it said why in a sentence"], ["8", "ok", "a", ""]]

    assert table(["ID", "STATUS", "ACTION", "REASON"], rows, width=60).splitlines() == [
        "ID  STATUS  ACTION",
        "    REASON",
        "7   failed  a.path/of/thirty-one/characters",
        "    it said why in a sentence",
        "8   ok      a",
    ]
    assert table(["ID", "STATUS", "ACTION", "REASON"], rows, width=65).splitlines() == [
        "ID  STATUS  ACTION                           REASON",
        "7   failed  a.path/of/thirty-one/characters  it said why in a",
        "                                             sentence",
        "8   ok      a",
    ]
