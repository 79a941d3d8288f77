"""The sensors that are part of Attune: which there are, and what is wrong with a config."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attune.core.errors import Fault, shown
from attune.core.sensors.file_watch import FileWatch, parse_file_watch
from attune.core.sensors.timers import CronTimer, IntervalTimer, parse_cron, parse_interval

Builtin = IntervalTimer | CronTimer | FileWatch
_Parser = Callable[[Mapping[str, Any]], tuple[Builtin | None, list[Fault]]]
_PARSERS: dict[str, _Parser] = {"interval": parse_interval, "cron": parse_cron, "file_watch": parse_file_watch}
BUILTIN_NAMES = tuple(_PARSERS)


def parse_builtin(entrypoint: str, config: object) -> tuple[Builtin | None, list[Fault]]:
    """The built-in sensor that *entrypoint* names, or what is wrong; fields are relative to the sensor's config."""
    if entrypoint not in _PARSERS:
        return None, [Fault("entrypoint", f"one of {', '.join(BUILTIN_NAMES)}", shown(entrypoint))]
    if not isinstance(config, Mapping):
        return None, [Fault("config", "an object", shown(config))]
    return _PARSERS[entrypoint](config)
