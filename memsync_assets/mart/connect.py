"""Opens the mart that the settings name. The one place that knows every engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.mart.engine import Mart
from memsync_assets.mart.schema import migrate
from memsync_assets.settings import MemsyncError, Project


@contextmanager
def open_mart(project: Project) -> Iterator[Mart]:
    """The project's mart, its schema up to date, closed at the end of the block.

    Raises:
        MartBusyError: another process writes to it.
    """
    settings = project.settings.mart
    if settings.engine != "duckdb":
        raise MemsyncError(f"mart.engine: {settings.engine} is not built yet; use duckdb.")
    mart: Mart = DuckDBMart(project.home.mart, settings.memory_limit)
    try:
        migrate(mart)
        yield mart
    finally:
        mart.close()
