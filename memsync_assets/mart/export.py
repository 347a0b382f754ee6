"""Tables of the mart as files, for whoever reads them outside: exact values, nothing guarded or rounded."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
from pyarrow import csv

from memsync_assets.mart.engine import Mart
from memsync_assets.mart.lineage import schema_tables
from memsync_assets.settings import MemsyncError
from memsync_assets.whole_files import whole_file


def export_table(mart: Mart, table: str, file: Path) -> int:
    """Write a table to a Parquet or CSV file (by its ending), mode 0600, complete or not at all.

    In CSV a null is an empty field and text is quoted, so that an empty text is `""`.

    Returns:
        How many rows it has.

    Raises:
        MemsyncError: there is no such table, the ending is another, or the folder is missing.
    """
    known = schema_tables()
    if table not in known:
        raise MemsyncError(f"there is no table {table}. Tables: {', '.join(sorted(known))}.")
    if file.suffix not in (".parquet", ".csv"):
        raise MemsyncError(f"{file}: the ending says the format, and must be .parquet or .csv.")
    if not file.parent.is_dir():
        raise MemsyncError(f"{file.parent}: there is no such folder.")
    columns = ", ".join(mart.columns(table))
    rows = mart.fetch(f"SELECT {columns} FROM {table}")  # noqa: S608  (names of our own schema)
    with whole_file(file) as partial:
        if file.suffix == ".parquet":
            pq.write_table(rows, partial)
        else:
            csv.write_csv(rows, partial)
    return int(rows.num_rows)
