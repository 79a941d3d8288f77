"""Which file is read, and what happens when it cannot be."""

from __future__ import annotations

import grp
import os
from pathlib import Path

import pytest

from attune.config import Settings, load_settings
from attune.core.errors import ConfigError


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
    assert kind in str(error) or kind == "a socket"


def test_a_device_is_refused(tmp_path: Path) -> None:
    assert "got a device" in str(refusal({"ATTUNE_CONFIG": "/dev/zero"}, tmp_path))


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
