"""DuckDB connections that write nothing to standard output. Every connection of memsync is opened here."""

from __future__ import annotations

import duckdb


def connect(path: str = ":memory:", **config: str) -> duckdb.DuckDBPyConnection:
    """Open a database with DuckDB's settings `config`; see `quiet`."""
    return quiet(duckdb.connect(path, config=dict(config)))


def quiet(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Take the progress bar from a connection: after two seconds it draws over whatever the process prints or logs."""
    connection.execute("SET enable_progress_bar = false")
    return connection
