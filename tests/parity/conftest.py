from __future__ import annotations

from collections.abc import Iterator

import pytest

from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.mart.schema import migrate


@pytest.fixture(scope="module")
def mart() -> Iterator[DuckDBMart]:
    mart = DuckDBMart()
    migrate(mart)
    yield mart
    mart.close()
