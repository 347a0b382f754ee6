"""A mart on a database server, reached through pyodbc. What is peculiar to one server is in a `Server`.

A statement, `store` or `append` that is not part of a larger transaction is a transaction of its own, and, like a unit
that is given to `whole`, is run again when the server gave it up or went away before its commit. Not run again: the
block of a caller's `transaction()`, which cannot be repeated from here; rows that come as a stream, which is used up;
a commit whose end is unknown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

import pyarrow as pa
import pyodbc
import tenacity

from memsync_assets.mart import storing
from memsync_assets.mart.dialects import Dialect, kind_of, parameter_names, positional, result_columns
from memsync_assets.mart.engine import (
    CommitUnknownError,
    KeyViolationError,
    MartBusyError,
    MartInterruptedError,
    Parameters,
    Result,
    Storage,
)
from memsync_assets.mart.odbc_rows import batches_of, bound, schema_of
from memsync_assets.mart.queries import Query
from memsync_assets.mart.server_errors import readable

#: Seconds: a server that restarts, or another that takes over, is back in that time.
_PATIENCE = 60
#: So many new rows change how a table is best read.
_MANY_ROWS = 10_000


class Server(Protocol):
    """What is peculiar to one database server."""

    @property
    def dialect(self) -> Dialect:
        """What it understands."""

    @property
    def columns_sql(self) -> str:
        """The name and type of each column of the table `?` in the user's schema, in order."""

    def prepare(self, connection: pyodbc.Connection) -> None:
        """Set a new connection up, as every engine of the mart behaves."""

    def take_lock(self, cursor: pyodbc.Cursor) -> bool:
        """Become the one writer, for as long as the connection lives; False: another is."""

    def release_lock(self, cursor: pyodbc.Cursor) -> None:
        """Let the next writer in."""

    def working_table(self, table: str, columns: tuple[str, ...]) -> str:
        """The T-SQL or own SQL that makes the empty working table with these columns of a table."""

    def insert(self, cursor: pyodbc.Cursor, table: str, types: Mapping[str, str], rows: pa.Table) -> None:
        """Insert rows in bulk; `types` are those of the table's columns."""

    def after_growth(self, cursor: pyodbc.Cursor, table: str) -> None:
        """What the server's planner needs once a table has many new rows."""


