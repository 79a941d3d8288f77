"""Settings: the only part of Attune that reads the environment and the settings file."""

from attune.config.environment import process_environment as process_environment
from attune.config.environment import variable as variable
from attune.config.host import HostSettings as HostSettings
from attune.config.loading import explain_settings as explain_settings
from attune.config.loading import load_settings as load_settings
from attune.config.settings import NodeSettings as NodeSettings
from attune.config.settings import Settings as Settings
