from __future__ import annotations

import os

from attune.host.contract.environment import check_environment


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
