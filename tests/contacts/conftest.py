"""A small mart in memory, and rows for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.mart.schema import migrate
from memsync_assets.settings import Reconciliation, Scope, Settings, System


@pytest.fixture
def mart() -> Iterator[DuckDBMart]:
    mart = DuckDBMart()
    migrate(mart)
    yield mart
    mart.close()


@pytest.fixture
def settings() -> Settings:
    return Settings(
        systems={"a": System(role="source", priority=1), "b": System(role="source", priority=2)},
        reconciliations={"ihm": Reconciliation(scope=Scope(flagged=True))},
    )
