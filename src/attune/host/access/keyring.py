"""The keys that secrets are encrypted with: AES-256-GCM, by the library `cryptography`, which is imported when needed.

A key is 32 bytes in base64; commas or spaces part them, the newest first. A ciphertext begins with the id of its key.
"""

import base64
import binascii
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from attune.core.errors import ConfigError, MissingKeyError, SecretError

KEY_VARIABLE = "ATTUNE_SECRETS_KEY"
_NONCE, _KEY = 12, 32  # bytes


class Keyring:
    """`SecretCipher` with the keys of the variable, whose text is *given*, or else of *file*.

    The keys are read when they are first needed, and again when a ciphertext names one that is not there.
    """

    def __init__(self, file: Path, given: Callable[[], str | None] = lambda: None) -> None:
        self.file, self.given = file, given
        self._keys: dict[str, bytes] = {}

    @property
    def source(self) -> str:
        """Where the keys come from, as people call it."""
        return KEY_VARIABLE if self.given() else f"secrets.key_file ({self.file})"

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the keys, the newest first. Raises `ConfigError` for what are no keys."""
        self._keys = self._keys or self._read()
        return tuple(self._keys)

    def encrypt(self, text: str, place: str) -> str:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if not self.ids:
            raise self._missing("there is no key for secrets")
        nonce = os.urandom(_NONCE)
        sealed = AESGCM(self._keys[self.ids[0]]).encrypt(nonce, text.encode(), place.encode())
        return f"v1.{self.ids[0]}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def decrypt(self, sealed: str, place: str) -> str:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        version, identifier, body = (*sealed.split("."), "", "")[:3]
        if version == "v1" and identifier not in self.ids:
            self._keys = self._read()
            if identifier not in self._keys:
                raise self._missing(f"the key {identifier[:8]}, which it is encrypted with, is missing")
        try:
            content = base64.urlsafe_b64decode(body)
            cipher = AESGCM(self._keys[identifier if version == "v1" else ""])
            return cipher.decrypt(content[:_NONCE], content[_NONCE:], place.encode()).decode()
        except (InvalidTag, ValueError, KeyError):
            raise SecretError(f"{place} cannot be decrypted: it was changed, or moved from elsewhere") from None

    def add_key(self) -> None:
        """Make a key, the newest from now on, and keep it in the file, which only its owner may read."""
        text = f"{base64.b64encode(os.urandom(_KEY)).decode()}\n{self._text_of_file()}"
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self.file.with_name(f"{self.file.name}.{os.getpid()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(descriptor)
        fresh.replace(self.file)
        self._keys = self._read()

    def _read(self) -> dict[str, bytes]:
        text = self.given() or self._text_of_file()
        try:
            keys = [base64.b64decode(word, validate=True) for word in text.replace(",", " ").split()]
        except binascii.Error:
            keys = [b""]
        if any(len(key) != _KEY for key in keys):
            raise ConfigError(f"{self.source}: expected keys of {_KEY} bytes in base64, got something else")
        return {hashlib.sha256(b"attune key " + key).hexdigest()[:8]: key for key in keys}

    def _text_of_file(self) -> str:
        try:
            with self.file.open(encoding="utf-8", errors="replace") as opened:
                if os.fstat(opened.fileno()).st_mode & 0o077:
                    raise ConfigError(f"{self.source}: expected a file that only its owner may read, got another")
                return opened.read(1 << 20)
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise self._missing(f"the keys cannot be read ({error.strerror})") from None

    def _missing(self, what: str) -> MissingKeyError:
        hint = f"copy the key file of another host to {self.file}, name it with secrets.key_file, or set {KEY_VARIABLE}"
        return MissingKeyError(f"{what}: looked for in {self.source}", hint=hint)
