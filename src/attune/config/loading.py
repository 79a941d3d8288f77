"""Puts the settings of a process together: environment over file over default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from attune.config.environment import merged, overrides, process_environment
from attune.config.files import SettingsFile, find_file
from attune.config.kinds import misfit
from attune.config.sections import SettingsSection
from attune.config.settings import Settings
from attune.core.documents import DocumentNode
from attune.core.errors import ConfigError, Fault, SourcePosition


def load_settings(environ: Mapping[str, str] | None = None, cwd: Path | None = None) -> Settings:
    """The settings that *environ* and the file found from *cwd* give; None means the process's own.

    Raises `ConfigError` with every fault found, a line each.
    """
    environ = process_environment() if environ is None else environ
    file = find_file(environ, Path() if cwd is None else cwd)
    faults: list[Fault] = []
    root = SettingsSection(Settings)
    tree = merged(_file_tree(file, faults), overrides(environ, root, faults))
    settings = root.read("", tree, faults)
    if faults:
        raise ConfigError(faults=faults)
    assert isinstance(settings, Settings)
    return replace(settings, path=file.path if file else None, data_dir=_absolute(settings.data_dir, cwd))


def _file_tree(file: SettingsFile | None, faults: list[Fault]) -> DocumentNode:
    if file is None or not file.text.strip():
        return DocumentNode({}, SourcePosition("no file"))
    from attune.config.document import read_document  # YAML is imported only where there is some

    tree = read_document(file.text, file.name, faults)
    if tree.value is None:
        return replace(tree, value={})
    if not isinstance(tree.value, dict):
        raise ConfigError(faults=[misfit(file.name, tree, "sections such as `worker:` at the top level")])
    return tree


def _absolute(folder: Path | None, cwd: Path | None) -> Path | None:
    if folder is None or folder.is_absolute():
        return folder
    try:
        return (Path.cwd() if cwd is None else cwd) / folder
    except OSError as error:
        raise ConfigError(
            f"data_dir: expected an absolute path, got {str(folder)!r}, and the working directory is gone: "
            f"{error.strerror}"
        ) from None
