"""The keys of this process, and what is done with all that is encrypted."""

import asyncio
import os
from collections.abc import Collection

from attune.composition.databases import data_dir, has_database, is_remote, require_migrated, use_database
from attune.config import Settings, variable
from attune.core.errors import ConfigError, UsageError
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
        if settings.secrets.key_file or not is_ours or await PostgresSecrets(pool).uses_others_than("v1.nothing"):
            return f"there is no key for secrets in {keys.source}; copy the file of the host that has it"
    keys.add_key()
    return f"the key for secrets is made: {keys.file}; keep a copy, and give it to every other host"


async def rotate_keys(settings: Settings, url: str) -> tuple[str, int, int]:
    """Encrypt everything under a new key, or go on where that was interrupted; the key, and what `reencrypt` says.

    Keys that the variable gives are not made here: the newest of them is used.
    """
    from attune.postgres.access.secrets import PostgresSecrets
    from attune.postgres.connection import open_pool

    keys = keyring_for(settings)
    await asyncio.to_thread(require_migrated, url)
    if not keys.ids:
        raise UsageError(f"expected a key to go on from, got none in {keys.source}", hint="attune db migrate")
    async with open_pool(url, application_name="attune key", size=1) as pool:
        store = PostgresSecrets(pool, keys)
        if not keys.given() and not await store.uses_others_than(f"v1.{keys.ids[0]}."):
            keys.add_key()
        return (f"{keys.ids[0]} of {keys.source}", *await store.reencrypt())


def key_problem(settings: Settings) -> tuple[str, str | None] | None:
    """What is wrong with the keys of this host, and what helps; None where all that is encrypted has its key here."""
    keys = keyring_for(settings)
    if is_remote(settings) or not has_database(settings):
        return None
    try:
        known = keys.ids
    except ConfigError as error:
        return str(error), f"chmod 600 {keys.file}" if keys.file.exists() else None
    with use_database(settings) as database:
        missing = sorted(set(asyncio.run(_keys_in_use(database.url))) - set(known))
    if not missing:
        return None
    text = f"something is encrypted with the key {', '.join(missing)}, which is not in {keys.source}"
    return text, "copy the key file of the host that has it"


async def _keys_in_use(url: str) -> Collection[str]:
    from attune.postgres.access.secrets import PostgresSecrets
    from attune.postgres.connection import open_pool

    async with open_pool(url, application_name="attune key", size=1, lock_seconds=5.0) as pool:
        return await PostgresSecrets(pool).keys_in_use()
