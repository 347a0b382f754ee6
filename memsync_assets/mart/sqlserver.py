"""What is peculiar to SQL Server 2017 and later and Azure SQL.

Rows are loaded by OPENJSON: one parameter for thousands of rows, set-based, the same through every driver. FreeTDS
crashes on `fast_executemany`, so that it is not used at all. Rows with a long text, which are few, are loaded one by
one: Babelfish, by which this is proven, cuts what OPENJSON finds at 4,000 characters and says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc
import pyodbc

from memsync_assets.mart.dialects import Dialect
from memsync_assets.mart.engine import MartRefusedError
from memsync_assets.mart.odbc_rows import bound
from memsync_assets.quiet_duckdb import connect

_ROWS = 20_000
_LONGEST_SHORT_TEXT = 4_000
#: Where `mart script` puts the mart.
SCHEMA = "memsync"
#: The user's default schema, where the mart is in that one and the user is not; null: all is well.
_ELSEWHERE = f"""
SELECT CASE
    WHEN SCHEMA_NAME() <> N'{SCHEMA}' AND OBJECT_ID(N'{SCHEMA}.schema_versions', N'U') IS NOT NULL THEN SCHEMA_NAME()
END AS elsewhere
"""
#: Texts are read without a length, so that one that is too long is refused by its column and not cut.
_TYPES = {"nvarchar": "NVARCHAR(MAX)", "datetime2": "DATETIME2(6)"}
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
        if "tds" in connection.getinfo(pyodbc.SQL_DRIVER_NAME).lower():
            # FreeTDS asks for 64,512 bytes of a text at most, and for no error where there are more.
            cursor.execute("SET TEXTSIZE 2147483647")
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
        """See `Server.insert`."""
        is_long = _with_long_text(rows)
        self._insert_together(cursor, table, types, rows.filter(pc.invert(is_long)))
        self._insert_singly(cursor, table, types, rows.filter(is_long))

    def _insert_singly(self, cursor: pyodbc.Cursor, table: str, types: Mapping[str, str], rows: pa.Table) -> None:
        into = ", ".join(f"[{name}]" for name in rows.schema.names)
        for row in rows.to_pylist():
            values = ", ".join("NULL" if row[name] is None else f"CAST(? AS {_typed(types[name])})" for name in row)
            given = [bound(value) for value in row.values() if value is not None]
            cursor.execute(f"SET NOCOUNT ON; INSERT INTO {table} ({into}) VALUES ({values})", given)  # noqa: S608

    def _insert_together(self, cursor: pyodbc.Cursor, table: str, types: Mapping[str, str], rows: pa.Table) -> None:
        """Rows as one JSON text, taken apart by OPENJSON."""
        names = rows.schema.names
        into = ", ".join(f"[{name}]" for name in names)
        typed = ", ".join(f"""[{name}] {_typed(types[name])} '$."{name}"'""" for name in names)
        sql = (
            f"SET NOCOUNT ON; DECLARE @rows NVARCHAR(MAX) = CAST(? AS NVARCHAR(MAX));"  # noqa: S608
            f" INSERT INTO {table} ({into}) SELECT {into} FROM OPENJSON(@rows) WITH ({typed})"
        )
        for text in _json(rows):
            cursor.execute(sql, [text])

    def after_growth(self, cursor: pyodbc.Cursor, table: str) -> None:
        """See `Server.after_growth`. SQL Server brings its statistics up to date when it next plans a query."""


def _typed(data_type: str) -> str:
    return _TYPES.get(data_type, data_type)


def _with_long_text(rows: pa.Table) -> pa.Array:
    """Which rows hold a text of more bytes than a short one has characters."""
    texts = [one for one in rows.columns if pa.types.is_string(one.type) or pa.types.is_large_string(one.type)]
    lengths = [pc.fill_null(pc.binary_length(column), 0) for column in texts]
    beyond = [pc.greater(length, _LONGEST_SHORT_TEXT) for length in lengths]
    return reduce(pc.or_, beyond, pa.chunked_array([pa.repeat(False, rows.num_rows)]))


def _json(rows: pa.Table) -> Iterator[str]:
    with connect() as connection:
        for start in range(0, rows.num_rows, _ROWS):
            part = rows.slice(start, _ROWS)
            connection.register("part", part)
            (text,) = connection.execute(
                "SELECT '[' || string_agg(to_json(part)::VARCHAR, ',') || ']' FROM part"
            ).fetchall()[0]
            yield text
