"""A SOQL tree as bound SQL: the parts of a query put together, with what Salesforce refuses of them.

Names are settled in `soql_names`, conditions in `soql_conditions`; running the SQL and shaping records is in `query`.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from memsync_assets.local_org import soql
from memsync_assets.local_org.errors import OrgError
from memsync_assets.local_org.schema import FieldDescribe, ObjectDescribe, OrgSchema
from memsync_assets.local_org.soql_conditions import Conditions
from memsync_assets.local_org.soql_names import Scope, source
from memsync_assets.local_org.store import quoted

_FIELDS_LIMIT = 200
_MAX_OFFSET = 2_000
_NO_LIMIT = 2**31


@dataclass(frozen=True)
class Column:
    """One value of a result row: where it goes in the record, and what it is (None: an aggregate)."""

    path: tuple[str, ...]
    field: FieldDescribe | None
    sql: str


@dataclass(frozen=True)
class Child:
    """A child subquery: under which name its records go, and the field that points at the parent."""

    name: str
    reference: FieldDescribe
    sobject: ObjectDescribe
    query: soql.Query


@dataclass(frozen=True)
class Statement:
    """SQL with its parameters, and how to make records of its rows.

    Unless `aggregate`, the first `len(nodes)` columns are the ids of the record itself (path `()`) and of
    the records it is related to; the others follow in the order of `columns`.
    """

    sql: str
    parameters: list[Any]
    sobject: ObjectDescribe
    nodes: tuple[tuple[tuple[str, ...], ObjectDescribe], ...]
    columns: tuple[Column, ...]
    children: tuple[Child, ...] = ()
    aggregate: bool = False
    count_only: bool = False
    offset: int = 0


def translate(schema: OrgSchema, query: soql.Query, text: str, *, deleted: bool, now: datetime) -> Statement:
    """The SQL of a query. Raises OrgError as Salesforce would; `deleted` takes the recycle bin in."""
    return _Translation(schema, text, deleted, now).statement(query)


def child_statement(
    schema: OrgSchema, child: Child, text: str, *, deleted: bool, now: datetime, parents: Sequence[str]
) -> Statement:
    """The SQL of a child subquery for these parents; the last column is the parent's id."""
    return _Translation(schema, text, deleted, now).child_statement(child, parents)


@dataclass(frozen=True)
class _Parts:
    """One SELECT before it is decided what it puts out. `where_values` come before `tail_values`."""

    scope: Scope
    columns: list[Column]
    children: list[Child]
    where: list[str]
    where_values: list[Any]
    tail: str
    tail_values: list[Any]

    def select(self, outputs: Sequence[str]) -> str:
        """The SQL that gives these outputs."""
        tables = " ".join([f"{quoted(self.scope.sobject.name)} {self.scope.alias}", *self.scope.joined_sql])
        where = f" WHERE {' AND '.join(self.where)}" if self.where else ""
        return f"SELECT {', '.join(outputs)} FROM {tables}{where}{self.tail}"  # noqa: S608

    @property
    def nodes(self) -> list[tuple[tuple[str, ...], ObjectDescribe, str]]:
        """The record itself and the related records whose fields are shown: path, object, alias."""
        shown = {column.path[:depth] for column in self.columns for depth in range(1, len(column.path))}
        related = [(path, *join) for path, join in self.scope.joins.items() if path in shown]
        return [((), self.scope.sobject, self.scope.alias), *related]


