from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from attune.host.contract.accounts import LocalGroups
from attune.host.contract.ownership import OwnershipRule

ME, STRANGER, GROUP = os.geteuid(), 12345, 23456
as_root = pytest.mark.skipif(ME != 0, reason="only root can give files away")
NOBODY = OwnershipRule(ME, members=lambda group: set())


def program(path: Path, content: str = "binary", mode: int = 0o755) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(mode)
    return str(path)


def folder(path: Path, mode: int = 0o755, owner: int = -1) -> Path:
    path.mkdir(parents=True)
    path.chmod(mode)
    os.chown(path, owner, -1)
    return path


def acl_of_one_user_more() -> bytes:
    """Read, write and execute for the owner, user 12345 and the group; the group's bits of the mode are the mask."""
    entries = [(1, 7, -1), (2, 7, STRANGER), (4, 5, -1), (16, 7, -1), (32, 5, -1)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)


def test_a_file_that_only_its_owner_can_change_is_fine(tmp_path: Path) -> None:
    tool = program(tmp_path / "bin/tool")

    assert NOBODY.refuses_file(tool) is None
    assert NOBODY.refuses_folder(str(tmp_path / "bin")) is None


@pytest.mark.parametrize("path", ["/usr/bin/env", "/bin/sh"])
def test_what_the_system_has_is_fine(path: str) -> None:
    assert OwnershipRule(ME).refuses_file(path) is None


@pytest.mark.parametrize("mode", [0o777, 0o757, 0o702])
def test_what_everybody_can_write_is_refused_at_every_hop(tmp_path: Path, mode: int) -> None:
    tool = program(tmp_path / "a/b/tool")
    for hop in (tmp_path / "a/b/tool", tmp_path / "a/b", tmp_path / "a"):
        hop.chmod(mode)
        assert (NOBODY.refuses_file(tool) or "").startswith(f"{hop} is writable by everybody (owner ")
        assert f"mode {mode:04o})" in (NOBODY.refuses_file(tool) or "")
        hop.chmod(0o755)
    assert NOBODY.refuses_file(tool) is None


@as_root
def test_what_a_stranger_owns_is_refused_at_every_hop_and_named(tmp_path: Path) -> None:
    tool = program(tmp_path / "a/tool")
    for hop in (tmp_path / "a/tool", tmp_path / "a"):
        os.chown(hop, STRANGER, -1)
        expected = f"{hop} belongs to none of this host's trusted owners (owner uid {STRANGER}, mode 0755)"
        assert NOBODY.refuses_file(tool) == expected
        assert OwnershipRule(STRANGER).refuses_file(tool) is None
        assert OwnershipRule(ME, [STRANGER]).refuses_file(tool) is None
        os.chown(hop, 0, -1)


def test_a_link_is_followed_hop_by_hop(tmp_path: Path) -> None:
    program(tmp_path / "real/deep/tool-1")
    (tmp_path / "real/deep/tool").symlink_to("tool-1")
    (tmp_path / "alias").symlink_to("real/./deep/../deep")
    (tmp_path / "tool").symlink_to(tmp_path / "alias/tool")
    path = str(tmp_path / "tool")

    assert NOBODY.refuses_file(path) is None
    (tmp_path / "real").chmod(0o777)
    assert NOBODY.refuses_file(path) == (
        f"{path} leads to {tmp_path}/real, which is writable by everybody "
        f"({(NOBODY.refuses_file(path) or '').partition(' (')[2]}"
    )


@as_root
def test_the_owner_of_a_link_counts_and_its_mode_does_not(tmp_path: Path) -> None:
    tool = program(tmp_path / "tool")
    (tmp_path / "link").symlink_to(tool)
    assert NOBODY.refuses_file(str(tmp_path / "link")) is None

    os.lchown(tmp_path / "link", STRANGER, -1)
    assert NOBODY.refuses_file(str(tmp_path / "link")) == (
        f"{tmp_path}/link belongs to none of this host's trusted owners (owner uid {STRANGER})"
    )


@pytest.mark.parametrize("target", ["loop", "./loop", "../{name}/loop"])
def test_links_without_end_are_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "loop").symlink_to(target.format(name=tmp_path.name))

    assert NOBODY.refuses_file(f"{tmp_path}/loop") == f"{tmp_path}/loop leads through too many links"


def test_a_link_of_the_kernel_is_refused() -> None:
    assert "is a link that the kernel alone can follow" in (NOBODY.refuses_file("/proc/self/exe") or "")


