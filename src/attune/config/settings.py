"""Every setting: name, what it may be, default and meaning, in one table of frozen dataclasses."""
# ruff: noqa: RUF009 - `setting` and `section` make dataclass fields, not shared defaults

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from attune.config.addresses import API_URL, DATABASE_URL, NETWORK, TOKEN
from attune.config.host import HostSettings
from attune.config.kinds import FLAG, FOLDER, SCHEMA, SHARE, choice, duration, integer, path, text
from attune.config.sections import Capabilities, ListOf, MapOf, section, setting

_NODE_NAME = text(
    "a name without spaces around it", "build-7", r"[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?"
)


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """Where PostgreSQL is. `url` holds a password, perhaps: it is never printed whole."""

    url: str | None = setting(
        DATABASE_URL,
        None,
        "The PostgreSQL server to use. Not set: an embedded server on this machine. "
        "The variable `DATABASE_URL` sets it too, and `ATTUNE__DATABASE__URL` wins over that.",
        secret=True,
    )
    schema: str | None = setting(
        SCHEMA,
        None,
        "The schema of Attune's tables; `attune db migrate` makes it. Not set: the first on the search path.",
    )
    connect_timeout: float = setting(duration(1, 300), 10.0, "How long to try to reach the server.")


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """One role of this machine, worker or sensor. The mappings are to be read only."""

    name: str | None = setting(
        _NODE_NAME, None, "Its name, unique among the live nodes of its role. Not set: the role and the host's name."
    )
    labels: Mapping[str, str] = setting(
        MapOf(text("text", "eu"), "keys with a text each", "{zone: eu}"),
        {},
        "Labels that requirements can ask for, such as `zone: eu`.",
    )
    taints: tuple[str, ...] = setting(
        ListOf(text("text", "gpu"), "a list of texts"), (), "Marks that keep work away unless it tolerates them."
    )
    capabilities: Mapping[str, Any] = setting(
        Capabilities(),
        {},
        "What the node offers. `runtimes` names the runtimes and so replaces detection from the database "
        "(an empty list counts as not set); every other key is registered as it is.",
    )
    drain_timeout: float = setting(
        duration(0, 86_400), 60.0, "How long running work may take to finish when the node is told to stop."
    )
    max_concurrent_executions: int | None = setting(
        integer(1, 10_000),
        None,
        "How many executions run at the same time. Not set: as many as there are cores for this process, by its "
        "affinity and the quotas of its control groups.",
    )


@dataclass(frozen=True, slots=True)
class DetectionSettings:
    """How runtimes are verified."""

    verify_overrides: bool = setting(
        FLAG, False, "Verify the runtimes that the environment or this file names, instead of trusting them."
    )
    max_timeout: float = setting(
        duration(0.1, 600), 30.0, "The most that a definition's `timeout_seconds` can ask for."
    )
    deadline: float = setting(
        duration(0.1, 3600), 60.0, "The most that one detection takes; what is left then is `unknown`."
    )
    cache: bool = setting(FLAG, True, "Keep proofs on disk for a day, so that a node starts with them at once.")


@dataclass(frozen=True, slots=True)
class HeartbeatSettings:
    """How a node shows that it lives."""

    interval: float = setting(duration(0.1, 600), 10.0, "The time between two heartbeats.")
    stale_after: float = setting(duration(0.2, 3600), 30.0, "A node not heard of for so long is shown as `stale`.")
    lost_after: float = setting(duration(0.2, 86_400), 60.0, "A node not heard of for so long is shown as `lost`.")
    amnesty: float = setting(
        duration(0, 3600), 60.0, "For so long after the database server has started, no node is marked."
    )


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """How a node keeps true what it offers."""

    interval: float = setting(
        duration(0.1, 86_400), 60.0, "The time between two looks at the files that prove a runtime."
    )
    full_interval: float = setting(
        duration(0.1, 86_400), 900.0, "The time between two runs of its check. A file that changed has it run at once."
    )
    failures_to_withdraw: int = setting(
        integer(1, 100),
        2,
        "How many failed checks in a row withdraw a runtime; a command that is gone withdraws it at once.",
    )
    successes_to_restore: int = setting(
        integer(1, 100), 1, "How many passed checks in a row bring a withdrawn runtime back."
    )
    fleet_guard: float = setting(
        SHARE,
        0.3,
        "A reload keeps the last good verdict on a runtime where more than this share of the live nodes that had it "
        "would lose it within ten minutes to a changed definition, or to checks that could not decide; of five live "
        "nodes at least. 1: never.",
    )


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """Where the API and the page are served; and, for commands far from the database, where they find it."""

    host: str = setting(
        text("a host name or an address", "127.0.0.1", r"[^\s/]+"),
        "127.0.0.1",
        "The address to listen on. Beyond this machine, put a proxy that speaks TLS before it.",
    )
    port: int = setting(integer(1, 65_535), 8420, "The port to listen on.")
    public_url: str | None = setting(
        text("a URL that starts with http:// or https://", "https://attune.example", r"https?://[^\s/]+(/[^\s]*)?"),
        None,
        "How the page is reached from elsewhere, for the links that are printed. Not set: host and port.",
    )
    allowed_hosts: tuple[str, ...] = setting(
        ListOf(text("a host name", "attune.example", r"[^\s/:,]+"), "a list of host names"),
        (),
        "Names that the API is reached by, besides localhost, where it listens and the host of `api.public_url`.",
    )
    trusted_proxies: tuple[str, ...] = setting(
        ListOf(NETWORK, "a list of addresses or networks"),
        (),
        "Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.",
    )
    url: str | None = setting(
        API_URL,
        None,
        "The API that commands talk to, where `database.url` is not set. The variable `ATTUNE_URL` sets it too, and "
        "`ATTUNE__API__URL` wins over that.",
    )
    token: str | None = setting(
        TOKEN,
        None,
        "The token that commands show to the API. The variable `ATTUNE_TOKEN` sets it too, and `ATTUNE__API__TOKEN` "
        "wins over that.",
        secret=True,
    )


