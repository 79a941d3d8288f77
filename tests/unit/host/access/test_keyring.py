"""The keys of a host: where they are, what they are for, and that a ciphertext stays where it was made."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.core.errors import AttuneError, ConfigError, MissingKeyError, SecretError
from attune.host.access.keyring import Keyring

KEY, OTHER = (base64.b64encode(bytes([number] * 32)).decode() for number in (1, 2))


@pytest.fixture
def keys(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "data" / "secrets.key")


@given(text=st.text(st.characters(exclude_categories=["Cs"])), place=st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_encrypted_is_decrypted_at_its_place_only(text: str, place: str) -> None:
    keys = Keyring(Path("/nowhere"), lambda: KEY)
    sealed = keys.encrypt(text, place)

    assert keys.decrypt(sealed, place) == text
    assert keys.encrypt(text, place) != sealed
    assert len(text) < 4 or text not in sealed
    with pytest.raises(SecretError, match="changed, or moved"):
        keys.decrypt(sealed, f"{place}x")


@pytest.mark.parametrize("change", ["head", "version", "body", "cut", "empty", "words"])
def test_what_was_changed_is_not_decrypted(change: str) -> None:
    keys = Keyring(Path("/nowhere"), lambda: KEY)
    sealed = keys.encrypt("hunter22", "a")
    at = len(sealed) - 8
    broken = {
        "head": "v2" + sealed[2:],
        "version": "v2." + sealed,
        "body": sealed[:at] + ("A" if sealed[at] != "A" else "B") + sealed[at + 1 :],
        "cut": sealed[:-4],
        "empty": "",
        "words": "hunter22",
    }[change]
    with pytest.raises(SecretError):
        keys.decrypt(broken, "a")


def test_a_key_that_is_made_is_the_newest_and_its_file_is_private(keys: Keyring) -> None:
    keys.add_key()
    (first,) = keys.ids
    sealed = keys.encrypt("hunter22", "a")
    keys.add_key()

    assert keys.ids[1:] == (first,) and len({*keys.ids}) == 2
    assert (keys.file.stat().st_mode & 0o777, keys.file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert keys.encrypt("", "a").split(".")[1] == keys.ids[0] and sealed.split(".")[1] == first
    assert Keyring(keys.file).decrypt(sealed, "a") == "hunter22"


def test_a_key_that_came_later_is_found_without_a_restart(keys: Keyring) -> None:
    keys.add_key()
    assert len(keys.ids) == 1
    other = Keyring(keys.file)
    other.add_key()

    assert keys.decrypt(other.encrypt("hunter22", "a"), "a") == "hunter22"


def test_without_its_key_the_setting_is_named(keys: Keyring) -> None:
    with pytest.raises(MissingKeyError, match=r"no key for secrets: looked for in secrets\.key_file") as caught:
        keys.encrypt("hunter22", "a")
    assert "secrets.key_file" in str(caught.value.hint) and "ATTUNE_SECRETS_KEY" in str(caught.value.hint)
    sealed = Keyring(keys.file, lambda: KEY).encrypt("hunter22", "a")
    with pytest.raises(
        MissingKeyError, match=f"the key {sealed.split('.')[1]}, .* missing: looked for in ATTUNE_SECRETS_KEY"
    ):
        Keyring(keys.file, lambda: OTHER).decrypt(sealed, "a")


@pytest.mark.parametrize("text", ["x", KEY[:20], f"{KEY}\nnonsense", base64.b64encode(b"short").decode()])
def test_what_is_no_key_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ConfigError, match="ATTUNE_SECRETS_KEY: expected keys") as caught:
        Keyring(Path("/nowhere"), lambda: text).encrypt("hunter22", "a")
    assert KEY not in str(caught.value)


def test_several_keys_may_be_given() -> None:
    one = Keyring(Path("/nowhere"), lambda: f"{OTHER},\n{KEY}\n")
    assert one.ids == (*Keyring(Path("/nowhere"), lambda: OTHER).ids, *Keyring(Path("/nowhere"), lambda: KEY).ids)


def test_a_file_that_others_may_read_is_refused(keys: Keyring) -> None:
    keys.add_key()
    keys.file.chmod(0o640)
    with pytest.raises(AttuneError, match="only its owner may read"):
        Keyring(keys.file).encrypt("hunter22", "a")


def test_the_library_is_imported_only_where_something_is_encrypted() -> None:
    code = "import sys, attune.cli.main, attune.composition.secrets; print('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
