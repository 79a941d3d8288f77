"""What PostgreSQL's errors mean: the one table from SQLSTATE to kind and remedy, and `DatabaseError` made from it."""

import psycopg

from attune.core.errors import DatabaseError, DatabaseFault

_AWAY = "check that it runs and that database.url is right; attune doctor"
_MIGRATE = "attune db migrate"
_UNAVAILABLE, _CONFLICT, _REJECTED = DatabaseFault.UNAVAILABLE, DatabaseFault.CONFLICT, DatabaseFault.REJECTED
# By SQLSTATE, or else by its class, the first two characters; anything else rejects what was asked.
_MEANINGS: dict[str, tuple[DatabaseFault, str | None]] = {
    "": (_UNAVAILABLE, _AWAY),
    "08": (_UNAVAILABLE, _AWAY),
    "25006": (_UNAVAILABLE, "make the database writable again, or connect to its primary"),
    "28": (_UNAVAILABLE, "correct user and password in database.url"),
    "40": (_CONFLICT, None),
    "42501": (_UNAVAILABLE, "attune doctor"),
    "42703": (_REJECTED, _MIGRATE),
    "42P01": (_UNAVAILABLE, _MIGRATE),
    "53": (_UNAVAILABLE, "give the server what it lacks: space, memory or connections"),
    "55P03": (_CONFLICT, "find what holds the lock, or try again"),
    "57": (_UNAVAILABLE, _AWAY),
    "57014": (_UNAVAILABLE, "find what holds the lock or slows the server, or raise statement_timeout"),
    "58": (_UNAVAILABLE, "see the log of the server"),
}
_ROW_FAULTS = ("22", "23", "54", "P0001")


def database_error(error: Exception, where: str = "") -> DatabaseError:
    """*error*, PostgreSQL's or the pool's, as a sentence with kind and remedy; *where* names the database."""
    sqlstate = (error.sqlstate if isinstance(error, psycopg.Error) else None) or ""
    if not sqlstate and isinstance(error, psycopg.DataError):
        sqlstate = "22000"  # psycopg itself refused the value
    fault, hint = _MEANINGS.get(sqlstate) or _MEANINGS.get(sqlstate[:2]) or (_REJECTED, None)
    what = "the database refused"
    if hint == _MIGRATE:
        what = "the database is not migrated to this version of attune"
    elif hint == _AWAY:
        what = f"cannot reach the database{where}"
    row_fault = sqlstate.startswith(_ROW_FAULTS)
    return DatabaseError(f"{what}: {first_line(error)}", hint=hint, fault=fault, sqlstate=sqlstate, row_fault=row_fault)


def first_line(error: BaseException) -> str:
    """The message of *error* on one line, shortened; its type where it has none. CONTEXT would quote what is stored."""
    said = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    text = " ".join((said or str(error)).split())
    return text[:300] or type(error).__name__
