"""Puts the settings of a process together: environment over file over default."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from attune.config.environment import merged, overrides, process_environment
from attune.config.files import SettingsFile, find_file
from attune.config.kinds import misfit
from attune.config.sections import SettingsSection
from attune.config.settings import Settings
from attune.core.documents import DocumentNode
from attune.core.errors import ConfigError, Fault, SourcePosition


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingOrigin:
    """The value of a setting, and where it comes from: a file and its line, a variable, or "default"."""

    setting: str
    value: Any
    origin: str


def load_settings(
    environ: Mapping[str, str] | None = None, cwd: Path | None = None, *, upwards: bool = True
) -> Settings:
    """The settings that *environ* and the file found from *cwd* give; None means the process's own.

    Without *upwards* the folders above *cwd* are not searched.
    Raises `ConfigError` with every fault found, a line each.
    """
    return _load(environ, cwd, upwards)[0]


def explain_settings() -> tuple[Settings, list[SettingOrigin]]:
    """The settings of this process, and where each comes from; secrets are `***`. Raises `ConfigError`."""
    settings, tree = _load(None, None, True)
    return settings, [*_origins(settings, tree)]


def _load(environ: Mapping[str, str] | None, cwd: Path | None, upwards: bool) -> tuple[Settings, DocumentNode]:
    environ = process_environment() if environ is None else environ
    file = find_file(environ, Path() if cwd is None else cwd, upwards=upwards)
    faults: list[Fault] = []
    root = SettingsSection(Settings)
    tree = merged(_file_tree(file, faults), overrides(environ, root, faults))
    settings = root.read("", tree, faults)
    if faults:
        raise ConfigError(faults=faults)
    assert isinstance(settings, Settings)
    position = tree.position_of(["data_dir"])
    of_file = file is not None and position is not None and position.source == file.name
    base = file.path.parent if file and of_file else cwd
    path = file.path if file else None
    return replace(settings, path=path, data_dir=_absolute(settings.data_dir, base)), tree


def _origins(section: Any, tree: DocumentNode, above: str = "") -> Iterator[SettingOrigin]:
    for each in fields(section):
        if "kind" not in each.metadata:
            continue
        key, value = f"{above}{each.name}", getattr(section, each.name)
        node = tree.value.get(each.name) or DocumentNode(None)
        if isinstance(each.metadata["kind"], SettingsSection):
            yield from _origins(value, node if node.value else DocumentNode({}), f"{key}.")
        elif isinstance(node.value, dict) and value:
            for name, below in node.value.items():
                yield SettingOrigin(setting=f"{key}.{name}", value=value.get(name), origin=str(below.position))
        else:
            shown = "***" if value is not None and not each.repr else value
            origin = "default" if node.value is None else str(node.position)
            yield SettingOrigin(setting=key, value=shown, origin=origin)


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


def _absolute(folder: Path | None, base: Path | None) -> Path | None:
    """*folder*, which starts at *base*, else at the working directory."""
    if folder is None or folder.is_absolute():
        return folder
    try:
        return (base or Path()).absolute() / folder
    except OSError as error:
        raise ConfigError(
            f"data_dir: expected an absolute path, got {str(folder)!r}, and the working directory is gone: "
            f"{error.strerror}"
        ) from None
