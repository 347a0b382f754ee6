"""How many member rows a second go into a server mart, by way of loading.

    MEMSYNC_MART_CONNECTION='SERVER=127.0.0.1;PORT=5432;DATABASE=…;UID=…' python -m benchmarks.mart_append postgres

A rate is of one core: rows over the processor time of this process and, where the server is PostgreSQL on this
machine, of its backend. The mart's table source_members is emptied.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import duckdb
import pyarrow as pa
import pyodbc

from memsync_assets.mart.drivers import complete
from memsync_assets.mart.postgres import Postgres
from memsync_assets.mart.schema import migrate
from memsync_assets.mart.server_mart import Server, ServerMart
from memsync_assets.mart.sqlserver import SqlServer

ROWS = 200_000
BATCH = 20_000
MEMBERS = f"""
SELECT 'foundation_ca' AS source_system, 'M' || lpad(i::VARCHAR, 9, '0') AS member_id, 'S' || (i // 3) AS subscriber_id,
    'G' || (i % 500) AS group_id, 'OU' || (i % 300) AS org_unit_id, 'CA' AS state_code, 'PPO' || (i % 7) AS plan_code,
    DATE '2020-01-01' + (i % 1000)::INT AS effective_date,
    CASE WHEN i % 3 = 0 THEN DATE '2026-01-01' + (i % 100)::INT END AS termination_date,
    TIMESTAMP '2026-11-01 01:02:03.123456' + INTERVAL (i) SECOND AS changed_at
FROM range({ROWS}) AS r(i)
"""


class ByJson(Postgres):
    """One JSON text for many rows."""

    def insert(self, cursor: pyodbc.Cursor, table: str, types: Mapping[str, str], rows: pa.Table) -> None:
        """See the class."""
        with duckdb.connect() as connection:
            connection.register("part", rows)
            aggregated = connection.sql("SELECT '[' || string_agg(to_json(part)::VARCHAR, ',') || ']' FROM part")
            text = aggregated.fetchall()[0][0]
        names = ", ".join(rows.schema.names)
        cursor.execute(
            f"INSERT INTO {table} ({names}) SELECT {names}"
            f" FROM json_populate_recordset(NULL::{table}, CAST(? AS JSON))",
            text,
        )


def _executemany(cursor: pyodbc.Cursor, table: str, rows: pa.Table) -> None:
    marks, names = ", ".join("?" * rows.num_columns), ", ".join(rows.schema.names)
    values = [tuple(row.values()) for row in rows.to_pylist()]
    cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", values)


class ByExecutemany(Postgres):
    """One statement a row."""

    def insert(self, cursor: pyodbc.Cursor, table: str, types: Mapping[str, str], rows: pa.Table) -> None:
        """See the class."""
        _executemany(cursor, table, rows)


class ByFastExecutemany(SqlServer):
    """An array of parameters; FreeTDS crashes on it."""

    def insert(self, cursor: pyodbc.Cursor, table: str, types: Mapping[str, str], rows: pa.Table) -> None:
        """See the class."""
        cursor.fast_executemany = True
        _executemany(cursor, table, rows)


WAYS: dict[str, tuple[type[Server], ...]] = {
    "postgres": (Postgres, ByJson, ByExecutemany),
    "sqlserver": (SqlServer, ByFastExecutemany),
}


def main(engine: str) -> None:
    """Each way of loading, once."""
    connection_string = complete(engine, os.environ["MEMSYNC_MART_CONNECTION"])  # type: ignore[arg-type]
    members = duckdb.sql(MEMBERS).to_arrow_table()
    for way in WAYS[engine]:
        mart = ServerMart(way(), connection_string)
        migrate(mart)
        _measure(mart, way.__name__, members.slice(0, ROWS // 10) if way is ByExecutemany else members)
        mart.close()


def _measure(mart: ServerMart, name: str, members: pa.Table) -> None:
    mart.execute("DELETE FROM source_members")
    started, cpu = time.perf_counter(), time.process_time() + _backend(mart)
    mart.append("source_members", members.to_reader(BATCH))
    wall, cpu = time.perf_counter() - started, time.process_time() + _backend(mart) - cpu
    count = members.num_rows
    print(f"{name:20} {count:>9,} rows  {count / wall:>9,.0f} rows/s wall  {count / cpu:>9,.0f} rows/s of one core")


def _backend(mart: ServerMart) -> float:
    """Processor seconds of the server's process that serves us, where it can be seen."""
    if mart.dialect != "postgres":
        return 0.0
    process = mart.fetch("SELECT pg_backend_pid() AS process")["process"][0].as_py()
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main(sys.argv[1])
