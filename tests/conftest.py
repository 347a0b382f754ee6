"""A landing folder, a small mart, and a private PostgreSQL, for every test that wants one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from memsync_assets.mart.drivers import complete
from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.mart.schema import migrate
from memsync_assets.settings import Home, Project, Reconciliation, Scope, Settings
from tests.landing.landed import Landing
from tests.mart.cluster import Cluster, what_is_missing

_databases = count()


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    settings = Settings(reconciliations={"ihm": Reconciliation(scope=Scope(flagged=True))})
    (tmp_path / "landing").mkdir()
    return Landing(Project(settings, Home(tmp_path / "home"), tmp_path / "landing"))


@pytest.fixture
def mart() -> Iterator[DuckDBMart]:
    """An embedded mart in memory, its schema in place."""
    mart = DuckDBMart()
    migrate(mart)
    yield mart
    mart.close()


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
    # Of a collation that sorts `a` before `B`: what the mart stores must not depend on it.
    cluster.sql(f"CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C'")
    return cluster.connection_string(name)


@pytest.fixture
def postgres(postgres_database: str) -> str:
    """The same, with a driver."""
    return complete("postgres", postgres_database)
