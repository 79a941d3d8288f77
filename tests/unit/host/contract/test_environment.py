from __future__ import annotations

import os
from pathlib import Path

from attune.host.contract.environment import TrustedEnvironment, check_environment
from attune.host.contract.ownership import OwnershipRule


def test_folders_that_others_can_change_are_left_out_of_every_variable(tmp_path: Path) -> None:
    good, bad = str(tmp_path / "good"), str(tmp_path / "bad")
    for folder in (good, bad):
        Path(folder).mkdir()
    Path(bad).chmod(0o777)
    absent = str(tmp_path / "absent")
    given = {
        "HOME": bad,
        "GEM_PATH": f"{bad}:{good}:{absent}",
        "GOPATH": good,
        "TMPDIR": bad,
        "TZ": "UTC",
        "SHELL": "/bin/sh",
    }

    trusted = TrustedEnvironment(given, OwnershipRule(os.geteuid()).distrusts)
    passed, reasons = trusted(), trusted.reasons

    kept = {"GEM_PATH": f"{good}:{absent}", "GOPATH": good, "TMPDIR": bad, "TZ": "UTC", "SHELL": "/bin/sh"}
    assert passed == kept
    assert [reason.partition(" (")[0] for reason in reasons] == [
        f"HOME: {bad} is writable by everybody",
        f"GEM_PATH: {bad} is writable by everybody",
    ]


def test_places_where_others_can_make_what_is_not_there_are_left_out(tmp_path: Path) -> None:
    for folder, mode in {"open": 0o777, "sticky": 0o1777, "group": 0o775, "mine": 0o755}.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder).chmod(mode)
    (tmp_path / "link").symlink_to(tmp_path / "open/later")
    (tmp_path / "file").touch()
    (tmp_path / "file").chmod(0o666)
    mine, group = tmp_path / "mine", tmp_path / "group/later/still"
    refused = [str(tmp_path / name) for name in ("open/later", "open/later/still", "sticky/later", "link", "file")]
    given = {
        **{f"PYENV_{number}": path for number, path in enumerate(refused)},
        "NIX_PROFILES": f"{mine} {tmp_path}/open",
        "LD_LIBRARY_PATH": f"{mine};{tmp_path}/file:{mine}",
        "ASDF_CONFIG_FILE": f"{mine}/later/still",
        "MISE_CONFIG_FILE": "/dev/null",
        "GOPATH": str(group),
        "GEM_PATH": "https://example.org/x",
        "MY_HOME": str(tmp_path / "open"),
    }

    trusted = TrustedEnvironment(given, OwnershipRule(os.geteuid(), members=lambda _: [0]).distrusts, ["MY_HOME"])

    kept = ("ASDF_CONFIG_FILE", "MISE_CONFIG_FILE", "GOPATH", "GEM_PATH", "MY_HOME")
    assert trusted() == {name: given[name] for name in kept} | {"LD_LIBRARY_PATH": str(mine)}
    assert f"PYENV_2: {tmp_path}/sticky/later does not exist, and others can make it" in trusted.reasons


def test_what_was_trusted_is_looked_at_again(tmp_path: Path) -> None:
    now = 0.0
    rule = OwnershipRule(os.geteuid())
    trusted = TrustedEnvironment({"GOROOT": f"{tmp_path}/go"}, rule.distrusts, clock=lambda: now)
    assert trusted()

    (tmp_path / "go").mkdir()
    (tmp_path / "go").chmod(0o777)

    assert trusted()  # a moment later, for as long as a second
    now = 1.5
    assert not trusted()


def test_only_named_variables_pass() -> None:
    source = {"PATH": "/bin", "HOME": "/h", "PYENV_VERSION": "3.12", "EDITOR": "vi", "LANG": "de_DE", "TERM": "xterm"}

    passed = check_environment(source)

    assert {name: passed[name] for name in ("PATH", "HOME", "PYENV_VERSION")} == {
        "PATH": "/bin",
        "HOME": "/h",
        "PYENV_VERSION": "3.12",
    }
    assert not passed.keys() & {"EDITOR", "LANG"}
    assert (passed["LC_ALL"], passed["TERM"], passed["DOTNET_NOLOGO"]) == ("C.UTF-8", "dumb", "1")


def test_secrets_never_pass_even_when_asked_for() -> None:
    names = ("ATTUNE_X", "MISE_GITHUB_TOKEN", "PYENV_SECRET", "MY_PASSWD", "DB_PASSWORD", "API_KEY", "PGHOST")
    names += ("AWS_CREDENTIALS", "DATABASE_URL", "ASDF_api_key")

    assert not check_environment(dict.fromkeys(names, "x"), names).keys() & set(names)


def test_extra_variables_pass() -> None:
    assert check_environment({"MY_TOOL_HOME": "/t"}, ["MY_TOOL_HOME"])["MY_TOOL_HOME"] == "/t"


def test_path_is_always_set() -> None:
    assert check_environment({})["PATH"] == os.defpath
