"""Holding a load against its manifest and the contract. Set-based: DuckDB scans the files, Python sees counts.

Changes nothing: what becomes of a load that is wrong is `take_in`'s business.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from memsync_assets.landing.contract import TableContract, contracts
from memsync_assets.landing.csv_faults import fault
from memsync_assets.landing.findings import LISTED, Finding
from memsync_assets.landing.manifest import DataFile, Manifest
from memsync_assets.landing.plain_files import open_plain
from memsync_assets.landing.readers import Check, Reader, UnreadableError, open_reader
from memsync_assets.settings import Role

MEMBERS = "members"
#: The column that only a downstream system's members have.
SOURCE_SYSTEM = "source_system"
_ROLES: tuple[Role, ...] = ("source", "downstream")


@dataclass(frozen=True)
class ValidTable:
    """A table of a load that may be applied. Holds the readers of its files."""

    contract: TableContract
    readers: tuple[Reader, ...]
    rows: int

    @property
    def unknown_columns(self) -> tuple[str, ...]:
        """Columns that are kept out."""
        return tuple(sorted({name for reader in self.readers for name in reader.unknown}))


@dataclass(frozen=True)
class Validated:
    """What validation found; the load may be applied when there are no findings."""

    tables: tuple[ValidTable, ...]
    findings: tuple[Finding, ...]


def role_of(connection: duckdb.DuckDBPyConnection, folder: Path, manifest: Manifest) -> Role:
    """The role of a system that is not configured: a source as long as no load tells."""
    return told_role(connection, folder, manifest) or "source"


def told_role(connection: duckdb.DuckDBPyConnection, folder: Path, manifest: Manifest) -> Role | None:
    """The role that a load tells by its tables, or by whether its members name a source system; None: it tells none."""
    for name in manifest.tables:
        if name != MEMBERS and (roles := [role for role in _ROLES if name in contracts(role)]):
            return roles[0]
    members = manifest.tables.get(MEMBERS)
    for file in members.files if members else ():
        try:
            reader = open_reader(connection, folder / file.name, contracts("source")[MEMBERS], delta=False)
        except UnreadableError:
            continue
        return "downstream" if reader.nearly(SOURCE_SYSTEM) else "source"
    return None


def validate(connection: duckdb.DuckDBPyConnection, folder: Path, manifest: Manifest, role: Role) -> Validated:
    """Hold every table of the manifest against the contract of the role."""
    known = contracts(role)
    tables: list[ValidTable] = []
    findings: list[Finding] = []
    for name, listed in manifest.tables.items():
        if name not in known:
            findings.append(Finding("unknown_table", f"a {role} system delivers no table {name!r:.60}"))
            continue
        table, wrong = _validate_table(connection, folder, listed.files, known[name], manifest.kind == "delta")
        tables.append(table)
        findings += wrong
    return Validated(tuple(tables), tuple(findings))


def _validate_table(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    files: Sequence[DataFile],
    contract: TableContract,
    delta: bool,
) -> tuple[ValidTable, list[Finding]]:
    readers: list[Reader] = []
    findings: list[Finding] = []
    for file in files:
        reader, wrong = _validate_file(connection, folder / file.name, file, contract, delta)
        findings += wrong
        if reader and not wrong:
            readers.append(reader)
    if not findings and contract.unique and readers:
        findings += _repeated_keys(connection, readers, contract)
    return ValidTable(contract, tuple(readers), sum(file.rows for file in files)), findings


def _validate_file(
    connection: duckdb.DuckDBPyConnection, path: Path, file: DataFile, contract: TableContract, delta: bool
) -> tuple[Reader | None, list[Finding]]:
    name = file.name
    try:
        checksum = _sha256(path)
    except OSError as error:
        message = f"is not in the load's folder as a plain file that can be read ({error.strerror})"
        return None, [Finding("missing_file", message, name)]
    if checksum != file.sha256.lower():
        return None, [Finding("wrong_checksum", "its SHA-256 is not the manifest's: land the load again", name)]
    try:
        reader = open_reader(connection, path, contract, delta=delta)
        wrong = list(_wrong_columns(reader, contract))
        if wrong:
            return reader, wrong
        return reader, list(_scan(connection, reader, file.rows))
    except UnreadableError as error:
        return None, [Finding("unreadable_file", str(error), name)]
    except duckdb.Error as error:
        message, row = fault(error)
        return None, [Finding("unreadable_file", message, name, row)]


def _wrong_columns(reader: Reader, contract: TableContract) -> Iterator[Finding]:
    for column in reader.missing:
        nearly = reader.nearly(column)
        message = (
            f"the column is required; {nearly!r} is not it, letter by letter" if nearly else "the column is required"
        )
        yield Finding("missing_column", message, reader.file, column=column)
    if contract == contracts("source")[MEMBERS] and reader.nearly(SOURCE_SYSTEM):
        message = "only a downstream system's members have it: is the system's role in the configuration?"
        yield Finding("wrong_role", message, reader.file, column=SOURCE_SYSTEM)


def _sha256(path: Path) -> str:
    with open_plain(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _scan(connection: duckdb.DuckDBPyConnection, reader: Reader, promised: int) -> Iterator[Finding]:
    """Every check of a file in one scan; where one is met, a second scan says in which rows."""
    counted = ", ".join(["COUNT(*)", *(f"COUNT_IF({check.condition})" for check in reader.checks)])
    (rows, *met) = connection.execute(f"SELECT {counted} FROM {reader.source}").fetchall()[0]  # noqa: S608
    if rows != promised:
        yield Finding("wrong_row_count", f"has {rows:,} rows, the manifest says {promised:,}", reader.file)
    for check, count in zip(reader.checks, met, strict=True):
        if count:
            yield from _rows_of(connection, reader, check, count)


def _rows_of(connection: duckdb.DuckDBPyConnection, reader: Reader, check: Check, count: int) -> Iterator[Finding]:
    sql = f"SELECT file_row FROM {reader.source} WHERE {check.condition} ORDER BY file_row LIMIT {LISTED}"  # noqa: S608
    rows = [row for (row,) in connection.execute(sql).fetchall()]
    for row, stands_for in zip(rows, _counts(len(rows), count), strict=True):
        yield Finding(check.kind, check.message, reader.file, row, check.column, stands_for)


def _repeated_keys(
    connection: duckdb.DuckDBPyConnection, readers: Sequence[Reader], contract: TableContract
) -> list[Finding]:
    key = contract.delta_key
    names = ", ".join(key)
    rows = " UNION ALL ".join(reader.select(key) for reader in readers)
    repeated = f"SELECT {names}, COUNT(*) AS row_count FROM ({rows}) GROUP BY {names} HAVING COUNT(*) > 1"  # noqa: S608
    counted = f"SELECT COUNT(*), SUM(row_count) FROM ({repeated})"  # noqa: S608
    keys, count = connection.execute(counted).fetchall()[0]
    if not keys:
        return []
    placed = " UNION ALL ".join(
        f"SELECT {', '.join(f'{r.values[c]} AS {c}' for c in key)}, {i} AS file, file_row FROM {r.source}"  # noqa: S608
        for i, r in enumerate(readers)
    )
    found = connection.execute(
        f"SELECT file, file_row FROM ({placed}) SEMI JOIN ({repeated}) USING ({names}) "  # noqa: S608
        f"ORDER BY file, file_row LIMIT {LISTED}"
    ).fetchall()
    message = f"the key ({names}) is repeated ({keys:,} keys in all)"
    return [
        Finding("repeated_key", message, readers[file].file, row, ", ".join(key), stands_for)
        for (file, row), stands_for in zip(found, _counts(len(found), int(count)), strict=True)
    ]


def _counts(listed: int, count: int) -> list[int]:
    """How many rows each finding that is listed stands for: the last one for all that are not."""
    return [1] * (listed - 1) + [count - listed + 1]
