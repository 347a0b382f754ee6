"""Values over ODBC: rows of a cursor as Arrow, batch by batch, and parameters. Knows no table and no server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyodbc

from memsync_assets.settings import MemsyncError

BATCH_ROWS = 50_000
_ARROW: dict[type, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    date: pa.date32(),
    datetime: pa.timestamp("us"),
    time: pa.time64("us"),
    bytes: pa.binary(),
    bytearray: pa.binary(),
    # A sum of whole numbers is one for some servers; the mart and the loads hold no other.
    Decimal: pa.int64(),
}


def schema_of(cursor: pyodbc.Cursor) -> pa.Schema:
    """The columns of the result that the cursor stands at."""
    return pa.schema([(name, _ARROW.get(kind, pa.string())) for name, kind, *_ in cursor.description])


def batches_of(cursor: pyodbc.Cursor, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows that are left.

    Raises:
        MemsyncError: a column of decimals holds a fraction. The text names the column and no value.
    """
    kinds = [column[1] for column in cursor.description]
    while rows := cursor.fetchmany(BATCH_ROWS):
        columns = zip(zip(*rows, strict=True), kinds, schema, strict=True)
        yield pa.record_batch([_array(values, kind, field) for values, kind, field in columns], schema=schema)


def bound(value: object) -> str:
    """Every parameter is bound as text and CAST by the statement: no driver has a say in its type."""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="microseconds")
    return value.isoformat() if isinstance(value, date) else str(value)


def _array(values: tuple[Any, ...], kind: type, field: pa.Field) -> pa.Array:
    if kind is Decimal:
        if any(value is not None and value % 1 for value in values):
            raise MemsyncError(f"the column {field.name} holds fractions: CAST it to FLOAT or to text in its query.")
        values = tuple(None if value is None else int(value) for value in values)
    elif kind not in _ARROW:
        values = tuple(None if value is None else str(value) for value in values)
    return pa.array(values, field.type)
