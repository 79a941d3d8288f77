"""The keys of this process."""

from __future__ import annotations

import os

from attune.composition.databases import data_dir
from attune.config import Settings, variable
from attune.host.access.keyring import KEY_VARIABLE, Keyring


def keyring_for(settings: Settings) -> Keyring:
    """The keys that *settings* and the environment lead to; read when they are needed."""
    file = settings.secrets.key_file or data_dir(settings) / "secrets.key"
    return Keyring(file, lambda: variable(KEY_VARIABLE))


async def ensure_key(settings: Settings, url: str) -> str | None:
    """Make a key where nothing at *url* is encrypted yet and the data folder is ours; what there is to say of it."""
    from attune.postgres.access.secrets import PostgresSecrets
    from attune.postgres.connection import open_pool

    keys = keyring_for(settings)
    if keys.ids:
        return None
    folder = keys.file.parent
    is_ours = os.geteuid() == 0 or not folder.exists() or folder.stat().st_uid == os.geteuid()
    async with open_pool(url, application_name="attune key", size=1) as pool:
        if settings.secrets.key_file or not is_ours or await PostgresSecrets(pool).are_used():
            return f"there is no key for secrets in {keys.source}; copy the file of the host that has it"
    keys.add_key()
    return f"the key for secrets is made: {keys.file}; keep a copy, and give it to every other host"
