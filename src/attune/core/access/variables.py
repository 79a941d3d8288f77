"""Which environment variables may hold a secret."""

_WORDS = ("TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "KEY", "CREDENTIAL", "DATABASE_URL")
_PREFIXES = ("ATTUNE_", "PG")


def may_be_secret(name: str) -> bool:
    """Whether the name of a variable says that it may hold a secret; all of Attune's own and of PostgreSQL's do."""
    upper = name.upper()
    return upper.startswith(_PREFIXES) or any(word in upper for word in _WORDS)
