"""Opens the mart that the settings name. The one place that knows every engine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import tenacity

from memsync_assets.mart.columnstore import store_by_columns
from memsync_assets.mart.drivers import complete
from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.mart.engine import Mart, MartBusyError
from memsync_assets.mart.postgres import Postgres
from memsync_assets.mart.schema import migrate
from memsync_assets.mart.server_mart import ServerMart
from memsync_assets.mart.sqlserver import SqlServer
from memsync_assets.settings import MemsyncError, Project

#: Seconds.
PATIENCE = 60


@contextmanager
def open_mart(project: Project) -> Iterator[Mart]:
    """The project's mart, its schema up to date, closed at the end of the block.

    Another process that has it open is waited for: a step of a run, or a command that reads, is soon done.

    Raises:
        MartBusyError: it still has it open after `PATIENCE` seconds.
        MemsyncError: the server, its driver or its connection string is missing or wrong.
    """
    project.home.make()
    waiting = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(MartBusyError),
        wait=tenacity.wait_random_exponential(multiplier=0.05, max=1),
        stop=tenacity.stop_after_delay(PATIENCE),
        reraise=True,
    )
    mart = waiting(_connect, project)
    try:
        migrate(mart)
        if project.settings.mart.engine == "sqlserver" and project.settings.mart.columnstore:
            store_by_columns(mart)
        yield mart
    finally:
        mart.close()


def _connect(project: Project) -> Mart:
    settings = project.settings.mart
    if settings.engine == "duckdb":
        return DuckDBMart(project.home.mart, settings.memory_limit)
    given = os.environ.get(settings.connection_variable)
    if not given:
        raise MemsyncError(
            f"mart.engine is {settings.engine}: set {settings.connection_variable} in the environment to its ODBC"
            " connection string, e.g. SERVER=…;DATABASE=…;UID=…;PWD=…"
        )
    server = Postgres() if settings.engine == "postgres" else SqlServer()
    return ServerMart(server, complete(settings.engine, given))
