"""Applying validated loads to the mart's tables, inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from memsync_assets.landing.contract import TableContract
from memsync_assets.landing.readers import CHANGE
from memsync_assets.landing.validation import ValidTable
from memsync_assets.mart.engine import Mart

_BATCH_ROWS = 100_000


def replace_rows(mart: Mart, connection: duckdb.DuckDBPyConnection, system: str, table: ValidTable) -> int:
    """A full load: the system's rows become these. Returns how many rows the mart must hold now."""
    clear_rows(mart, system, table.contract)
    _append(mart, connection, system, table, where="TRUE")
    return table.rows


def change_rows(mart: Mart, connection: duckdb.DuckDBPyConnection, system: str, table: ValidTable) -> int:
    """A delta: the rows of every key that it names become its upserts of that key.

    Returns how many rows the mart must hold now, counted from the keys.
    """
    contract = table.contract
    before = count_rows(mart, system, contract)
    if not table.readers:
        return before
    mart.append("delta_keys", _stream(connection, _union(table, contract.delta_key, "TRUE")))
    same = " AND ".join(f"d.{c} = {contract.mart_table}.{c}" for c in contract.delta_key)
    named = (
        f"FROM {contract.mart_table} WHERE {contract.owner_column} = @system "  # noqa: S608
        f"AND EXISTS (SELECT 1 FROM delta_keys AS d WHERE {same})"
    )
    named_rows = mart.fetch(f"SELECT COUNT(*) AS row_count {named}", {"system": system})["row_count"][0].as_py()
    mart.execute(f"DELETE {named}", {"system": system})
    mart.execute("DELETE FROM delta_keys")
    upserts = f"{CHANGE} = 'upsert'"
    _append(mart, connection, system, table, where=upserts)
    counted = f"SELECT COUNT(*) FROM ({_union(table, contract.delta_key, upserts)})"  # noqa: S608
    return before - int(named_rows) + int(connection.execute(counted).fetchall()[0][0])


def clear_rows(mart: Mart, system: str, contract: TableContract) -> None:
    """No load has this table: the system has no rows in it."""
    mart.execute(
        f"DELETE FROM {contract.mart_table} WHERE {contract.owner_column} = @system",  # noqa: S608
        {"system": system},
    )


def count_rows(mart: Mart, system: str, contract: TableContract) -> int:
    """How many rows of a table the mart holds for a system."""
    counted = mart.fetch(
        f"SELECT COUNT(*) AS row_count FROM {contract.mart_table} "  # noqa: S608
        f"WHERE {contract.owner_column} = @system",
        {"system": system},
    )
    return int(counted["row_count"][0].as_py())


def _append(mart: Mart, connection: duckdb.DuckDBPyConnection, system: str, table: ValidTable, where: str) -> None:
    if not table.readers:
        return
    contract = table.contract
    names = [column.name for column in contract.columns]
    rows = _union(table, names, where)
    owned = f"SELECT ? AS {contract.owner_column}, {', '.join(names)} FROM ({rows})"  # noqa: S608
    mart.append(contract.mart_table, _stream(connection, owned, [system]))


def _union(table: ValidTable, columns: Sequence[str], where: str) -> str:
    wanted = (*columns, CHANGE) if CHANGE in where else tuple(columns)
    selects = " UNION ALL ".join(reader.select(wanted) for reader in table.readers)
    return f"SELECT {', '.join(columns)} FROM ({selects}) WHERE {where}"  # noqa: S608


def _stream(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: list[object] | None = None
) -> pa.RecordBatchReader:
    return connection.sql(sql, params=parameters or []).to_arrow_reader(_BATCH_ROWS)
