"""Two drivers that speak different dialects of PostgreSQL's protocol."""

import contextlib

import pg8000.dbapi
import psycopg

import shop


class Connection:
    """One connection, in a transaction that ends with it."""

    def __init__(self, connection, cursor):
        self.connection, self.cursor = connection, cursor
        self.commit, self.rollback = connection.commit, connection.rollback

    def run(self, sql, values=()):
        """Runs a statement; returns its rows, or how many it changed."""
        cursor = self.cursor()
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else cursor.rowcount


@contextlib.contextmanager
def psycopg_bound():
    """libpq, the extended protocol, values apart from the statement."""
    given = shop.database()
    given["dbname"] = given.pop("database")
    with contextlib.closing(psycopg.connect(**given)) as connection:
        yield Connection(connection, connection.cursor)


@contextlib.contextmanager
def psycopg_inlined():
    """libpq, the simple protocol, values written into the statement."""
    given = shop.database()
    given["dbname"] = given.pop("database")
    with contextlib.closing(psycopg.connect(**given)) as connection:
        yield Connection(connection, lambda: psycopg.ClientCursor(connection))


@contextlib.contextmanager
def pg8000_prepared():
    """No libpq: each statement is prepared under a name, described and run."""
    given = shop.database()
    if given["host"].startswith("/"):
        given["unix_sock"] = f"{given.pop('host')}/.s.PGSQL.{given['port']}"
    with contextlib.closing(pg8000.dbapi.connect(**given)) as connection:
        yield Connection(connection, connection.cursor)