class _Translation:
    """The queries of one text: the outer one and those within it."""

    def __init__(self, schema: OrgSchema, text: str, deleted: bool, now: datetime) -> None:
        self.schema = schema
        self.text = text
        self.deleted = deleted
        self.now = now
        self._aliases = (f"t{number}" for number in itertools.count(1))

    def statement(self, query: soql.Query) -> Statement:
        """The outermost query."""
        parts = self._parts(query, source(self.schema, self.text, query))
        aggregate, count_only = _is_aggregate(query), _is_bare_count(query)
        if aggregate and parts.children:
            raise OrgError("MALFORMED_QUERY", "aggregates and subqueries can not be selected together")
        for child in parts.children:
            self.child_statement(child, ())  # so that what is wrong in it is refused though there be no parent
        nodes = [] if aggregate else parts.nodes
        sql = parts.select([f'{alias}."Id"' for _, _, alias in nodes] + [column.sql for column in parts.columns])
        values = parts.where_values + parts.tail_values
        if (query.limit is not None or query.offset) and not count_only:
            sql += " LIMIT ? OFFSET ?"
            values += [-1 if query.limit is None else min(query.limit, _NO_LIMIT), query.offset]
        return Statement(
            sql,
            values,
            parts.scope.sobject,
            tuple((path, target) for path, target, _ in nodes),
            tuple(parts.columns),
            tuple(parts.children),
            aggregate,
            count_only,
            query.offset,
        )

    def child_statement(self, child: Child, parents: Sequence[str]) -> Statement:
        """A child subquery, without its limit, which holds for each parent."""
        parts = self._parts(child.query, child.sobject)
        if parts.children or _is_aggregate(child.query):
            raise OrgError("MALFORMED_QUERY", "A subquery selects fields only: no aggregates, no further subqueries")
        parent = f"{parts.scope.alias}.{quoted(child.reference.name)}"
        parts.where.append(f"{parent} IN ({', '.join('?' * len(parents))})")
        outputs = [f'{alias}."Id"' for _, _, alias in parts.nodes] + [column.sql for column in parts.columns]
        return Statement(
            parts.select([*outputs, parent]),
            [*parts.where_values, *parents, *parts.tail_values],
            child.sobject,
            tuple((path, target) for path, target, _ in parts.nodes),
            tuple(parts.columns),
        )

    def _semi_join(self, query: soql.Query) -> tuple[str, list[Any]]:
        """A query within a condition."""
        parts = self._parts(query, source(self.schema, self.text, query))
        kind = parts.columns[0].field if len(parts.columns) == 1 else None
        if parts.children or _is_aggregate(query) or kind is None or kind.type not in ("id", "reference"):
            raise OrgError("MALFORMED_QUERY", "A semi-join selects one Id or reference field")
        if query.limit is not None or query.order:
            raise OrgError("MALFORMED_QUERY", "A semi-join takes no ORDER BY and no LIMIT")
        return parts.select([parts.columns[0].sql]), parts.where_values + parts.tail_values

    def _parts(self, query: soql.Query, sobject: ObjectDescribe) -> _Parts:
        if query.offset > _MAX_OFFSET:
            raise OrgError("NUMBER_OUTSIDE_VALID_RANGE", f"Maximum SOQL offset allowed is {_MAX_OFFSET}")
        query = _expand_fields(query, sobject)
        scope = Scope(self.schema, self.text, query, sobject, self._aliases)
        columns, children = self._selection(scope)
        conditions = Conditions(scope, self.now, self._semi_join)
        where = [] if self.deleted else [f'{scope.alias}."IsDeleted" = 0']
        if query.where is not None:
            where.append(conditions.sql(query.where))
        having = Conditions(scope, self.now, self._semi_join, grouped=True)
        tail = _group(scope, having) + _order(scope, columns)
        return _Parts(scope, columns, children, where, conditions.parameters, tail, having.parameters)

    def _selection(self, scope: Scope) -> tuple[list[Column], list[Child]]:
        columns: list[Column] = []
        children: list[Child] = []
        unnamed = 0
        aggregate = _is_aggregate(scope.query)
        for item in scope.query.select:
            if isinstance(item, soql.Query):
                children.append(self._child(item, scope.sobject))
            elif isinstance(item.expression, soql.Call):
                sql, kind = scope.call(item.expression)
                columns.append(Column((item.alias or f"expr{unnamed}",), kind, sql))
                unnamed += not item.alias
            elif aggregate:
                columns.append(_grouped(scope, item.expression, item.alias))
            elif item.alias:
                raise scope.error("MALFORMED_QUERY", item.expression, "only aggregate expressions use field aliasing")
            else:
                columns += _plain(scope, item.expression)
        _refuse_repeated(columns)
        return columns, children

    def _child(self, query: soql.Query, parent: ObjectDescribe) -> Child:
        for relation in self.schema.children(parent.name):
            if (relation.relationshipName or "").lower() == query.source.lower():
                sobject = self.schema.sobject(relation.childSObject)
                return Child(str(relation.relationshipName), sobject.field(relation.field), sobject, query)
        message = (
            f"Didn't understand relationship '{query.source}' in FROM part of query call. If you are attempting to "
            "use a custom relationship, be sure to append the '__r' after the custom relationship name. Please "
            "reference your WSDL or the describe call for the appropriate names."
        )
        raise OrgError("INVALID_TYPE", soql.located(self.text, query.line, query.column, message))


def _grouped(scope: Scope, path: soql.Path, alias: str | None) -> Column:
    """A field beside aggregates: one of those that are grouped by."""
    sql, described = scope.field(path)
    if path not in scope.query.group:
        raise scope.error("MALFORMED_QUERY", path, f"Field must be grouped or aggregated: {described.name}")
    return Column((alias or described.name,), described, sql)


