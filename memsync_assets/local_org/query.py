"""Running SOQL: records in Salesforce's JSON, pages of a size, and cursors that keep a result stable.

The tree is made in `soql`, its SQL in `soql_sql`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from memsync_assets.local_org import soql, soql_sql
from memsync_assets.local_org.errors import OrgError
from memsync_assets.local_org.schema import ObjectDescribe, OrgSchema
from memsync_assets.local_org.soql_sql import Child, Statement
from memsync_assets.local_org.store import Store
from memsync_assets.local_org.values import to_json

_OPEN_CURSORS = 10
_CURSOR_IDS = "01g0r"
Record = dict[str, Any]


@dataclass(frozen=True)
class Page:
    """A part of a result. `locator` names the next one; None at the end."""

    total: int
    records: list[Record]
    locator: str | None = None


@dataclass(frozen=True)
class _Cursor:
    table: str
    total: int
    statement: Statement
    text: str
    deleted: bool
    size: int


class Queries:
    """All reading of one org."""

    def __init__(self, store: Store, schema: OrgSchema) -> None:
        self.store = store
        self.schema = schema
        self._cursors: dict[str, _Cursor] = {}
        self._numbers = itertools.count(1)

    def statement(self, text: str, *, deleted: bool) -> Statement:
        """The SQL of a query; `deleted` takes the recycle bin in. Raises OrgError."""
        return soql_sql.translate(self.schema, soql.parse(text), text, deleted=deleted, now=datetime.now(UTC))

    def child_statements(self, statement: Statement, text: str) -> dict[str, Statement]:
        """The SQL of a query's child subqueries, for no parent yet, by the names of the relationships."""
        now = datetime.now(UTC)
        return {
            child.name: soql_sql.child_statement(self.schema, child, text, deleted=False, now=now, parents=())
            for child in statement.children
        }

    def run(self, text: str, base: str, *, deleted: bool = False, size: int = 2000) -> Page:
        """The first page of a query. `base` is where the addresses of records begin. Raises OrgError."""
        statement = self.statement(text, deleted=deleted)
        return self._start(statement, text, base, deleted, size)

    def fetch(
        self, sobject: ObjectDescribe, record_ids: Sequence[str], names: Sequence[str], base: str
    ) -> list[Record | None]:
        """Live records by id in the order asked for, None where there is none."""
        paths = [soql.Path(tuple(name.split("."))) for name in names]
        query = soql.Query(
            select=tuple(soql.Selected(path) for path in paths),
            source=sobject.name,
            where=soql.Membership(soql.Path(("Id",)), "in", tuple(record_ids)),
        )
        statement = soql_sql.translate(self.schema, query, "", deleted=False, now=datetime.now(UTC))
        shape = _shaper(statement, base)
        with self.store.lock:
            rows = self.store.connection.execute(statement.sql, statement.parameters).fetchall()
        found = {row[0]: shape(row) for row in rows}
        return [found.get(record_id) for record_id in record_ids]

    def _start(self, statement: Statement, text: str, base: str, deleted: bool, size: int) -> Page:
        with self.store.lock:
            if statement.count_only:
                (count,) = self.store.connection.execute(statement.sql, statement.parameters).fetchone()
                return Page(count, [])
            rows = self.store.connection.execute(statement.sql, statement.parameters)
            first = rows.fetchmany(size + 1)
            if len(first) <= size:
                return Page(len(first), self._records(statement, first, text, base, deleted))
            rows.close()
            return self._page(self._open(statement, text, deleted, size), 0, base)

    def more(self, locator: str, base: str) -> Page:
        """The page that a locator names. Raises OrgError INVALID_QUERY_LOCATOR where there is none."""
        name, _, offset = locator.rpartition("-")
        with self.store.lock:
            if name not in self._cursors or not offset.isdigit():
                raise OrgError("INVALID_QUERY_LOCATOR", "invalid query locator")
            return self._page(name, int(offset), base)

    def _open(self, statement: Statement, text: str, deleted: bool, size: int) -> str:
        number = next(self._numbers)
        name, table = f"{_CURSOR_IDS}{number:010d}", f"cursor_{number}"
        columns = ", ".join(f"c{at}" for at in range(len(statement.nodes) + len(statement.columns)))
        created = self.store.connection.execute(
            f"CREATE TEMP TABLE {table} AS WITH found({columns}) AS ({statement.sql}) SELECT * FROM found",  # noqa: S608
            statement.parameters,
        )
        created.close()
        (total,) = self.store.connection.execute(f"SELECT count(*) FROM temp.{table}").fetchone()  # noqa: S608
        self._cursors[name] = _Cursor(table, total, statement, text, deleted, size)
        while len(self._cursors) > _OPEN_CURSORS:
            oldest = self._cursors.pop(next(iter(self._cursors)))
            self.store.connection.execute(f"DROP TABLE temp.{oldest.table}")
        return name

    def _page(self, name: str, offset: int, base: str) -> Page:
        cursor = self._cursors[name]
        rows = self.store.connection.execute(
            f"SELECT * FROM temp.{cursor.table} WHERE rowid > ? ORDER BY rowid LIMIT ?",  # noqa: S608
            [offset, cursor.size],
        ).fetchall()
        end = offset + len(rows)
        records = self._records(cursor.statement, rows, cursor.text, base, cursor.deleted)
        return Page(cursor.total, records, f"{name}-{end}" if end < cursor.total else None)

    def _records(
        self, statement: Statement, rows: list[tuple[Any, ...]], text: str, base: str, deleted: bool
    ) -> list[Record]:
        shape = _shaper(statement, base)
        records = [shape(row) for row in rows]
        for child in statement.children if rows else ():
            found = self._children(child, [row[0] for row in rows], text, base, deleted)
            for row, record in zip(rows, records, strict=True):
                mine = found.get(row[0])
                record[child.name] = {"totalSize": len(mine), "done": True, "records": mine} if mine else None
        return records

    def _children(
        self, child: Child, parents: list[str], text: str, base: str, deleted: bool
    ) -> dict[str, list[Record]]:
        found: dict[str, list[Record]] = {}
        for at in range(0, len(parents), 500):
            statement = soql_sql.child_statement(
                self.schema,
                child,
                text,
                deleted=deleted,
                now=datetime.now(UTC),
                parents=parents[at : at + 500],
            )
            shape = _shaper(statement, base)
            for row in self.store.connection.execute(statement.sql, statement.parameters):
                found.setdefault(row[-1], []).append(shape(row))
        first, limit = child.query.offset, child.query.limit
        last = None if limit is None else first + limit
        return {parent: records[first:last] for parent, records in found.items()}


