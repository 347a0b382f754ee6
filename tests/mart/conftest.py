"""Marts of every engine that this machine can run, empty for each test."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pyodbc
import pytest

from memsync_assets.mart.drivers import complete
from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.mart.engine import Mart
from memsync_assets.mart.postgres import Postgres
from memsync_assets.mart.schema import migrate
from memsync_assets.mart.server_mart import ServerMart
from memsync_assets.mart.sqlserver import SCHEMA, SqlServer

SQLSERVER = "MEMSYNC_TEST_SQLSERVER"


@pytest.fixture
def turn() -> Iterator[Callable[[], None]]:
    """Waits for the turn at what all tests share, also with those in other processes; ends when all is closed."""
    with (Path(tempfile.gettempdir()) / "memsync_test_sqlserver.lock").open("w") as lock:
        yield lambda: fcntl.flock(lock, fcntl.LOCK_EX)


_SYSTEM_DATABASES = ("master", "model", "msdb", "tempdb")
_OBJECTS = """
SELECT CASE o.type WHEN 'U' THEN 'TABLE' ELSE 'PROCEDURE' END AS kind, o.name FROM sys.objects AS o
WHERE o.schema_id = SCHEMA_ID(?) AND o.type IN ('U', 'P') AND o.is_ms_shipped = 0
"""


@pytest.fixture
def sqlserver(turn: Callable[[], None]) -> Iterator[str]:
    """The connection string of the SQL Server to test against, its default schema emptied, before and afterwards."""
    given = os.environ.get(SQLSERVER)
    if not given:
        pytest.skip(f"the SQL Server side is not tested: {SQLSERVER} holds no ODBC connection string")
    turn()
    completed = complete("sqlserver", given)
    remove_all(completed)
    yield completed
    remove_all(completed)


def remove_all(connection_string: str) -> None:
    """Remove what tests made, also those that were killed: the default schema's tables and the schema memsync."""
    with closing(pyodbc.connect(connection_string, autocommit=True)) as connection:
        database, default = connection.execute("SELECT DB_NAME(), SCHEMA_NAME()").fetchone()
        if database in _SYSTEM_DATABASES:
            pytest.fail(f"{SQLSERVER} names the database {database}: add DATABASE=… of one for tests only")
        for schema in {default, SCHEMA}:
            for kind, name in connection.execute(_OBJECTS, schema).fetchall():
                connection.execute(f"DROP {kind} [{schema}].[{name}]")
        if default != SCHEMA:
            connection.execute(f"IF SCHEMA_ID(N'{SCHEMA}') IS NOT NULL EXEC (N'DROP SCHEMA {SCHEMA}')")


ENGINES = [
    "duckdb",
    pytest.param("postgres", marks=pytest.mark.postgres),
    pytest.param("sqlserver", marks=pytest.mark.sqlserver),
]
SERVERS = ENGINES[1:]


@pytest.fixture
def open_engine(request: pytest.FixtureRequest, turn: Callable[[], None]) -> Iterator[Callable[[str], Mart]]:
    """Opens an empty mart of an engine, its schema made; its `turn` ends after its marts are closed."""
    opened: list[Mart] = []

    def open_one(engine: str) -> Mart:
        mart: Mart
        if engine == "duckdb":
            mart = DuckDBMart()
        elif engine == "postgres":
            mart = ServerMart(Postgres(), request.getfixturevalue("postgres"))
        else:
            mart = ServerMart(SqlServer(), request.getfixturevalue("sqlserver"))
        opened.append(mart)
        migrate(mart)
        return mart

    yield open_one
    for mart in opened:
        mart.close()
