"""What every engine of the mart can do, and the declared ways to store a result.

Domain logic knows this interface and no engine. All SQL that it passes is T-SQL with `@named` parameters,
which are always bound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

import pyarrow as pa

from memsync_assets.mart.dialects import Dialect
from memsync_assets.mart.queries import Query
from memsync_assets.settings import MemsyncError

Parameters = Mapping[str, object]
Result = TypeVar("Result")


class MartBusyError(MemsyncError):
    """Another memsync writes to the mart: there is one writer at a time."""

    exit_code = 1


class MartInterruptedError(MemsyncError):
    """The server went away, or gave this transaction up for another's sake. Nothing of it was stored."""

    exit_code = 1


class CommitUnknownError(MemsyncError):
    """The server went away while a transaction was committed: it is stored whole or not at all, which is unknown."""


class MartRefusedError(MemsyncError):
    """The server refused a statement or the connection. The text quotes no value of a row."""


class KeyViolationError(Exception):
    """A query's result repeats the key that its header promises: a defect of the query; nothing is stored."""


@dataclass(frozen=True)
class Replace:
    """The result becomes the whole table."""


@dataclass(frozen=True)
class ReplacePartition:
    """The result becomes the rows of the table that hold the bound values of `columns`.

    Each of the columns has a parameter of its own name.
    """

    columns: tuple[str, ...]


@dataclass(frozen=True)
class Upsert:
    """The result's rows are updated where their key is in the table, and inserted where it is not."""

    key: tuple[str, ...]


@dataclass(frozen=True)
class Append:
    """The result's rows are added."""


Storage = Replace | ReplacePartition | Upsert | Append


class Mart(Protocol):
    """An open data mart, the only writer for as long as it is open."""

    @property
    def dialect(self) -> Dialect:
        """The dialect that the engine runs."""

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing: commits at the end of the block, rolls back when it raises.

        A block inside a block is part of the outer one, so that several `store` can change together.
        """

    def whole(self, unit: Callable[[], Result]) -> Result:
        """Run a unit in a transaction; again as a whole, where a server gave it up or went away before its commit.

        The unit must be one that can be run again. Inside a transaction it is part of that one, and is run once.
        """

    def execute(self, sql: str, parameters: Parameters | None = None) -> None:
        """Run T-SQL statements that return nothing. Parameters that the text does not use are left out."""

    def fetch(self, sql: str, parameters: Parameters | None = None) -> pa.Table:
        """The whole result of one T-SQL SELECT. Whole numbers are int64 or shorter, sums of them too."""

    def append(self, table: str, rows: pa.Table | pa.RecordBatchReader) -> int:
        """Add Arrow rows by column name; columns that are missing become null. Returns how many."""

    def store(self, query: Query, storage: Storage, parameters: Parameters | None = None) -> int:
        """Run a query and store its result in its table, as declared. Returns how many rows it gave.

        Raises:
            KeyViolationError: the result repeats its key.
        """

    def columns(self, table: str) -> dict[str, str]:
        """The columns of a table and their types, in order; empty when there is no such table."""

    def close(self) -> None:
        """Let the next writer in."""
