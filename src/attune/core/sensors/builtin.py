"""The sensors that are part of Attune: which there are, and what is wrong with a config."""

from collections.abc import Callable, Mapping

from attune.core.documents import DocumentNode, Section, node_of, plain
from attune.core.errors import Fault, shown
from attune.core.sensors.file_watch import FileWatch, parse_file_watch
from attune.core.sensors.timers import CronTimer, IntervalTimer, parse_cron, parse_interval

Builtin = IntervalTimer | CronTimer | FileWatch
_PARSERS: dict[str, tuple[Callable[[Section], Builtin | None], tuple[str, ...]]] = {
    "interval": (parse_interval, ("every", "at_start")),
    "cron": (parse_cron, ("cron", "timezone")),
    "file_watch": (parse_file_watch, ("path", "events", "every")),
}
_UNITS = {"second": "s", "minute": "m", "hour": "h", "day": "d"}
BUILTIN_NAMES = tuple(_PARSERS)


def parse_builtin(entrypoint: str, config: object, path: str = "") -> tuple[Builtin | None, list[Fault]]:
    """The built-in sensor that *entrypoint* names, or what is wrong; fields begin with *path*, that of *config*."""
    if isinstance(config, Mapping) and config.keys() == {"unit", "interval"}:  # as earlier installations wrote it
        number, unit = config["interval"], str(config["unit"]).lower()
        unit = _UNITS.get(unit.removesuffix("s"), f" {unit}")
        entrypoint, config = "interval", {"every": f"{number}{unit}"}
    if entrypoint not in _PARSERS:
        return None, [Fault("entrypoint", f"one of {', '.join(BUILTIN_NAMES)}", shown(entrypoint))]
    node = config if isinstance(config, DocumentNode) else node_of(config)
    if not isinstance(node.value, Mapping):
        return None, [Fault("config", "an object", shown(plain(node)))]
    parse, keys = _PARSERS[entrypoint]
    section = Section(node, path, [])
    builtin = parse(section)
    section.only(keys)
    return (None if section.faults else builtin), section.faults
