"""The embedded mart: one DuckDB file in the home. Larger than memory; one process at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from copy import copy
from pathlib import Path

import duckdb
import pyarrow as pa

from memsync_assets.mart.dialects import Dialect, parameter_names, translate
from memsync_assets.mart.engine import (
    Append,
    KeyViolationError,
    MartBusyError,
    MartRefusedError,
    Parameters,
    Replace,
    ReplacePartition,
    Result,
    Storage,
    Upsert,
)
from memsync_assets.mart.queries import Query
from memsync_assets.quiet_duckdb import connect, quiet

_RESULT = "memsync_result"


#: Errors whose texts quote values of rows.
_QUOTING = (
    duckdb.ConversionException,
    duckdb.ConstraintException,
    duckdb.InvalidInputException,
    duckdb.OutOfRangeException,
)


@contextmanager
def _without_values() -> Iterator[None]:
    """Withholds the text of errors that quote values: members' data must not reach logs and events."""
    try:
        yield
    except _QUOTING as error:
        raise MartRefusedError(
            f"the mart refused a statement ({type(error).__name__}). Its text may quote members' data and is withheld."
        ) from None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _list(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(_quoted(name) for name in names)


def _with_whole_sums(rows: pa.Table) -> pa.Table:
    """A sum of whole numbers is a HUGEINT, and a decimal to Arrow: a whole number, as in every other engine."""
    types = {field.name: field.type for field in rows.schema}
    whole = [name for name, kind in types.items() if pa.types.is_decimal(kind) and kind.scale == 0]
    return rows.cast(pa.schema(types | dict.fromkeys(whole, pa.int64()))) if whole else rows


class DuckDBMart:
    """See `engine.Mart`, whose interface this is."""

    dialect: Dialect = "duckdb"

    def __init__(self, path: Path | None = None, memory_limit: str = "2GB") -> None:
        """Open or create the file; None keeps the mart in memory.

        Raises:
            MartBusyError: another process has the file open.
        """
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._in_transaction = False
        # Rows are ordered where order matters (ORDER BY); promising it everywhere costs memory.
        try:
            self.connection = connect(
                str(path) if path else ":memory:",
                memory_limit=memory_limit,
                preserve_insertion_order="false",
                # Else every few thousand rows wait for the file to be brought up to date.
                checkpoint_threshold="256MB",
            )
        except duckdb.IOException as error:
            if "lock" not in str(error).lower():
                raise
            raise MartBusyError(
                f"{path}: another memsync process is writing to this mart. Wait for it to end, or stop it."
            ) from error

    def beside(self) -> DuckDBMart:
        """The same mart by a connection of its own, for another thread: its transactions and temporary tables, too."""
        beside = copy(self)
        beside.connection = quiet(self.connection.cursor())
        beside._in_transaction = False
        return beside

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See `engine.Mart.transaction`."""
        if self._in_transaction:
            yield
            return
        self.connection.execute("BEGIN")
        self._in_transaction = True
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        else:
            self.connection.execute("COMMIT")
        finally:
            self._in_transaction = False

    def whole(self, unit: Callable[[], Result]) -> Result:
        """See `engine.Mart.whole`. There is no server that could give it up."""
        with self.transaction():
            return unit()

    def execute(self, sql: str, parameters: Parameters | None = None) -> None:
        """See `engine.Mart.execute`."""
        with _without_values():
            for statement in translate(sql, "duckdb"):
                self.connection.execute(statement, self._bound(sql, parameters))

    def fetch(self, sql: str, parameters: Parameters | None = None) -> pa.Table:
        """See `engine.Mart.fetch`."""
        (statement,) = translate(sql, "duckdb")
        with _without_values():
            rows = self.connection.sql(statement, params=self._bound(sql, parameters)).to_arrow_table()
        return _with_whole_sums(rows)

    def append(self, table: str, rows: pa.Table | pa.RecordBatchReader) -> int:
        """See `engine.Mart.append`."""
        names = _list(rows.schema.names)
        self.connection.register("memsync_rows", rows)
        try:
            with _without_values():
                counted = self.connection.execute(
                    f"INSERT INTO {_quoted(table)} ({names}) SELECT {names} FROM memsync_rows"  # noqa: S608
                ).fetchall()
        finally:
            # An aborted transaction refuses this, and must not hide why; the next append takes the name over.
            with suppress(duckdb.TransactionException):
                self.connection.unregister("memsync_rows")
        return int(counted[0][0])

    def store(self, query: Query, storage: Storage, parameters: Parameters | None = None) -> int:
        """See `engine.Mart.store`."""
        bound = self._bound(query.text, parameters)
        (select,) = translate(query.text, "duckdb")
        run = self.connection.execute
        with _without_values():
            run(f"CREATE OR REPLACE TEMP TABLE {_RESULT} AS {select}", bound)
        self._check_key(query)
        with self.transaction():
            self._make_room(query.table, storage, parameters or {})
            with _without_values():
                stored = run(f"INSERT INTO {_quoted(query.table)} BY NAME FROM {_RESULT}").fetchall()
        # After a failure it stays: a transaction around this takes it back, or the next store replaces it.
        run(f"DROP TABLE {_RESULT}")
        return int(stored[0][0])

    def columns(self, table: str) -> dict[str, str]:
        """See `engine.Mart.columns`."""
        rows = self.connection.execute(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ? ORDER BY column_index",
            [table],
        ).fetchall()
        return dict(rows)

    def work_in_memory(self, tables: Iterable[str]) -> None:
        """Hide tables behind temporary ones of their columns: what goes there is never written to the mart's file."""
        for table in tables:
            name = _quoted(table)
            self.connection.execute(f"CREATE TEMP TABLE IF NOT EXISTS {name} AS FROM {name} LIMIT 0")

    def close(self) -> None:
        """See `engine.Mart.close`."""
        self.connection.close()

    def _make_room(self, table: str, storage: Storage, parameters: Parameters) -> None:
        target = _quoted(table)
        match storage:
            case Replace():
                self.connection.execute(f"DELETE FROM {target}")  # noqa: S608
            case ReplacePartition(columns):
                where = " AND ".join(f"{_quoted(c)} = ${c}" for c in columns)
                self.connection.execute(
                    f"DELETE FROM {target} WHERE {where}",  # noqa: S608
                    {c: parameters[c] for c in columns},
                )
            case Upsert(key):
                same = " AND ".join(f"{target}.{_quoted(c)} = r.{_quoted(c)}" for c in key)
                self.connection.execute(f"DELETE FROM {target} USING {_RESULT} AS r WHERE {same}")  # noqa: S608
            case Append():
                pass

    def _check_key(self, query: Query) -> None:
        if not query.key:
            return
        key = _list(query.key)
        repeated = self.connection.execute(
            f"SELECT COUNT(*) FROM (SELECT 1 FROM {_RESULT} GROUP BY {key} HAVING COUNT(*) > 1)"  # noqa: S608
        ).fetchall()[0][0]
        if repeated:
            raise KeyViolationError(f"sql/{query.name}.sql: {repeated} keys ({', '.join(query.key)}) are repeated")

    @staticmethod
    def _bound(sql: str, parameters: Parameters | None) -> dict[str, object]:
        used = parameter_names(sql)
        return {name: value for name, value in (parameters or {}).items() if name in used}
