"""What is peculiar to SQL Server 2017 and later and Azure SQL.

Rows are loaded by OPENJSON: one parameter for thousands of rows, set-based, the same through every driver. FreeTDS
crashes on `fast_executemany`, so that it is not used at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyodbc

from memsync_assets.mart.dialects import Dialect
from memsync_assets.mart.engine import MartRefusedError
from memsync_assets.quiet_duckdb import connect

_ROWS = 20_000
#: Where `mart script` puts the mart.
SCHEMA = "memsync"
#: The user's default schema, where the mart is in that one and the user is not; null: all is well.
_ELSEWHERE = f"""
SELECT CASE
    WHEN SCHEMA_NAME() <> N'{SCHEMA}' AND OBJECT_ID(N'{SCHEMA}.schema_versions', N'U') IS NOT NULL THEN SCHEMA_NAME()
END AS elsewhere
"""
#: Texts are read without a length, so that one that is too long is refused by its column and not cut.
_JSON_TYPES = {"nvarchar": "NVARCHAR(MAX)", "datetime2": "DATETIME2(6)"}
_TAKE = """
SET NOCOUNT ON;
DECLARE @resource NVARCHAR(255) = CONCAT(N'memsync mart ', SCHEMA_NAME()), @result INT;
EXEC @result = sp_getapplock @Resource = @resource, @LockMode = 'Exclusive', @LockOwner = 'Session', @LockTimeout = 0;
SELECT @result AS result;
"""
_RELEASE = """
SET NOCOUNT ON;
DECLARE @resource NVARCHAR(255) = CONCAT(N'memsync mart ', SCHEMA_NAME()), @result INT;
EXEC @result = sp_releaseapplock @Resource = @resource, @LockOwner = 'Session';
SELECT @result AS result;
"""


class SqlServer:
    """See `server_mart.Server`, whose interface this is."""

    dialect: Dialect = "tsql"
    columns_sql = (
        "SELECT COLUMN_NAME, DATA_TYPE FROM INFORMATION_SCHEMA.COLUMNS"
        " WHERE TABLE_SCHEMA = SCHEMA_NAME() AND TABLE_NAME = CAST(? AS NVARCHAR(128)) ORDER BY ORDINAL_POSITION"
    )

    def prepare(self, connection: pyodbc.Connection) -> None:
        """See `Server.prepare`. An error ends the transaction, as in every other engine."""
        cursor = connection.cursor()
        cursor.execute("SET XACT_ABORT ON")
        if elsewhere := cursor.execute(_ELSEWHERE).fetchval():
            raise MartRefusedError(
                f"the mart lies in the schema {SCHEMA}, and this user's default schema is {elsewhere}: a second mart"
                f" would be made there. ALTER USER … WITH DEFAULT_SCHEMA = {SCHEMA}."
            )

    def take_lock(self, cursor: pyodbc.Cursor) -> bool:
        """See `Server.take_lock`."""
        return int(cursor.execute(_TAKE).fetchval()) >= 0

    def release_lock(self, cursor: pyodbc.Cursor) -> None:
        """See `Server.release_lock`."""
        cursor.execute(_RELEASE).fetchval()

    def working_table(self, table: str, columns: tuple[str, ...]) -> str:
        """See `Server.working_table`."""
        return f"SELECT TOP (0) {', '.join(columns)} INTO #memsync_result FROM {table}"  # noqa: S608

    def insert(self, cursor: pyodbc.Cursor, table: str, types: Mapping[str, str], rows: pa.Table) -> None:
        """Rows as one JSON text, taken apart by OPENJSON."""
        names = rows.schema.names
        into = ", ".join(f"[{name}]" for name in names)
        typed = ", ".join(f"""[{name}] {_JSON_TYPES.get(types[name], types[name])} '$."{name}"'""" for name in names)
        sql = (
            f"SET NOCOUNT ON; DECLARE @rows NVARCHAR(MAX) = CAST(? AS NVARCHAR(MAX));"  # noqa: S608
            f" INSERT INTO {table} ({into}) SELECT {into} FROM OPENJSON(@rows) WITH ({typed})"
        )
        for text in _json(rows):
            cursor.execute(sql, [text])

    def after_growth(self, cursor: pyodbc.Cursor, table: str) -> None:
        """See `Server.after_growth`. SQL Server brings its statistics up to date when it next plans a query."""


def _json(rows: pa.Table) -> Iterator[str]:
    with connect() as connection:
        for start in range(0, rows.num_rows, _ROWS):
            part = rows.slice(start, _ROWS)
            connection.register("part", part)
            (text,) = connection.execute(
                "SELECT '[' || string_agg(to_json(part)::VARCHAR, ',') || ']' FROM part"
            ).fetchall()[0]
            yield text
