from __future__ import annotations

import os
from pathlib import Path

from attune.host.contract.environment import check_environment, trusted_environment
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

    passed, reasons = trusted_environment(given, OwnershipRule(os.geteuid()).refuses_folder)

    kept = {"GEM_PATH": f"{good}:{absent}", "GOPATH": good, "TMPDIR": bad, "TZ": "UTC", "SHELL": "/bin/sh"}
    assert passed == kept
    assert [reason.partition(" (")[0] for reason in reasons] == [
        f"HOME: {bad} is writable by everybody",
        f"GEM_PATH: {bad} is writable by everybody",
    ]


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
