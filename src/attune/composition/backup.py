"""The database as a file, from a file, and on a newer PostgreSQL."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from attune.composition.databases import data_dir
from attune.config import Settings, process_environment
from attune.core.errors import UsageError
from attune.postgres.dumps import dump, restore
from attune.postgres.embedded.upgrade import upgrade

__all__ = ["dump", "restore", "upgrade_embedded"]


def upgrade_embedded(settings: Settings, told: Callable[[int], object]) -> tuple[int, int, Path | None]:
    """Move the embedded database to the newest PostgreSQL; both versions, and where the former folder is kept."""

    def move(old: str, new: str) -> None:
        with TemporaryDirectory(dir=data_dir(settings), prefix=".upgrade-") as folder:
            dump(old, file := Path(folder) / "dump", process_environment(), told)
            restore(new, file, process_environment(), told)

    if settings.database.url:
        raise UsageError("expected the embedded database, got database.url", hint="upgrade that server itself")
    return upgrade(data_dir(settings), move)
