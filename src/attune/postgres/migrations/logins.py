"""Logins of the three roles, one for each node: made, altered, and given the rights of `sql/rights.sql`."""

import secrets
from typing import Literal
from urllib.parse import quote, urlsplit

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from attune.core.errors import DatabaseError, UsageError
from attune.core.ports.nodes import Overdue
from attune.postgres.migrations.revisions import statement_text
from attune.postgres.migrations.session import changing

LoginRole = Literal["node", "admin", "reader"]
_LONGEST = 63  # bytes of a role's name
_FIT = "connect as a role that may create roles (CREATEROLE or a superuser) and owns the schema"


def grant_login(url: str, name: str, role: LoginRole, overdue: Overdue, *, with_password: bool) -> str:
    """Make or alter the login of *name* in *role*; the URL that it connects with.

    A node that is registered under that name is given to it, and *overdue* is by what nodes judge each other.
    """
    login = f"attune_{role}_{name}"
    if not name or "\0" in name or len(login.encode()) > _LONGEST:
        raise UsageError(f"NAME: expected 1 to {_LONGEST - len(f'attune_{role}_')} bytes, got {name!r}")
    password = secrets.token_urlsafe(24) if with_password else None
    with changing(url, what="make logins", hint=_FIT) as connection:
        connection.execute(statement_text("rights"))
        _make(connection, login, password)
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (f"attune_{role}",)).fetchone():
            raise DatabaseError(f"there is no role attune_{role}, and this one may not make it", hint=_FIT)
        group, quoted = sql.Identifier(f"attune_{role}"), sql.Identifier(login)
        connection.execute(sql.SQL("GRANT {} TO {}").format(group, quoted))
        row = connection.execute("SELECT current_database(), current_schema()").fetchone()
        assert row is not None
        database, schema = map(sql.Identifier, row)
        # Nothing that others made is found by an unqualified name.
        place = sql.SQL("ALTER ROLE {} IN DATABASE {} SET search_path = {}")
        connection.execute(place.format(quoted, database, schema))
        if role == "node":
            connection.execute("UPDATE worker SET login = %s WHERE name = %s", (login, name))
        limits = (overdue.stale_after, overdue.lost_after)
        connection.execute("UPDATE fleet_watch SET stale_after = %s, lost_after = %s", limits)
    return _url_of(url, login, password)


def _make(connection: psycopg.Connection[tuple[object, ...]], login: str, password: str | None) -> None:
    exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (login,)).fetchone()
    verb = sql.SQL("ALTER ROLE {} LOGIN" if exists else "CREATE ROLE {} LOGIN").format(sql.Identifier(login))
    if password is not None:
        # Only its verifier is sent, so that no log of the server has it.
        verifier = connection.pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256").decode()
        verb += sql.SQL(" PASSWORD {}").format(sql.Literal(verifier))
    connection.execute(verb)


def _url_of(url: str, login: str, password: str | None) -> str:
    """*url* with another user and password."""
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres"):
        given = {"password": password} if password else {}
        return make_conninfo(url, user=login, **given)
    place = parts.netloc.rpartition("@")[2]
    user = quote(login, safe="") + (f":{quote(password, safe='')}" if password else "")
    return parts._replace(netloc=f"{user}@{place}").geturl()
