"""Which file is read, and what happens when it cannot be."""

from __future__ import annotations

import grp
import os
import re
from pathlib import Path

import pytest

from attune.config import Settings, explain_settings, load_settings
from attune.core.errors import ConfigError, SettingsWarning


def write(path: Path, name: str) -> Path:
    path.write_text(f"worker: {{name: {name}}}\n")
    return path


def refusal(environ: dict[str, str], cwd: Path) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load_settings(environ, cwd)
    return caught.value


def test_no_file_at_all_gives_the_defaults(tmp_path: Path) -> None:
    settings = load_settings({}, tmp_path)

    assert settings == Settings()
    assert settings.path is None


def test_the_named_file_wins_over_those_at_the_default_places(tmp_path: Path) -> None:
    named = write(tmp_path / "other.yaml", "named")
    default = write(tmp_path / "attune.yaml", "default")
    staged = write(tmp_path / "config.development.yaml", "staged")

    found = []
    for environ in ({"ATTUNE_CONFIG": str(named)}, {"ATTUNE_CONFIG": "other.yaml"}, {"ATTUNE_CONFIG": " "}):
        settings = load_settings(environ, tmp_path)
        found.append((settings.worker.name, settings.path))
    default.unlink()
    settings = load_settings({}, tmp_path)

    assert found == [("named", named), ("named", named), ("default", default)]
    assert (settings.worker.name, settings.path) == ("staged", staged)


def test_the_stage_chooses_the_default_file(tmp_path: Path) -> None:
    write(tmp_path / "config.development.yaml", "dev")
    write(tmp_path / "config.production.yaml", "prod")

    assert load_settings({"ATTUNE_ENVIRONMENT": "production"}, tmp_path).worker.name == "prod"
    assert load_settings({"ATTUNE_ENVIRONMENT": ""}, tmp_path).worker.name == "dev"
    assert load_settings({"ATTUNE_ENVIRONMENT": "staging"}, tmp_path) == Settings()
    assert str(refusal({"ATTUNE_ENVIRONMENT": "../x"}, tmp_path)).startswith("ATTUNE_ENVIRONMENT: expected letters")


def test_the_working_directory_is_the_process_own_unless_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "attune.yaml", "here")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ATTUNE__LOG__LEVEL", "debug")

    settings = load_settings()

    assert (settings.worker.name, settings.log.level) == ("here", "debug")


def test_a_working_directory_that_is_gone_gives_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    assert load_settings({}) == Settings()
    with pytest.raises(ConfigError, match="data_dir: expected an absolute path, got 'data'"):
        load_settings({"ATTUNE_DATA_DIR": "data"})


@pytest.mark.parametrize("name", ["missing.yaml", "/missing/attune.yaml", "missing.yaml "])
def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path, name: str) -> None:
    write(tmp_path / "attune.yaml", "default")

    error = refusal({"ATTUNE_CONFIG": name}, tmp_path)

    assert str(error).startswith(f"ATTUNE_CONFIG: expected an existing file, got '{name.strip()}'")
    assert error.exit_code == 2
    assert error.hint is not None


