"""Faults of the place where programs run, told from those of what is run there."""

import errno

from attune.core.errors import PlaceError

PLACE_FAULTS = frozenset(
    {errno.EAGAIN, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EROFS}
)


def place_error(error: Exception, at: str = "") -> PlaceError | None:
    """*error*, which concerns *at*, where it is a fault of the place; None where it may be one of what was run."""
    if isinstance(error, PlaceError):
        return error
    if isinstance(error, OSError) and error.errno in PLACE_FAULTS:
        return PlaceError(described(error, at))
    return None


def described(error: OSError, at: str = "") -> str:
    """*error* as one sentence: the path and what is wrong with it."""
    words = (error.strerror or str(error)).lower()
    where = error.filename or at
    return f"{where}: {words}" if where else words