@dataclass(frozen=True, slots=True)
class SensingSettings:
    """How sensors are shared out among the sensor nodes, and started again."""

    lease: float = setting(
        duration(1, 600),
        10.0,
        "How long a node may run a sensor without word from the database; after that another node takes it over.",
    )
    restart_first: float = setting(
        duration(0.05, 600), 1.0, "The pause before a sensor that ended is started again; it doubles each time."
    )
    restart_slowest: float = setting(duration(0.05, 86_400), 60.0, "The longest such pause.")
    healthy_after: float = setting(
        duration(0.1, 86_400), 60.0, "A sensor that has run for so long starts with the shortest pause again."
    )


@dataclass(frozen=True, slots=True)
class ExecutionSettings:
    """How executions are run."""

    timeout: float = setting(duration(0.1, 31_622_400), 3600.0, "How long work may run whose action does not say.")
    output_kept: int = setting(
        integer(4096, 1 << 26), 1 << 20, "How many bytes of each stream are kept, a quarter of them from its end."
    )


def _kept(days: int, meaning: str) -> Any:
    return setting(duration(0, 36_500 * 86_400, "30d", days=True), days * 86_400.0, f"{meaning} 0 keeps them for ever.")


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """How long what has ended is kept. What something else refers to, or waits for, stays as long as that does."""

    executions: float = _kept(30, "Executions, from their end, with their output and timeline.")
    output: float = _kept(30, "What executions printed, from their end.")
    enforcements: float = _kept(30, "Decisions of rules; one that an execution names stays with it.")
    events: float = _kept(30, "Events; one that an enforcement names stays with it.")
    transitions: float = _kept(90, "Changes of what nodes offer.")
    audit: float = _kept(365, "Lines of the audit.")
    lost_nodes: float = _kept(7, "Nodes that are inactive or lost, from when they were heard of last.")
    history: float = _kept(0, "Changes of definitions.")


@dataclass(frozen=True, slots=True)
class SecretSettings:
    """What secrets are encrypted with."""

    key_file: Path | None = setting(
        path("an absolute path", "/etc/attune/secrets.key", r"/[^\x00\n]*"),
        None,
        "What secrets are encrypted with, the same on every host; the variable `ATTUNE_SECRETS_KEY` holds keys itself, "
        "and wins. Not set: `secrets.key` in the data folder.",
    )


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What the log looks like."""

    format: Literal["auto", "console", "json"] = setting(
        choice("auto", "console", "json"), "auto", "`auto` is `console`, in colour on a terminal."
    )
    level: Literal["debug", "info", "warning", "error"] = setting(
        choice("debug", "info", "warning", "error"), "info", "The least important line that is written."
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of a process. `path` is the file they were read from, None if there was none."""

    database: DatabaseSettings = section(DatabaseSettings)
    data_dir: Path | None = setting(
        FOLDER,
        None,
        "The folder of the embedded server and of what Attune keeps on this machine. A relative path starts at the "
        "folder of the file, that of a variable at the working directory. Not set: the platform's folder for data. "
        "The variable `ATTUNE_DATA_DIR` sets it too.",
    )
    worker: NodeSettings = section(NodeSettings)
    sensor: NodeSettings = section(NodeSettings)
    detection: DetectionSettings = section(DetectionSettings)
    host: HostSettings = section(HostSettings)
    heartbeat: HeartbeatSettings = section(HeartbeatSettings)
    health: HealthSettings = section(HealthSettings)
    sensing: SensingSettings = section(SensingSettings)
    executions: ExecutionSettings = section(ExecutionSettings)
    api: ApiSettings = section(ApiSettings)
    retention: RetentionSettings = section(RetentionSettings)
    secrets: SecretSettings = section(SecretSettings)
    log: LogSettings = section(LogSettings)
    demo: bool = setting(FLAG, True, "Whether the first `attune up` on a database without packs loads pack `demo`.")
    path: Path | None = None

    def node(self, role: str) -> NodeSettings:
        """Those of one role, `worker` or `sensor`."""
        return self.sensor if role == "sensor" else self.worker
