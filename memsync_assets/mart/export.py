"""Tables of the mart as files, for whoever reads them outside: exact values, nothing guarded or rounded."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
from pyarrow import csv

from memsync_assets.mart.engine import Mart
from memsync_assets.mart.lineage import schema_tables
from memsync_assets.settings import MemsyncError, Project
from memsync_assets.whole_files import whole_file

#: The tables that others read, by the landing contract and README; all others are memsync's own.
PUBLIC = (
    "membership_counts",
    "discrepancies",
    "discrepancy_ledger",
    "persons",
    "contact_persons",
    "quarantined_contacts",
    "sync_plan",
    "salesforce_sync_results",
    "dead_letters",
)


def refuse_without_mart(project: Project) -> None:
    """Opening an embedded mart creates it: who only reads is told that there is none.

    Raises:
        MemsyncError: there is none in the home.
    """
    if project.settings.mart.engine == "duckdb" and not project.home.mart.is_file():
        raise MemsyncError(
            f"{project.home.root}: there is no mart in this home. Name the home of your runs with --home, or take loads"
            " in with `memsync run` first."
        )


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
        own = sorted(known.keys() - set(PUBLIC))
        raise MemsyncError(f"there is no table {table}. Tables: {', '.join(PUBLIC)}; memsync's own: {', '.join(own)}.")
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
