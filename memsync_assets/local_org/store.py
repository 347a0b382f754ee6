"""The org's records in SQLite: one table an object, one connection, one transaction at a time.

What may be written is decided in `records`; here rows are found, written and made durable.
Every commit is in the write-ahead log before the call returns, so killing the process loses nothing
committed.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from memsync_assets.local_org import ids
from memsync_assets.local_org.schema import FieldDescribe, ObjectDescribe, OrgSchema

_AFFINITY = {"boolean": "INTEGER", "int": "INTEGER", "double": "REAL", "currency": "REAL", "percent": "REAL"}
_EXACT = frozenset({"id", "reference", "date", "datetime"})
_CHUNK = 500
_PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL", "cache_size=-65536")
Row = dict[str, Any]


#: Milliseconds: one whose starter was killed is about to let go of its file.
_PATIENCE = 3_000


class Store:
    """An open database file, this process's alone. `transaction()` serializes all use of it."""

    def __init__(self, path: Path | str, schema: OrgSchema) -> None:
        """Open or create the file. Raises sqlite3.OperationalError where another process has it open."""
        self.schema = schema
        self.lock = threading.RLock()
        self.connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        for pragma in (f"busy_timeout={_PATIENCE}", "locking_mode=EXCLUSIVE", *_PRAGMAS):
            self.connection.execute(f"PRAGMA {pragma}")
        self._depth = 0
        self._next: dict[str, int] = {}
        self._unsaved: set[str] = set()
        with self.transaction():
            self._migrate()

    def close(self) -> None:
        """Close the file; what was committed is kept."""
        with self.lock:
            self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; inside another transaction, a savepoint."""
        with self.lock:
            name = f"level_{self._depth}"
            self.connection.execute("BEGIN IMMEDIATE" if self._depth == 0 else f"SAVEPOINT {name}")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                self.connection.execute("ROLLBACK" if self._depth == 0 else f"ROLLBACK TO {name}")
                if self._depth:
                    self.connection.execute(f"RELEASE {name}")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._save_sequences()
                self.connection.execute("COMMIT")
            else:
                self.connection.execute(f"RELEASE {name}")

    def new_id(self, sobject: ObjectDescribe) -> str:
        """The next free record id of an object."""
        return ids.make(sobject.keyPrefix, self.number(sobject.keyPrefix))

    def number(self, prefix: str) -> int:
        """The next free number of a key prefix; kept with the transaction it is taken in."""
        if prefix not in self._next:
            row = self.connection.execute("SELECT next FROM _sequence WHERE prefix = ?", [prefix]).fetchone()
            self._next[prefix] = row[0] if row else 1
        self._unsaved.add(prefix)
        self._next[prefix] += 1
        return self._next[prefix] - 1

    def by_ids(self, sobject: ObjectDescribe, wanted: Iterable[str]) -> dict[str, Row]:
        """Records by id, deleted ones too."""
        return {row["Id"]: row for row in self.find(sobject, sobject.by_name["id"], wanted, deleted=True)}

    def find(
        self, sobject: ObjectDescribe, field: FieldDescribe, values: Iterable[Any], *, deleted: bool = False
    ) -> list[Row]:
        """Records whose field has one of the values, whole."""
        names = [column.name for column in sobject.columns]
        columns = ", ".join(quoted(name) for name in names)
        return [dict(zip(names, row, strict=True)) for row in self._select(columns, sobject, field, values, deleted)]

    def find_pairs(self, sobject: ObjectDescribe, field: FieldDescribe, values: Iterable[Any]) -> list[tuple[str, Any]]:
        """Ids and values of live records whose field has one of the values."""
        return self._select(f'"Id", {quoted(field.name)}', sobject, field, values, deleted=False)

    def insert(self, sobject: ObjectDescribe, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows that are already valid; a field a row leaves out is null."""
        for names, group in _by_fields(rows):
            self.connection.executemany(
                f"INSERT INTO {quoted(sobject.name)} ({', '.join(map(quoted, names))}) "  # noqa: S608
                f"VALUES ({', '.join('?' * len(names))})",
                ([row[name] for name in names] for row in group),
            )

    def update(self, sobject: ObjectDescribe, rows: Sequence[Mapping[str, Any]]) -> None:
        """Change rows by their Id; a field a row leaves out stays."""
        for names, group in _by_fields(rows):
            columns = [name for name in names if name != "Id"]
            self.connection.executemany(
                f"UPDATE {quoted(sobject.name)} "  # noqa: S608
                f'SET {", ".join(f"{quoted(name)} = ?" for name in columns)} WHERE "Id" = ?',
                ([*(row[name] for name in columns), row["Id"]] for row in group),
            )

    def purge(self, sobject: ObjectDescribe, gone: Iterable[str]) -> None:
        """Remove rows for good."""
        self.connection.executemany(
            f'DELETE FROM {quoted(sobject.name)} WHERE "Id" = ?',  # noqa: S608
            ([one] for one in gone),
        )

    def _select(
        self, columns: str, sobject: ObjectDescribe, field: FieldDescribe, values: Iterable[Any], deleted: bool
    ) -> list[tuple[Any, ...]]:
        wanted = [value for value in dict.fromkeys(values) if value is not None]
        live = "" if deleted else ' AND "IsDeleted" = 0'
        rows: list[tuple[Any, ...]] = []
        for at in range(0, len(wanted), _CHUNK):
            part = wanted[at : at + _CHUNK]
            rows += self.connection.execute(
                f"SELECT {columns} FROM {quoted(sobject.name)} "  # noqa: S608
                f"WHERE {quoted(field.name)} IN ({', '.join('?' * len(part))}){live}",
                part,
            )
        return rows

    def _save_sequences(self) -> None:
        self.connection.executemany(
            "INSERT INTO _sequence VALUES (?, ?) ON CONFLICT (prefix) DO UPDATE SET next = excluded.next",
            [(prefix, self._next[prefix]) for prefix in self._unsaved],
        )
        self._unsaved.clear()

    def _migrate(self) -> None:
        """Create what the schema names and the file lacks: a schema may grow between two starts."""
        self.connection.execute(
            "CREATE TABLE IF NOT EXISTS _sequence (prefix TEXT PRIMARY KEY, next INTEGER NOT NULL) WITHOUT ROWID"
        )
        for sobject in self.schema.sobjects:
            table = quoted(sobject.name)
            self.connection.execute(f'CREATE TABLE IF NOT EXISTS {table} ("Id" TEXT NOT NULL PRIMARY KEY)')
            present = {row[1] for row in self.connection.execute(f"PRAGMA table_xinfo({table})")}
            for field in sobject.columns:
                if field.name not in present:
                    self.connection.execute(f"ALTER TABLE {table} ADD COLUMN {_column(sobject, field)}")
                if field.unique or field.externalId or field.referenceTo or field.name == "SystemModstamp":
                    self.connection.execute(
                        f"CREATE INDEX IF NOT EXISTS {quoted(f'{sobject.name}.{field.name}')} "
                        f"ON {table} ({quoted(field.name)})"
                    )


def quoted(name: str) -> str:
    """A name from the schema as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _column(sobject: ObjectDescribe, field: FieldDescribe) -> str:
    affinity = _AFFINITY.get(field.type, "TEXT")
    collation = " COLLATE NOCASE" if affinity == "TEXT" and not (field.type in _EXACT or field.caseSensitive) else ""
    default = f" NOT NULL DEFAULT {int(bool(field.defaultValue))}" if field.type == "boolean" else ""
    computed = ""
    if field.nameField and not field.createable and "lastname" in sobject.by_name:
        computed = " AS (trim(coalesce(\"FirstName\", '') || ' ' || coalesce(\"LastName\", ''))) VIRTUAL"
    return f"{quoted(field.name)} {affinity}{collation}{default}{computed}"


def _by_fields(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[tuple[str, ...], list[Mapping[str, Any]]]]:
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row), []).append(row)
    yield from groups.items()