class ServerMart:
    """See `engine.Mart`, whose interface this is."""

    def __init__(self, server: Server, connection_string: str) -> None:
        """Connect, and become the one writer.

        Raises:
            MartBusyError: another memsync writes to this mart.
            MartRefusedError, MartInterruptedError: the server cannot be used, or not be reached.
        """
        self._server = server
        self._connection_string = connection_string
        self._in_transaction = False
        self._failed = False
        self._connection: pyodbc.Connection | None = self._connect()

    @property
    def dialect(self) -> Dialect:
        """See `engine.Mart.dialect`."""
        return self._server.dialect

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See `engine.Mart.transaction`."""
        if self._in_transaction:
            yield
            return
        connection = self._open()
        with self._guarded():
            connection.autocommit = False
        self._in_transaction = True
        try:
            yield
            self._refuse_after_failure()
        except BaseException:
            self._roll_back(connection)
            raise
        else:
            self._commit(connection)
        finally:
            self._in_transaction = self._failed = False

    def whole(self, unit: Callable[[], Result]) -> Result:
        """See `engine.Mart.whole`."""
        if self._in_transaction:
            return unit()
        tries = tenacity.Retrying(
            # Busy, since the server may not know yet that our former connection is gone, and with it the lock.
            retry=tenacity.retry_if_exception_type((MartInterruptedError, MartBusyError)),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=5),
            stop=_after_patience(),
            reraise=True,
        )
        for attempt in tries:
            with attempt, self.transaction():
                return unit()
        raise AssertionError("tenacity ends in a result or an error")

    def execute(self, sql: str, parameters: Parameters | None = None) -> None:
        """See `engine.Mart.execute`."""
        self.whole(lambda: self._run(sql, parameters))

    def fetch(self, sql: str, parameters: Parameters | None = None) -> pa.Table:
        """See `engine.Mart.fetch`."""

        def read() -> pa.Table:
            with self._guarded():
                cursor = self._run(sql, parameters)
                schema = schema_of(cursor)
                return pa.Table.from_batches(list(batches_of(cursor, schema)), schema)

        return self.whole(read)

    def append(self, table: str, rows: pa.Table | pa.RecordBatchReader) -> int:
        """See `engine.Mart.append`."""
        if isinstance(rows, pa.Table):
            return self.whole(lambda: self._append(table, rows.to_reader()))
        with self.transaction():
            return self._append(table, rows)

    def store(self, query: Query, storage: Storage, parameters: Parameters | None = None) -> int:
        """See `engine.Mart.store`."""
        return self.whole(lambda: self._store(query, storage, parameters or {}))

    def columns(self, table: str) -> dict[str, str]:
        """See `engine.Mart.columns`."""

        def read() -> dict[str, str]:
            with self._guarded():
                return dict(self._cursor().execute(self._server.columns_sql, table).fetchall())

        return self.whole(read)

    def close(self) -> None:
        """See `engine.Mart.close`."""
        if self._connection is None:
            return
        try:
            self._server.release_lock(self._connection.cursor())
            self._connection.close()
        except pyodbc.Error:
            pass  # The server is gone, and the lock with it.
        finally:
            self._connection = None

    def _connect(self) -> pyodbc.Connection:
        # A pooled connection would keep the lock after it is closed.
        pyodbc.pooling = False
        with self._guarded():
            connection = pyodbc.connect(self._connection_string, autocommit=True)
            self._server.prepare(connection)
            if self._server.take_lock(connection.cursor()):
                return connection
        connection.close()
        raise MartBusyError("another memsync process is writing to this mart. Wait for it to end, or stop it.")

    def _open(self) -> pyodbc.Connection:
        self._refuse_after_failure()
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _refuse_after_failure(self) -> None:
        """A driver may let a transaction go on that the server has ended, and say that it is committed."""
        if self._failed:
            raise MartInterruptedError("a statement of this transaction failed: nothing of it is stored. Run again.")

    def _cursor(self) -> pyodbc.Cursor:
        return self._open().cursor()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """A driver's error as one of ours; a connection that broke is forgotten."""
        try:
            yield
        except pyodbc.Error as error:
            known = readable(error)
            self._failed = self._in_transaction
            if known.connection_lost:
                self._connection = None
            raise known.error from None

    def _commit(self, connection: pyodbc.Connection) -> None:
        try:
            connection.commit()
            connection.autocommit = True
        except pyodbc.Error as error:
            known = readable(error)
            if not known.connection_lost:
                self._roll_back(connection)
                raise known.error from None
            self._connection = None
            raise CommitUnknownError(
                "the mart's server went away while a transaction was committed. It is stored whole or not at all:"
                " run again, which does no harm in either case."
            ) from None

    def _roll_back(self, connection: pyodbc.Connection) -> None:
        try:
            connection.rollback()
            connection.autocommit = True
        except pyodbc.Error:
            self._connection = None  # The server rolls back what a lost connection began.

    def _run(self, sql: str, parameters: Parameters | None = None) -> pyodbc.Cursor:
        """Run T-SQL; the cursor stands at the last statement's result."""
        values = parameters or {}
        kinds = tuple((name, kind_of(values[name])) for name in sorted(parameter_names(sql)))
        cursor = self._cursor()
        with self._guarded():
            for statement in positional(sql, kinds, self.dialect):
                cursor.execute(statement.text, [bound(values[name]) for name in statement.parameters])
        return cursor

    def _append(self, table: str, rows: pa.RecordBatchReader) -> int:
        types = self.columns(table)
        cursor = self._cursor()
        count = 0
        for batch in rows:
            with self._guarded():
                self._server.insert(cursor, table, types, pa.Table.from_batches([batch]))
            count += batch.num_rows
        if count >= _MANY_ROWS:
            with self._guarded():
                self._server.after_growth(cursor, table)
        return count

    def _store(self, query: Query, storage: Storage, parameters: Parameters) -> int:
        with self._guarded():
            self._cursor().execute(self._server.working_table(query.table, result_columns(query.text)))
        self._run(storing.collect(query), parameters)
        count = self._count(storing.WORKING_TABLE)
        self._check_key(query)
        if room := storing.make_room(query.table, storage):
            self._run(room, parameters)
        self._run(storing.put(query))
        self._run(storing.drop())
        with self._guarded():
            self._server.after_growth(self._cursor(), query.table)
        return count

    def _check_key(self, query: Query) -> None:
        if query.key and (repeated := self._count(f"({storing.repeated_keys(query)}) AS r")):
            key = ", ".join(query.key)
            raise KeyViolationError(f"sql/{query.name}.sql: {repeated} keys ({key}) are repeated")

    def _count(self, source: str) -> int:
        with self._guarded():
            return int(self._run(f"SELECT COUNT(*) AS n FROM {source}").fetchall()[0][0])  # noqa: S608


def _after_patience() -> Callable[[tenacity.RetryCallState], bool]:
    """Stop when the first failure is as long ago as we are patient; how long the unit itself ran does not count."""
    failures: list[float] = []

    def stop(state: tenacity.RetryCallState) -> bool:
        failures.append(time.monotonic())
        return failures[-1] - failures[0] >= _PATIENCE

    return stop
