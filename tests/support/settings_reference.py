"""The reference page of the settings, made from the table of settings itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, fields
from typing import Any, NamedTuple

from attune.config.kinds import SettingKind
from attune.config.sections import SettingsSection, variable_of
from attune.config.settings import Settings
from attune.core.durations import duration_text


class SettingDescription(NamedTuple):
    """One setting for the reader of the reference: all of it is text."""

    key: str
    type: str
    default: str
    meaning: str


def describe_settings() -> list[SettingDescription]:
    """Every setting, in the order of the table."""
    return [*_described(Settings, "")]


def _described(cls: type, prefix: str) -> Iterator[SettingDescription]:
    for setting in fields(cls):
        kind = setting.metadata.get("kind")
        if isinstance(kind, SettingsSection):
            yield from _described(kind.cls, f"{prefix}{setting.name}.")
        elif kind is not None:
            default = _written(setting.default, kind)
            yield SettingDescription(f"{prefix}{setting.name}", kind.expected, default, setting.metadata["meaning"])


def _written(default: Any, kind: SettingKind) -> str:
    if default is MISSING:
        return "{}"
    if kind.expected.startswith("a duration ") and default is not None:
        return duration_text(default)
    if default is None:
        return "not set"
    if isinstance(default, bool):
        return "true" if default else "false"
    return "[]" if default == () else str(default)


def settings_reference() -> str:
    """The page `docs/reference/settings.md`."""
    rows = [
        f"| `{row.key}` | {row.type} | `{row.default}` | {row.meaning} |".replace("`not set`", "not set")
        for row in describe_settings()
    ]
    table = "\n".join(["| setting | expected | default | meaning |", "|---|---|---|---|", *rows])
    return _PAGE.format(table=table, variable=variable_of("detection.deadline"))


_PAGE = """# Settings

Made from the table of settings in `src/attune/config/` by `make reference`; change it there.

Settings come from three places. A variable of the environment wins over the file, and the file over the default.

**The file** is YAML. It is the first of these, and no other is read; none at all is fine:

1. the one that `ATTUNE_CONFIG` names
2. `attune.yaml`, else `config.<ATTUNE_ENVIRONMENT or development>.yaml`, in the working directory
3. `attune.yaml` in a folder above it, up to the first that belongs to another user or that others may write to.
   Services (`attune up`, `… start`) and programs that embed Attune don't look there; they warn of what they pass over
4. `$XDG_CONFIG_HOME/attune/attune.yaml`, by default `~/.config/attune/attune.yaml`
5. `/etc/attune/attune.yaml`

`attune config show` says which it is, and where each value comes from.

```yaml
worker:
  name: build-7
  labels: {{zone: eu}}
  capabilities:
    runtimes: [python, shell]
detection:
  deadline: 30s
```

**The environment** overrides any setting: `{variable}=30s` is `detection.deadline: 30s`. Names, paths, URLs
and words are taken as they are; everything else is YAML, as in `ATTUNE__WORKER__TAINTS='[gpu]'`. Keys of your own are
lower-cased: `ATTUNE__WORKER__LABELS__ZONE=eu`. An empty variable counts as not set.

| variable | meaning |
|---|---|
| `ATTUNE_CONFIG` | the settings file; it must exist |
| `ATTUNE_ENVIRONMENT` | which `config.….yaml` is looked for; default `development` |
| `ATTUNE_WORKER_RUNTIMES`, `ATTUNE_SENSOR_RUNTIMES` | the runtimes that the node offers, separated by commas |
| `ATTUNE_DATA_DIR` | the same as `ATTUNE__DATA_DIR`, which wins |
| `DATABASE_URL` | the same as `ATTUNE__DATABASE__URL`, which wins |
| `ATTUNE_URL`, `ATTUNE_TOKEN` | the same as `ATTUNE__API__URL` and `ATTUNE__API__TOKEN`, which win |

Values are never converted. A duration is a number of seconds (`10`, `0.5`) or a number with a unit (`500ms`, `10s`,
`5m`, `1h`). `null` counts as not set. Text that looks like a number, or is one of YAML's words for true and false
(`yes`, `no`, `on`, `off`), needs quotes. An unknown key, a key written twice and a YAML tag are errors;
aliases and merge keys (`<<`) work.

{table}
"""