def test_a_sticky_folder_can_be_a_parent_and_nothing_else(tmp_path: Path) -> None:
    sticky = folder(tmp_path / "sticky", 0o1777)
    tool, inner = program(sticky / "tool"), folder(sticky / "inner")

    assert NOBODY.refuses_file(tool) is None
    assert NOBODY.refuses_folder(str(inner)) is None
    assert "is writable by everybody" in (NOBODY.refuses_folder(str(sticky)) or "")
    for place in (sticky, inner):
        assert "is writable by everybody" in (NOBODY.refuses_folder(str(place), sticky=False) or "")


@pytest.mark.parametrize(("path", "refusal"), [("/usr/bin", None), ("/", None), ("/usr/bin/env", "is not a directory")])
def test_a_working_folder_has_parents_that_only_trusted_owners_write(path: str, refusal: str | None) -> None:
    reason = NOBODY.refuses_folder(path, sticky=False)

    assert reason is None if refusal is None else refusal in (reason or "")


@as_root
def test_only_a_trusted_owner_has_a_sticky_folder(tmp_path: Path) -> None:
    tool = program(folder(tmp_path / "sticky", 0o1777) / "tool")
    os.chown(tmp_path / "sticky", STRANGER, -1)

    assert "belongs to none" in (NOBODY.refuses_file(tool) or "")


def test_a_second_name_that_anybody_could_have_made_is_refused(tmp_path: Path) -> None:
    tool, sticky = program(tmp_path / "tool"), folder(tmp_path / "sticky", 0o1777)
    os.link(tool, sticky / "node")
    os.link(tool, tmp_path / "node")

    assert NOBODY.refuses_file(f"{tmp_path}/node") is None
    assert "has another name" in (NOBODY.refuses_file(f"{sticky}/node") or "")


MEMBERS: list[tuple[set[int] | None, str | None]] = [
    (set(), None),
    ({ME}, None),
    ({0, ME}, None),
    ({ME, STRANGER}, "is writable by the group"),
    (None, "whose members cannot be listed"),
]


@pytest.mark.parametrize(("members", "refusal"), MEMBERS)
def test_a_group_counts_unless_only_trusted_owners_are_in_it(
    tmp_path: Path, members: set[int] | None, refusal: str | None
) -> None:
    tool = program(tmp_path / "a/tool")
    rule = OwnershipRule(ME, members=lambda group: members)
    for hop in (tmp_path / "a/tool", tmp_path / "a"):
        hop.chmod(0o775)
        reason = rule.refuses_file(tool)
        assert reason is None if refusal is None else reason and reason.startswith(str(hop)) and refusal in reason
        hop.chmod(0o755)


@as_root
def test_a_trusted_owner_can_be_in_the_group(tmp_path: Path) -> None:
    tool = program(tmp_path / "tool", mode=0o775)

    assert OwnershipRule(ME, [STRANGER], lambda group: {ME, STRANGER}).refuses_file(tool) is None