def _plain(scope: Scope, path: soql.Path) -> list[Column]:
    """A selected field; of a compound one, its parts."""
    target, alias, names = scope.walk(path)
    described = scope.named(target, path)
    if described.stored:
        return [Column((*names, described.name), described, f"{alias}.{quoted(described.name)}")]
    return [
        Column((*names, described.name, _part_name(described.name, part.name)), part, f"{alias}.{quoted(part.name)}")
        for part in target.fields
        if part.compoundFieldName == described.name and part.stored
    ]


def _refuse_repeated(columns: Sequence[Column]) -> None:
    for path, times in Counter(column.path for column in columns).items():
        if times > 1:
            raise OrgError("INVALID_FIELD", f"duplicate field selected: {path[-1]}")


def _expand_fields(query: soql.Query, sobject: ObjectDescribe) -> soql.Query:
    """Replace FIELDS(ALL | STANDARD | CUSTOM) by the fields it stands for."""
    select: list[soql.Selected | soql.Query] = []
    for item in query.select:
        if isinstance(item, soql.Query) or not _is_call(item.expression, "fields"):
            select.append(item)
            continue
        names = [str(getattr(argument, "parts", ("",))[0]).upper() for argument in item.expression.arguments]  # type: ignore[union-attr]
        if names not in (["ALL"], ["STANDARD"], ["CUSTOM"]):
            raise OrgError("MALFORMED_QUERY", "FIELDS() takes one of ALL, STANDARD and CUSTOM")
        if names != ["STANDARD"] and (query.limit is None or query.limit > _FIELDS_LIMIT):
            raise OrgError("MALFORMED_QUERY", f"The SOQL FIELDS function must have a LIMIT of at most {_FIELDS_LIMIT}")
        chosen = [f for f in sobject.fields if names == ["ALL"] or f.custom == (names == ["CUSTOM"])]
        select += [soql.Selected(soql.Path((f.name,))) for f in chosen]
    return replace(query, select=tuple(select))


def _group(scope: Scope, having: Conditions) -> str:
    query = scope.query
    if not query.group:
        return ""
    if _names_bare_count(query):
        raise OrgError("MALFORMED_QUERY", "COUNT() stands alone; with GROUP BY it takes a field")
    keys = []
    for key in query.group:
        sql, described = scope.expression(key)
        if isinstance(key, soql.Call) or described is None or not described.groupable:
            raise scope.error("MALFORMED_QUERY", key, "field can not be grouped in a query call")
        keys.append(sql)
    return f" GROUP BY {', '.join(keys)}" + (f" HAVING {having.sql(query.having)}" if query.having else "")


def _order(scope: Scope, columns: Sequence[Column]) -> str:
    by_alias = {column.path[0].lower(): column.sql for column in columns} if scope.query.group else {}
    items = []
    for item in scope.query.order:
        key = item.expression
        alias = key.parts[0].lower() if isinstance(key, soql.Path) and len(key.parts) == 1 else ""
        sql = by_alias.get(alias) or _sortable(scope, key)
        items.append(f"{sql} {'DESC' if item.descending else 'ASC'} NULLS {'LAST' if item.nulls_last else 'FIRST'}")
    return f" ORDER BY {', '.join(items)}" if items else ""


def _sortable(scope: Scope, key: soql.Expression) -> str:
    if isinstance(key, soql.Call) and not scope.query.group:
        raise scope.error("MALFORMED_QUERY", key, "an aggregate can not be sorted by without GROUP BY")
    sql, described = scope.expression(key)
    if described is not None and not described.sortable:
        raise scope.error("MALFORMED_QUERY", key, f"field '{described.name}' can not be sorted in a query call")
    return sql


def _is_call(expression: soql.Expression, name: str) -> bool:
    return isinstance(expression, soql.Call) and expression.name == name


def _is_aggregate(query: soql.Query) -> bool:
    return bool(query.group) or any(
        isinstance(one, soql.Selected) and isinstance(one.expression, soql.Call) and one.expression.name != "fields"
        for one in query.select
    )


def _names_bare_count(query: soql.Query) -> bool:
    return any(
        isinstance(one, soql.Selected) and isinstance(one.expression, soql.Call) and not one.expression.arguments
        for one in query.select
    )


def _is_bare_count(query: soql.Query) -> bool:
    return len(query.select) == 1 and not query.group and _names_bare_count(query)


def _part_name(compound: str, part: str) -> str:
    """BillingCity of BillingAddress is `city` in its JSON."""
    plain = part.removeprefix(compound.removesuffix("Address"))
    return plain[:1].lower() + plain[1:]