def _shaper(statement: Statement, base: str) -> Callable[[tuple[Any, ...]], Record]:
    """A function that makes a record of a row."""
    if statement.aggregate:
        names = [column.path[0] for column in statement.columns]
        converts = [to_json(column.field) if column.field else None for column in statement.columns]

        def aggregate(row: tuple[Any, ...]) -> Record:
            record: Record = {"attributes": {"type": "AggregateResult"}}
            record |= {n: c(v) if c else v for n, c, v in zip(names, converts, row, strict=True)}
            return record

        return aggregate
    nodes = [(path, {"type": sobject.name}, f"{base}/sobjects/{sobject.name}/") for path, sobject in statement.nodes]
    width = len(nodes)
    places = [
        (at, column.path[:-1], column.path[-1], to_json(column.field) if column.field else None)
        for at, column in enumerate(statement.columns, width)
    ]
    known = {path for path, _, _ in nodes}

    def shape(row: tuple[Any, ...]) -> Record:
        made: dict[tuple[str, ...], Record] = {}
        for at, (path, kind, address) in enumerate(nodes):
            if row[at] is not None:
                made[path] = {"attributes": {**kind, "url": address + row[at]}}
        root = made[()]
        for at, path, name, convert in places:
            holder = made.get(path)
            if holder is None and path not in known and path[:-1] in made:
                holder = made[path] = {}
            if holder is not None:
                holder[name] = convert(row[at]) if convert else row[at]
            _attach(made, root, path)
        return root

    return shape


def _attach(made: dict[tuple[str, ...], Record], root: Record, path: Iterable[str]) -> None:
    """Hang a related record below its parent, or null where there is none."""
    holder = root
    so_far: tuple[str, ...] = ()
    for name in path:
        so_far = (*so_far, name)
        if name not in holder:
            holder[name] = made.get(so_far)
        if holder[name] is None:
            return
        holder = holder[name]