def test_an_access_control_list_counts_where_it_can_let_somebody_write(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    program(tool)
    try:
        os.setxattr(tool, "system.posix_acl_access", acl_of_one_user_more())
    except OSError:
        pytest.skip("this file system keeps no access control lists")

    assert "access control list" in (NOBODY.refuses_file(str(tool)) or "")
    tool.chmod(0o755)  # the mask: nobody whom it names can write
    assert NOBODY.refuses_file(str(tool)) is None


def test_what_runs_a_script_is_looked_at_too(tmp_path: Path) -> None:
    inner = program(tmp_path / "open/inner")
    script = program(tmp_path / "script", f"#! {inner} -x\n")
    outer = program(tmp_path / "outer", f"#!{script}\n")
    assert NOBODY.refuses_file(outer) is None

    (tmp_path / "open").chmod(0o777)
    assert (NOBODY.refuses_file(outer) or "").startswith(
        f"{outer} is run by {inner}: {tmp_path}/open is writable by everybody"
    )
    assert NOBODY.refuses_file(program(tmp_path / "endless", f"#!{tmp_path}/endless\n")) == (
        f"{tmp_path}/endless is run by too many scripts"
    )
    assert NOBODY.refuses_file(program(tmp_path / "env", f"#!{tmp_path}/env tool\n")) == (
        f"{tmp_path}/env is run by too many scripts"
    )


@pytest.mark.parametrize("line", ["{env} tool", "{env} -S tool -x", "{env} A=b tool", "{env} {tool}"])
def test_what_env_finds_for_a_script_is_looked_at_too(tmp_path: Path, line: str) -> None:
    tool = program(tmp_path / "elsewhere/tool")
    folder(tmp_path / "open", 0o777)
    program(tmp_path / "open/tool")
    folder(tmp_path / "bin")
    (tmp_path / "bin/tool").symlink_to(tool)
    rule = OwnershipRule(
        ME, members=lambda group: set(), search_path=f"relative:{tmp_path}/open:{tmp_path}/bin:/usr/bin"
    )
    script = program(tmp_path / "script", f"#!{line.format(env='/usr/bin/env', tool=tool)}\n")
    assert rule.refuses_file(script) is None

    (tmp_path / "elsewhere").chmod(0o777)
    assert "elsewhere, which is writable by everybody" in (rule.refuses_file(script) or "").replace(
        f"{tmp_path}/elsewhere is", f"{tmp_path}/elsewhere, which is"
    )


@pytest.mark.parametrize("argument", ["{open}/evil.sh", "-S LD_PRELOAD={open}/evil.so true", "--file={open}/missing"])
def test_what_a_script_is_run_with_is_looked_at_too(tmp_path: Path, argument: str) -> None:
    folder(tmp_path / "open", 0o755)
    script = program(tmp_path / "script", f"#!/usr/bin/env {argument.format(open=tmp_path / 'open')}\n")
    assert NOBODY.refuses_file(script) is None

    (tmp_path / "open").chmod(0o777)
    assert f"{tmp_path}/open is writable by everybody" in (NOBODY.refuses_file(script) or "")


def test_an_interpreter_that_nobody_can_put_there_is_left_to_the_kernel_to_miss(tmp_path: Path) -> None:
    assert NOBODY.refuses_file(program(tmp_path / "script", "#!/no/such/interpreter\n")) is None
    folder(tmp_path / "sticky", 0o1777)
    assert "sticky/sh does not exist" in (
        NOBODY.refuses_file(program(tmp_path / "script", f"#!{tmp_path}/sticky/sh\n")) or ""
    )
    assert "not an absolute path" in (NOBODY.refuses_file(program(tmp_path / "script", "#!sh\n")) or "")


def test_a_setuid_file_is_like_another(tmp_path: Path) -> None:
    assert NOBODY.refuses_file(program(tmp_path / "tool", mode=0o4755)) is None


@pytest.mark.parametrize("path", ["", "tool", "./tool", "/a\0b", "/\ud800", "/" + "x" * 300, "/dev/null", "/", "/no/x"])
def test_odd_paths_are_refused_without_an_error(path: str) -> None:
    assert NOBODY.refuses_file(path)
    assert path in ("/",) or NOBODY.refuses_folder(path)


def test_a_shortage_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def short(*_: object, **__: object) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "open", short)
    with pytest.raises(OSError, match="Too many open files"):
        NOBODY.refuses_file("/usr/bin/env")


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    tool = program(tmp_path / "tool", "#!/bin/sh\n")
    before = os.listdir("/proc/self/fd")  # noqa: PTH208
    for path in (tool, f"{tmp_path}/none", "/proc/self/exe", f"{tool}/x"):
        NOBODY.refuses_file(path)
        NOBODY.refuses_folder(path)

    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208


@pytest.fixture
def switch(tmp_path: Path) -> Callable[[str], LocalGroups]:
    def write(content: str) -> LocalGroups:
        (tmp_path / "nsswitch.conf").write_text(content)
        return LocalGroups(str(tmp_path / "nsswitch.conf"))

    return write


@pytest.mark.parametrize(
    ("content", "listable"),
    [
        ("passwd: files systemd\ngroup:\tfiles [NOTFOUND=return] # ldap\nhosts: files dns\n", True),
        ("passwd: compat altfiles\ngroup: files extrausers\n", True),
        ("", True),
        ("passwd: files sss\ngroup: files\n", False),
        ("passwd: files\ngroup: files ldap\n", False),
        ("initgroups: files winbind\n", False),
    ],
)
def test_members_are_known_where_only_local_files_have_them(
    switch: Callable[[str], LocalGroups], content: str, listable: bool
) -> None:
    members = switch(content)(0)

    assert (members is not None) is listable
    assert members is None or 0 in members  # root's primary group


def test_an_unknown_group_and_an_unreadable_file_list_nobody(tmp_path: Path) -> None:
    assert LocalGroups(str(tmp_path / "absent"))(0) is not None
    assert LocalGroups(str(tmp_path))(0) is None
    assert LocalGroups()(GROUP) is None
