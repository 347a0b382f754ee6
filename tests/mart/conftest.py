"""Marts of every engine that this machine can run, empty for each test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from memsync_assets.mart.drivers import complete
from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.mart.engine import Mart
from memsync_assets.mart.postgres import Postgres
from memsync_assets.mart.schema import migrate
from memsync_assets.mart.server_mart import ServerMart
from memsync_assets.mart.sqlserver import SqlServer
from tests.mart.cluster import Cluster, what_is_missing

SQLSERVER = "MEMSYNC_TEST_SQLSERVER"
_databases = count()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A private PostgreSQL; skips where there is none, unless MEMSYNC_TEST_REQUIRE_POSTGRES=1 forbids that."""
    if missing := what_is_missing():
        if os.environ.get("MEMSYNC_TEST_REQUIRE_POSTGRES") == "1":
            pytest.fail(f"MEMSYNC_TEST_REQUIRE_POSTGRES=1, and {missing}")
        pytest.skip(f"the PostgreSQL side is not tested: {missing}")
    cluster = Cluster()
    yield cluster
    cluster.destroy()


@pytest.fixture
def postgres_database(cluster: Cluster) -> str:
    """The connection string of an empty database, without a driver."""
    name = f"mart{next(_databases)}"
    cluster.sql(f"CREATE DATABASE {name}")
    return cluster.connection_string(name)


@pytest.fixture
def postgres(postgres_database: str) -> str:
    """The same, with a driver."""
    return complete("postgres", postgres_database)


@pytest.fixture
def sqlserver() -> str:
    """The connection string of the SQL Server to test against, its default schema emptied."""
    given = os.environ.get(SQLSERVER)
    if not given:
        pytest.skip(f"the SQL Server side is not tested: {SQLSERVER} holds no ODBC connection string")
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
def open_engine(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Mart]]:
    """Opens an empty mart of an engine, its schema made."""
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
