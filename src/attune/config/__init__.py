"""Settings: the only part of Attune that reads the environment and the settings file."""

from attune.config.environment import process_environment, variable
from attune.config.loading import load_settings
from attune.config.settings import (
    DatabaseSettings,
    DetectionSettings,
    HealthSettings,
    HeartbeatSettings,
    LogSettings,
    NodeSettings,
    Settings,
)

__all__ = [
    "DatabaseSettings",
    "DetectionSettings",
    "HealthSettings",
    "HeartbeatSettings",
    "LogSettings",
    "NodeSettings",
    "Settings",
    "load_settings",
    "process_environment",
    "variable",
]
