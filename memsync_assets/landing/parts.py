"""One table read over ODBC into the folder of a load, part by part, so that a reading that was interrupted goes on.

A part is a Parquet file that is renamed into place when it is whole and is then noted in the table's journal, with its
rows and its SHA-256. Where the table has a key, its rows are read in the order of the key, and reading goes on behind
the last row of the last part; without a key, only a whole table is kept. Parts that are not what the journal says are
read again, and so is the table when, in the end, it has not as many rows as the query counts: the rows have changed
meanwhile, or the key is none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pyodbc
from pydantic import BaseModel, ConfigDict

from memsync_assets.mart.odbc_rows import batches_of, schema_of
from memsync_assets.whole_files import COMMON, whole_file

#: Rows of a part where there is a key: what is read again after an interruption, at most.
PART_ROWS = 500_000


class Part(BaseModel):
    """A file of a table, as a manifest has it."""

    model_config = ConfigDict(frozen=True)

    name: str
    rows: int
    sha256: str


class _Journal(BaseModel):
    """What is there of a table. whole: nothing is missing."""

    model_config = ConfigDict(frozen=True)

    parts: tuple[Part, ...] = ()
    whole: bool = False


@dataclass(frozen=True)
class BoundQuery:
    """A SELECT in the SQL of its database, and the value of each `?` in it."""

    text: str
    values: tuple[object, ...]

    def behind(self, key: Sequence[str], last: Sequence[object]) -> BoundQuery:
        """Its rows in the order of a key; only those behind the row with that key, where one is given."""
        where, values = _behind(key, last) if last else ("", [])
        text = f"SELECT * FROM ({self.text}) extracted{where} ORDER BY {', '.join(key)}"  # noqa: S608
        return BoundQuery(text, (*self.values, *values))

    def counted(self) -> BoundQuery:
        """How many rows it has."""
        return BoundQuery(f"SELECT COUNT(*) FROM ({self.text}) extracted", self.values)  # noqa: S608


def _behind(key: Sequence[str], last: Sequence[object]) -> tuple[str, list[object]]:
    """Rows of a later key, spelled out: not every database compares tuples."""
    later = []
    values: list[object] = []
    for position, column in enumerate(key):
        later.append("(" + " AND ".join([*(f"{same} = ?" for same in key[:position]), f"{column} > ?"]) + ")")
        values += last[: position + 1]
    return f" WHERE {' OR '.join(later)}", values


def read_table(
    connection: pyodbc.Connection, folder: Path, name: str, query: BoundQuery, key: Sequence[str]
) -> tuple[Part, ...]:
    """Read what is missing of a table into files `<name>-0001.parquet` and so on, and return all of its parts.

    Args:
        key: columns that tell the query's rows apart, as its database compares; none: the table is read at one go.
    """
    journal = _verified(folder, _read_journal(folder, name))
    if journal.whole:
        return journal.parts
    last = _last_key(folder, journal, key)
    parts = _read_parts(connection, folder, name, query, key, last, journal.parts if last else ())
    if last and _count(connection, query) != sum(part.rows for part in parts):
        parts = _read_parts(connection, folder, name, query, key, (), ())
    for path in folder.glob(f"{name}-*.parquet"):
        if path.name not in {part.name for part in parts}:
            path.unlink()
    _write_journal(folder, name, _Journal(parts=parts, whole=True))
    return parts


def remove_journals(folder: Path) -> None:
    """Forget how the parts of a load came about, once its manifest is there."""
    for path in folder.glob(".*.journal"):
        path.unlink()


def _read_parts(
    connection: pyodbc.Connection,
    folder: Path,
    name: str,
    query: BoundQuery,
    key: Sequence[str],
    last: Sequence[object],
    parts: tuple[Part, ...],
) -> tuple[Part, ...]:
    """The parts that are there and those that are still to be read, each noted as soon as it is in place."""
    wanted = query.behind(key, last) if key else query
    cursor = connection.execute(wanted.text, wanted.values)
    schema = schema_of(cursor)
    batches = batches_of(cursor, schema)
    batch = next(batches, None)
    while batch is not None or not parts:
        path = folder / f"{name}-{len(parts) + 1:04}.parquet"
        with whole_file(path, COMMON) as partial, pq.ParquetWriter(partial, schema) as writer:
            rows = 0
            while batch is not None and (not key or rows < PART_ROWS):
                writer.write_batch(batch)
                rows += batch.num_rows
                batch = next(batches, None)
        parts = (*parts, Part(name=path.name, rows=rows, sha256=_sha256(path)))
        if key:
            _write_journal(folder, name, _Journal(parts=parts))
    return parts


def _count(connection: pyodbc.Connection, query: BoundQuery) -> int:
    counted = query.counted()
    return int(connection.execute(counted.text, counted.values).fetchval())


def _last_key(folder: Path, journal: _Journal, key: Sequence[str]) -> tuple[object, ...]:
    """The key of the last row that is there; empty: there is none to go on from."""
    if not key or not journal.parts or not journal.parts[-1].rows:
        return ()
    read = pq.ParquetFile(folder / journal.parts[-1].name)
    names = {column.lower(): column for column in read.schema_arrow.names}
    rows = read.read_row_group(read.num_row_groups - 1, columns=[names[column.lower()] for column in key])
    last = tuple(rows[names[column.lower()]][-1].as_py() for column in key)
    return last if all(_is_exact(value) for value in last) else ()


def _is_exact(value: object) -> bool:
    """Whether a value comes back through every driver as it went: text, whole numbers and dates do."""
    return isinstance(value, str | int | date) and not isinstance(value, datetime)


def _verified(folder: Path, journal: _Journal) -> _Journal:
    """The journal up to the first part that is not what it says."""
    kept = tuple(_good(folder, journal.parts))
    return _Journal(parts=kept, whole=journal.whole and kept == journal.parts)


def _good(folder: Path, parts: Sequence[Part]) -> Iterator[Part]:
    for part in parts:
        path = folder / part.name
        if not path.is_file() or _sha256(path) != part.sha256:
            return
        yield part


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _journal_path(folder: Path, name: str) -> Path:
    return folder / f".{name}.journal"


def _read_journal(folder: Path, name: str) -> _Journal:
    path = _journal_path(folder, name)
    return _Journal.model_validate_json(path.read_bytes()) if path.exists() else _Journal()


def _write_journal(folder: Path, name: str, journal: _Journal) -> None:
    with whole_file(_journal_path(folder, name), COMMON) as partial:
        partial.write_text(journal.model_dump_json(), encoding="utf-8")
