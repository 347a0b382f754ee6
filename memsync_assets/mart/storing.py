"""The T-SQL that stores a query's result: collected in a working table, checked, then put in its table.

No MERGE: room is made by DELETE, and the rows are inserted; the caller runs it all in one transaction. What runs here
on a server is what `mart script` prints as stored procedures.
"""

from __future__ import annotations

from memsync_assets.mart.dialects import inserting, result_columns
from memsync_assets.mart.engine import Append, Replace, ReplacePartition, Storage, Upsert
from memsync_assets.mart.queries import Query

#: Where a result waits, of the types of its table.
WORKING_TABLE = "#memsync_result"


def collect(query: Query) -> str:
    """Run the query into the working table: its text as written."""
    return inserting(query.text, WORKING_TABLE, result_columns(query.text))


def repeated_keys(query: Query) -> str:
    """The keys that the working table holds more than once. The query promises a key."""
    key = ", ".join(query.key)
    return f"SELECT {key} FROM {WORKING_TABLE} GROUP BY {key} HAVING COUNT(*) > 1"  # noqa: S608


def make_room(table: str, storage: Storage) -> str | None:
    """Delete what the result takes the place of; None: nothing."""
    match storage:
        case Replace():
            return f"DELETE FROM {table}"  # noqa: S608
        case ReplacePartition(columns):
            where = " AND ".join(f"{column} = @{column}" for column in columns)
            return f"DELETE FROM {table} WHERE {where}"  # noqa: S608
        case Upsert(key):
            same = " AND ".join(f"r.{column} = {table}.{column}" for column in key)
            return f"DELETE FROM {table} WHERE EXISTS (SELECT 1 FROM {WORKING_TABLE} AS r WHERE {same})"  # noqa: S608
        case Append():
            return None


def put(query: Query) -> str:
    """Insert the working table's rows."""
    names = ", ".join(result_columns(query.text))
    return f"INSERT INTO {query.table} ({names}) SELECT {names} FROM {WORKING_TABLE}"  # noqa: S608


def drop() -> str:
    """Make way for the next result."""
    return f"DROP TABLE {WORKING_TABLE}"
