"""The fixtures of `databases.py`, on which every other database test rests."""

from __future__ import annotations

import psycopg

from databases import blank_database, server_dir, server_url

__all__ = ["blank_database", "server_dir", "server_url"]


def test_a_blank_database_is_empty_and_not_the_servers_own(blank_database: str, server_url: str) -> None:
    with psycopg.connect(blank_database) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()

    assert tables == (0,)
    assert blank_database != server_url