@pytest.mark.parametrize("named", [True, False], ids=["named", "default"])
@pytest.mark.parametrize("kind", ["a directory", "a named pipe", "a socket", "a link to one that does not exist"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, kind: str, named: bool) -> None:
    path = tmp_path / "attune.yaml"
    if kind == "a directory":
        path.mkdir()
    elif kind == "a named pipe":
        os.mkfifo(path)
    elif kind == "a socket":
        os.mknod(path, 0o140600)
    else:
        path.symlink_to("nowhere")

    error = refusal({"ATTUNE_CONFIG": "attune.yaml"} if named else {}, tmp_path)

    assert "attune.yaml: expected a" in str(error)
    assert kind in str(error) or kind == "a socket" or (kind == "a named pipe" and "a pipe or" in str(error))


def test_a_device_is_refused(tmp_path: Path) -> None:
    assert "got a pipe or a device" in str(refusal({"ATTUNE_CONFIG": "/dev/zero"}, tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_read_permission_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "attune.yaml", "default").chmod(0)

    assert "attune.yaml: expected a readable file, got this: Permission denied" in str(refusal({}, tmp_path))


def test_an_error_while_reading_is_an_error_of_the_file(tmp_path: Path) -> None:
    assert "expected a readable file, got this: Input/output" in str(
        refusal({"ATTUNE_CONFIG": "/proc/self/mem"}, tmp_path)
    )


def test_a_name_that_no_file_can_have_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")

    for name in ("loop.yaml", "x" * 5000, "a\0b"):
        assert "expected a readable file, got" in str(refusal({"ATTUNE_CONFIG": name}, tmp_path))


def test_a_file_of_more_than_a_mebibyte_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "attune.yaml", "big")
    padding = (1 << 20) - path.stat().st_size
    with path.open("a") as file:
        file.write("#" * (padding - 1) + "\n")

    assert load_settings({}, tmp_path).worker.name == "big"
    with path.open("a") as file:
        file.write("#")
    assert "at most 1 MiB" in str(refusal({}, tmp_path))


def test_every_file_is_closed_again(tmp_path: Path) -> None:
    write(tmp_path / "attune.yaml", "x")
    (tmp_path / "folder").mkdir()
    before = len([*Path("/proc/self/fd").iterdir()])

    for _ in range(5):
        load_settings({}, tmp_path)
        refusal({"ATTUNE_CONFIG": "folder"}, tmp_path)

    assert len([*Path("/proc/self/fd").iterdir()]) == before


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@as_root
@pytest.mark.parametrize("name", ["attune.yaml", "config.development.yaml"])
def test_a_file_that_somebody_else_has_put_there_is_refused_by_name(tmp_path: Path, name: str) -> None:
    planted = write(tmp_path / name, "planted")
    os.chown(planted, 12345, -1)

    error = refusal({}, tmp_path)
    assert str(error) == (
        f"{name}: expected a file of this user or of root, got one that belongs to user 12345, who may have put it here"
    )
    assert error.hint == f"remove it, or set ATTUNE_CONFIG={name} if it is to be trusted"
    assert load_settings({"ATTUNE_CONFIG": name}, tmp_path).worker.name == "planted"
    assert load_settings({"SUDO_UID": "12345"}, tmp_path).worker.name == "planted"


@as_root
def test_a_link_that_somebody_else_has_put_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "attune.yaml").symlink_to(write(tmp_path / "other.yaml", "other"))
    assert load_settings({}, tmp_path).worker.name == "other"

    os.lchown(tmp_path / "attune.yaml", 12345, -1)
    assert "belongs to user 12345" in str(refusal({}, tmp_path))


@pytest.mark.parametrize("environ", [{}, {"ATTUNE_CONFIG": "attune.yaml"}])
def test_a_file_that_everybody_may_write_is_refused(tmp_path: Path, environ: dict[str, str]) -> None:
    file = write(tmp_path / "attune.yaml", "shared")
    file.chmod(0o646)

    error = refusal(environ, tmp_path)
    assert str(error) == "attune.yaml: expected a file that nobody else may write to, got one of mode 0646"
    assert error.hint == "chmod go-w attune.yaml"


@as_root
@pytest.mark.parametrize(("group", "fine"), [(0, True), (23456, False), (grp.getgrnam("tty").gr_gid, False)])
def test_a_group_may_write_where_it_is_private(tmp_path: Path, group: int, fine: bool) -> None:
    file = write(tmp_path / "attune.yaml", "w")
    os.chown(file, -1, group)
    file.chmod(0o664)

    if fine:
        assert load_settings({}, tmp_path).worker.name == "w"
    else:
        assert "nobody else may write to" in str(refusal({}, tmp_path))


def folders(*paths: Path) -> None:
    for path in paths:
        path.mkdir(parents=True, mode=0o755)


def test_the_first_of_the_default_places_is_read_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, home, system = tmp_path / "a" / "b", tmp_path / "home", tmp_path / "etc"
    folders(here, home / ".config" / "attune", system)
    monkeypatch.setattr("attune.config.files._SYSTEM", system)
    places = [
        write(here / "attune.yaml", "here"),
        write(here / "config.development.yaml", "staged"),
        write(here.parent / "attune.yaml", "above"),
        write(tmp_path / "attune.yaml", "far above"),
        write(home / ".config" / "attune" / "attune.yaml", "user's"),
        write(system / "attune.yaml", "system's"),
    ]
    write(here.parent / "config.development.yaml", "staged above")

    read = []
    for place in places:
        read.append(load_settings({"HOME": str(home)}, here).worker.name)
        place.unlink()

    assert read == ["here", "staged", "above", "far above", "user's", "system's"]
    assert load_settings({"HOME": str(home)}, here) == Settings()


