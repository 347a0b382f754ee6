"""Marts of every engine that this machine can run, empty for each test."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from memsync_assets.mart.drivers import complete
from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.mart.engine import Mart
from memsync_assets.mart.postgres import Postgres
from memsync_assets.mart.schema import migrate
from memsync_assets.mart.server_mart import ServerMart
from memsync_assets.mart.sqlserver import SqlServer

SQLSERVER = "MEMSYNC_TEST_SQLSERVER"


@pytest.fixture
def turn() -> Iterator[Callable[[], None]]:
    """Waits for the turn at what all tests share, also with those in other processes; ends when all is closed."""
    with (Path(tempfile.gettempdir()) / "memsync_test_sqlserver.lock").open("w") as lock:
        yield lambda: fcntl.flock(lock, fcntl.LOCK_EX)


@pytest.fixture
def sqlserver(turn: Callable[[], None]) -> str:
    """The connection string of the SQL Server to test against, its default schema emptied."""
    given = os.environ.get(SQLSERVER)
    if not given:
        pytest.skip(f"the SQL Server side is not tested: {SQLSERVER} holds no ODBC connection string")
    turn()
    mart = ServerMart(SqlServer(), complete("sqlserver", given))
    tables = mart.fetch("SELECT t.name FROM sys.tables AS t WHERE t.schema_id = SCHEMA_ID()")["name"].to_pylist()
    for table in tables:
        mart.execute(f"DROP TABLE [{table}]")
    mart.close()
    return complete("sqlserver", given)


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
        migrate(mart)
        opened.append(mart)
        return mart

    yield open_one
    for mart in opened:
        mart.close()
