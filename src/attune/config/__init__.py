"""Settings: the only part of Attune that reads the environment and the settings file."""

from attune.config.environment import process_environment, variable
from attune.config.host import HostSettings
from attune.config.loading import explain_settings, load_settings
from attune.config.settings import NodeSettings, Settings

__all__ = [
    "HostSettings",
    "NodeSettings",
    "Settings",
    "explain_settings",
    "load_settings",
    "process_environment",
    "variable",
]
