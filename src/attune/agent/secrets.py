"""What work is given that is secret: decrypted and looked up when it begins, on the node that runs it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from attune.core.access.secrets import decrypted, place_of, reference_in, texts_of
from attune.core.errors import SecretError
from attune.core.ports.access import SecretCipher, SecretStore


@dataclass(frozen=True)
class SecretResolver:
    """Decrypts parameters, and puts the values of named secrets in the place of their references."""

    stored: SecretStore
    cipher: SecretCipher

    async def resolve(
        self, parameters: Mapping[str, Any], marked: Collection[str] = (), sealed: Mapping[str, str] = {}, of: int = 0
    ) -> tuple[dict[str, Any], frozenset[str], tuple[str, ...]]:
        """*parameters* and what is *sealed* of execution *of*; the names of the secret ones; what is to be masked.

        Raises `SecretError` where a secret is gone or was tampered with, `MissingKeyError`, `DatabaseError`.
        """
        values = {**parameters, **decrypted(self.cipher, sealed, of)}
        wanted = {name: secret for name, value in values.items() if (secret := reference_in(value)) is not None}
        found = await self.stored.ciphertexts({*wanted.values()}) if wanted else {}
        for name, secret in wanted.items():
            if secret not in found:
                raise SecretError(f"parameters.{name}: secret {secret} does not exist")
            values[name] = self.cipher.decrypt(found[secret], place_of(secret))
        names = frozenset({*marked, *sealed, *wanted})
        return values, names, tuple(text for name in names & values.keys() for text in texts_of(values[name]))
