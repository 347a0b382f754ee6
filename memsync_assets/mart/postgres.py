"""What is peculiar to PostgreSQL, reached through psqlODBC."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc
import pyodbc

from memsync_assets.mart.dialects import Dialect
from memsync_assets.mart.engine import MartRefusedError

#: Measured (benchmarks/mart_append.py): 5,000 are slower, and more than this gain nothing.
_ROWS = 20_000


class Postgres:
    """See `server_mart.Server`, whose interface this is."""

    dialect: Dialect = "postgres"
    columns_sql = (
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = current_schema() AND table_name = LOWER(?) ORDER BY ordinal_position"
    )

    def prepare(self, connection: pyodbc.Connection) -> None:
        """See `Server.prepare`."""
        # Otherwise pyodbc passes text as UTF-16, and the driver converts it: half the speed.
        connection.setdecoding(pyodbc.SQL_CHAR, "utf-8")
        connection.setdecoding(pyodbc.SQL_WCHAR, "utf-8")
        connection.setencoding("utf-8")
        schema, encoding = connection.execute(_WHERE).fetchone()
        if schema is None:
            raise MartRefusedError(
                "the search_path of this user names no schema that is there: CREATE SCHEMA … AUTHORIZATION …, or"
                " ALTER ROLE … SET search_path = …."
            )
        if encoding != "UTF8":
            raise MartRefusedError(f"the database's encoding is {encoding}: make one with ENCODING 'UTF8'.")

    def take_lock(self, cursor: pyodbc.Cursor) -> bool:
        """See `Server.take_lock`."""
        taken = cursor.execute(f"SELECT CAST(pg_try_advisory_lock({_LOCK}) AS INT)").fetchval()
        return bool(taken)

    def release_lock(self, cursor: pyodbc.Cursor) -> None:
        """See `Server.release_lock`."""
        cursor.execute(f"SELECT CAST(pg_advisory_unlock({_LOCK}) AS INT)").fetchval()

    def working_table(self, table: str, columns: tuple[str, ...]) -> str:
        """See `Server.working_table`."""
        return f"CREATE TEMPORARY TABLE memsync_result AS SELECT {', '.join(columns)} FROM {table} WITH NO DATA"  # noqa: S608

    def insert(self, cursor: pyodbc.Cursor, table: str, types: Mapping[str, str], rows: pa.Table) -> None:
        """One array for each column, as text: a statement for many rows, and no Python object for a cell.

        ODBC has no COPY.
        """
        names = rows.schema.names
        into = ", ".join(f'"{name}"' for name in names)
        arrays = ", ".join(f"CAST(? AS {types[name]}[])" for name in names)
        sql = f"INSERT INTO {table} ({into}) SELECT * FROM unnest({arrays})"  # noqa: S608
        for part in _parts(rows):
            cursor.execute(sql, [array_literal(part[name]) for name in names])

    def after_growth(self, cursor: pyodbc.Cursor, table: str) -> None:
        """See `Server.after_growth`. The server's own statistics come minutes after the rows."""
        cursor.execute(f"ANALYZE {table}")


#: The schema that tables are made in, and how texts are stored.
_WHERE = "SELECT CAST(current_schema() AS TEXT), current_setting('server_encoding')"
#: One lock for each schema of each database.
_LOCK = "hashtext('memsync mart'), hashtext(current_schema())"


def _parts(rows: pa.Table) -> Iterator[pa.Table]:
    for start in range(0, rows.num_rows, _ROWS):
        yield rows.slice(start, _ROWS)


def array_literal(column: pa.ChunkedArray) -> str:
    """A column as the text of a PostgreSQL array."""
    values = column.combine_chunks()
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        escaped = pc.replace_substring(pc.replace_substring(values, "\\", "\\\\"), '"', '\\"')
        values = pc.binary_join_element_wise('"', escaped, '"', "")
    else:
        values = pc.cast(values, pa.string())
    values = pc.fill_null(pc.cast(values, pa.string()), "NULL")
    (joined,) = pc.binary_join(pa.ListArray.from_arrays([0, len(values)], values), ",")
    return f"{{{joined.as_py()}}}"