def test_the_users_folder_for_settings_is_where_the_platform_says(tmp_path: Path) -> None:
    folders(tmp_path / "xdg" / "attune", tmp_path / "here")
    write(tmp_path / "xdg" / "attune" / "attune.yaml", "xdg")

    environ = {"HOME": "/nonexistent", "XDG_CONFIG_HOME": str(tmp_path / "xdg")}
    assert load_settings(environ, tmp_path / "here").worker.name == "xdg"
    assert load_settings({"XDG_CONFIG_HOME": "xdg"}, tmp_path) == Settings()


@pytest.mark.parametrize("which", ["a/b", "a", "."])
def test_no_folder_above_one_that_others_may_write_to_is_searched(tmp_path: Path, which: str) -> None:
    here = tmp_path / "a" / "b"
    folders(here)
    write(tmp_path / "attune.yaml", "planted")
    (tmp_path / which).chmod(0o1777)

    assert load_settings({}, here) == Settings()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
@pytest.mark.parametrize("which", ["a/b", "a", "."])
def test_no_folder_above_one_of_somebody_else_is_searched(tmp_path: Path, which: str) -> None:
    here = tmp_path / "a" / "b"
    folders(here)
    write(tmp_path / "attune.yaml", "planted")
    os.chown(tmp_path / which, 12345, 12345)

    assert load_settings({}, here) == Settings()
    assert load_settings({"SUDO_UID": "12345"}, here).worker.name == "planted"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_above_that_others_may_have_written_is_refused_by_its_path(tmp_path: Path) -> None:
    folders(tmp_path / "here")
    planted = write(tmp_path / "attune.yaml", "planted")

    planted.chmod(0o666)
    assert f"{planted}: expected a file that nobody else may write to" in str(refusal({}, tmp_path / "here"))
    planted.chmod(0o600)
    os.chown(planted, 12345, 12345)
    assert f"{planted}: expected a file of this user or of root" in str(refusal({}, tmp_path / "here"))


def test_services_pass_over_a_file_above_and_say_so(tmp_path: Path) -> None:
    folders(tmp_path / "here")
    above = write(tmp_path / "attune.yaml", "above")

    with pytest.warns(SettingsWarning, match=re.escape(f"{above} is not read: services look in no folder above")):
        assert load_settings({}, tmp_path / "here", upwards=False) == Settings()


def test_a_working_directory_that_cannot_be_read_is_said_and_the_other_places_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders(tmp_path / "here")
    monkeypatch.setattr("attune.config.files.os.access", lambda path, mode: path != tmp_path / "here")

    with pytest.warns(SettingsWarning, match="the working directory cannot be read"):
        assert load_settings({}, tmp_path / "here") == Settings()


def test_a_relative_data_folder_starts_where_the_file_is_and_that_of_a_variable_here(tmp_path: Path) -> None:
    folders(tmp_path / "here")
    (tmp_path / "attune.yaml").write_text("data_dir: data\n")

    assert load_settings({}, tmp_path / "here").data_dir == tmp_path / "data"
    assert load_settings({"ATTUNE_DATA_DIR": "own"}, tmp_path / "here").data_dir == tmp_path / "here" / "own"


def test_each_setting_tells_where_it_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "attune.yaml"
    file.write_text("worker:\n  labels:\n    zone: eu\ndatabase:\n  url: postgresql://a:secret@b/c\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ATTUNE__LOG__LEVEL", "debug")
    monkeypatch.setenv("ATTUNE__WORKER__LABELS__DISK", "ssd")

    settings, origins = explain_settings()
    told = {each.setting: (each.value, each.origin) for each in origins}

    assert settings.path == file.relative_to(tmp_path)
    assert told["worker.labels.zone"] == ("eu", "attune.yaml:3")
    assert told["worker.labels.disk"] == ("ssd", "ATTUNE__WORKER__LABELS__DISK")
    assert told["database.url"] == ("***", "attune.yaml:5")
    assert told["log.level"] == ("debug", "ATTUNE__LOG__LEVEL")
    assert told["log.format"] == ("auto", "default")
    assert told["api.token"] == (None, "default")
