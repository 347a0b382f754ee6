"""A SOQL tree as bound SQL: names are settled against the schema, values only ever become parameters.

Conditions are two-valued, as in SOQL: a comparison with a missing value is false, and its negation true.
Running the SQL and shaping records is in `query`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from typing import Any

from memsync_assets.local_org import soql
from memsync_assets.local_org.date_literals import days
from memsync_assets.local_org.errors import OrgError
from memsync_assets.local_org.ids import canonical
from memsync_assets.local_org.schema import FieldDescribe, ObjectDescribe, OrgSchema
from memsync_assets.local_org.store import quoted
from memsync_assets.local_org.values import stored_datetime

_AGGREGATES = {
    "count": "COUNT({})",
    "count_distinct": "COUNT(DISTINCT {})",
    "sum": "SUM({})",
    "avg": "AVG({})",
    "min": "MIN({})",
    "max": "MAX({})",
}
_NUMERIC = frozenset({"int", "double", "currency", "percent"})
_FIELDS_LIMIT = 200
_MAX_OFFSET = 2_000


@dataclass(frozen=True)
class Column:
    """One value of a result row: where it goes in the record, and what it is (None: an aggregate)."""

    path: tuple[str, ...]
    field: FieldDescribe | None


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
    return _Translation(schema, text, deleted, now).statement(child.query, child, parents)


@dataclass
class _Scope:
    """The tables that a query has joined, by the relationship path that leads to them."""

    sobject: ObjectDescribe
    alias: str
    joins: dict[tuple[str, ...], tuple[ObjectDescribe, str]] = field(default_factory=dict)
    joined_sql: list[str] = field(default_factory=list)


class _Translation:
    def __init__(self, schema: OrgSchema, text: str, deleted: bool, now: datetime) -> None:
        self.schema = schema
        self.text = text
        self.deleted = deleted
        self.now = now
        self._aliases = 0

    def statement(
        self,
        query: soql.Query,
        child: Child | None = None,
        parents: Sequence[str] = (),
        bare: bool = False,
    ) -> Statement:
        """`bare` leaves the ids of the records out: for semi-joins."""
        sobject = child.sobject if child else self._source(query)
        if query.offset > _MAX_OFFSET:
            raise OrgError("NUMBER_OUTSIDE_VALID_RANGE", f"Maximum SOQL offset allowed is {_MAX_OFFSET}")
        scope = self._scope(sobject)
        query = self._expand_fields(query, sobject)
        aggregate = bool(query.group) or any(
            isinstance(s, soql.Selected) and isinstance(s.expression, soql.Call) for s in query.select
        )
        count_only = aggregate and not query.group and _is_bare_count(query)
        columns, expressions, children = self._selection(query, scope, aggregate)
        where, parameters = self._where(query.where, scope, query)
        if child:
            where.append(f"{scope.alias}.{quoted(child.reference.name)} IN ({', '.join('?' * len(parents))})")
            parameters += parents
        group, having, having_parameters = self._grouping(query, scope)
        order = self._order(query, scope, columns, expressions)
        shown = {column.path[:depth] for column in columns for depth in range(1, len(column.path))}
        nodes: list[tuple[tuple[str, ...], ObjectDescribe, str]] = [((), sobject, scope.alias)]
        nodes += [(path, *join) for path, join in scope.joins.items() if path in shown]
        if aggregate or bare:
            nodes = []
        outputs = [f'{alias}."Id"' for _, _, alias in nodes] + expressions
        if child:
            outputs.append(f"{scope.alias}.{quoted(child.reference.name)}")
        sql = f"SELECT {', '.join(outputs)} FROM {quoted(sobject.name)} {scope.alias} {' '.join(scope.joined_sql)}"  # noqa: S608
        sql += f" WHERE {' AND '.join(where)}" if where else ""
        sql += group + having + order
        parameters += having_parameters
        if not child and (query.limit is not None or query.offset) and not count_only:
            sql += " LIMIT ? OFFSET ?"
            parameters += [-1 if query.limit is None else query.limit, query.offset]
        return Statement(
            sql,
            parameters,
            sobject,
            tuple((path, target) for path, target, _ in nodes),
            tuple(columns),
            tuple(children),
            aggregate,
            count_only,
            query.offset,
        )

    def _source(self, query: soql.Query) -> ObjectDescribe:
        found = self.schema.by_name.get(query.source.lower())
        if found is None or not found.queryable:
            message = (
                f"sObject type '{query.source}' is not supported. If you are attempting to use a custom object, be "
                "sure to append the '__c' after the entity name. Please reference your WSDL or the describe call for "
                "the appropriate names."
            )
            raise OrgError("INVALID_TYPE", soql.located(self.text, query.line, query.column, message))
        return found

    def _scope(self, sobject: ObjectDescribe) -> _Scope:
        return _Scope(sobject, self._new_alias())

    def _new_alias(self) -> str:
        self._aliases += 1
        return f"t{self._aliases}"

    def _expand_fields(self, query: soql.Query, sobject: ObjectDescribe) -> soql.Query:
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
                raise OrgError(
                    "MALFORMED_QUERY", f"The SOQL FIELDS function must have a LIMIT of at most {_FIELDS_LIMIT}"
                )
            chosen = [f for f in sobject.fields if names == ["ALL"] or f.custom == (names == ["CUSTOM"])]
            select += [soql.Selected(soql.Path((f.name,))) for f in chosen]
        return replace(query, select=tuple(select))

    def _selection(
        self, query: soql.Query, scope: _Scope, aggregate: bool
    ) -> tuple[list[Column], list[str], list[Child]]:
        columns: list[Column] = []
        expressions: list[str] = []
        children: list[Child] = []
        unnamed = 0
        for item in query.select:
            if isinstance(item, soql.Query):
                children.append(self._child(item, scope.sobject))
            elif isinstance(item.expression, soql.Call):
                sql, kind = self._call(item.expression, scope)
                columns.append(Column((item.alias or f"expr{unnamed}",), kind))
                unnamed += not item.alias
                expressions.append(sql)
            elif aggregate:
                sql, described = self._field(item.expression, scope, query)
                if item.expression not in query.group:
                    raise self._error(
                        "MALFORMED_QUERY", item.expression, f"Field must be grouped or aggregated: {described.name}"
                    )
                columns.append(Column((item.alias or described.name,), described))
                expressions.append(sql)
            else:
                for path, sql, described in self._plain(item.expression, scope, query):
                    columns.append(Column(path, described))
                    expressions.append(sql)
        return columns, expressions, children

    def _plain(
        self, path: soql.Path, scope: _Scope, query: soql.Query
    ) -> list[tuple[tuple[str, ...], str, FieldDescribe]]:
        target, alias, names = self._walk(path, scope, query)
        described = self._named(target, path)
        if described.stored:
            return [((*names, described.name), f"{alias}.{quoted(described.name)}", described)]
        parts = [part for part in target.fields if part.compoundFieldName == described.name]
        return [
            ((*names, described.name, _part_name(described.name, part.name)), f"{alias}.{quoted(part.name)}", part)
            for part in parts
        ]

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

    def _walk(
        self, path: soql.Path, scope: _Scope, query: soql.Query | None
    ) -> tuple[ObjectDescribe, str, tuple[str, ...]]:
        """Follow a path's relationships; joins each once. Gives the object, its alias, and the true names."""
        parts = path.parts[:-1]
        if (
            parts
            and query
            and parts[0].lower() in ((query.alias or "").lower(), query.source.lower())
            and (parts[0].lower() not in scope.sobject.by_relationship)
        ):
            parts = parts[1:]
        sobject, alias = scope.sobject, scope.alias
        names: tuple[str, ...] = ()
        for part in parts:
            reference = sobject.by_relationship.get(part.lower())
            if reference is None:
                raise self._error(
                    "INVALID_FIELD",
                    path,
                    f"Didn't understand relationship '{part}' in field path. If you are attempting to use a custom "
                    "relationship, be sure to append the '__r' after the custom relationship name.",
                )
            names = (*names, str(reference.relationshipName))
            if names not in scope.joins:
                target, joined = self._target(reference, path), self._new_alias()
                scope.joins[names] = (target, joined)
                scope.joined_sql.append(
                    f'LEFT JOIN {quoted(target.name)} {joined} ON {joined}."Id" = {alias}.{quoted(reference.name)}'
                )
            sobject, alias = scope.joins[names]
        return sobject, alias, names

    def _target(self, reference: FieldDescribe, path: soql.Path) -> ObjectDescribe:
        target = self.schema.target(reference)
        if target is None:
            raise self._error("INVALID_FIELD", path, f"{reference.name} points at no object of this org")
        return target

    def _named(self, sobject: ObjectDescribe, path: soql.Path) -> FieldDescribe:
        described = sobject.by_name.get(path.parts[-1].lower())
        if described is None:
            raise self._error(
                "INVALID_FIELD",
                path,
                f"No such column '{path.parts[-1]}' on entity '{sobject.name}'. If you are attempting to use a custom "
                "field, be sure to append the '__c' after the custom field name. Please reference your WSDL or the "
                "describe call for the appropriate names.",
            )
        return described

    def _field(self, path: soql.Path, scope: _Scope, query: soql.Query | None) -> tuple[str, FieldDescribe]:
        target, alias, _ = self._walk(path, scope, query)
        described = self._named(target, path)
        if not described.stored:
            raise self._error("INVALID_FIELD", path, f"field '{described.name}' can not be used here")
        return f"{alias}.{quoted(described.name)}", described

    def _call(self, call: soql.Call, scope: _Scope) -> tuple[str, FieldDescribe | None]:
        function = _AGGREGATES.get(call.name)
        if function is None:
            raise self._error("MALFORMED_QUERY", call, f"unexpected token: '{call.name}'")
        if not call.arguments and call.name == "count":
            return "COUNT(*)", None
        if len(call.arguments) != 1 or not isinstance(call.arguments[0], soql.Path):
            raise self._error("MALFORMED_QUERY", call, f"{call.name} takes one field")
        sql, described = self._field(call.arguments[0], scope, None)
        if call.name in ("sum", "avg") and described.type not in _NUMERIC:
            raise self._error(
                "INVALID_FIELD", call, f"field {described.name} does not support aggregate operator {call.name.upper()}"
            )
        return function.format(sql), described if call.name in ("min", "max") else None

    def _where(self, condition: soql.Condition | None, scope: _Scope, query: soql.Query) -> tuple[list[str], list[Any]]:
        parameters: list[Any] = []
        parts = [] if self.deleted else [f'{scope.alias}."IsDeleted" = 0']
        if condition is not None:
            parts.append(self._condition(condition, scope, query, parameters))
        return parts, parameters

    def _condition(self, condition: soql.Condition, scope: _Scope, query: soql.Query, parameters: list[Any]) -> str:
        match condition:
            case soql.Junction(operator, inner):
                return "(" + f" {operator} ".join(self._condition(c, scope, query, parameters) for c in inner) + ")"
            case soql.Negation(inner):
                return f"NOT {self._condition(inner, scope, query, parameters)}"
            case soql.Comparison():
                return self._comparison(condition, scope, query, parameters)
            case soql.Membership():
                return self._membership(condition, scope, query, parameters)

    def _operand(
        self, expression: soql.Expression, scope: _Scope, query: soql.Query
    ) -> tuple[str, FieldDescribe | None]:
        if isinstance(expression, soql.Call):
            return self._call(expression, scope)
        sql, described = self._field(expression, scope, query)
        if not described.filterable:
            raise self._error(
                "INVALID_FIELD", expression, f"field '{described.name}' can not be filtered in a query call"
            )
        return sql, described

    def _comparison(self, one: soql.Comparison, scope: _Scope, query: soql.Query, parameters: list[Any]) -> str:
        sql, described = self._operand(one.left, scope, query)
        if one.operator == "like":
            self._require_text(one.left, described)
            parameters.append(one.right)
            return f"({sql} LIKE ? ESCAPE '\\') IS TRUE"
        if isinstance(one.right, soql.Word):
            return self._in_range(sql, one.operator, self._range(one, described), parameters)
        value = self._value(one.left, described, one.right)
        if one.operator in ("=", "!="):
            parameters.append(value)
            return f"({sql} IS {'NOT ' if one.operator == '!=' else ''}?)"
        parameters.append(value)
        return f"({sql} {one.operator} ?) IS TRUE"

    def _range(self, one: soql.Comparison, described: FieldDescribe | None) -> tuple[str, str]:
        word = one.right
        assert isinstance(word, soql.Word)
        if described is None or described.type not in ("date", "datetime"):
            raise self._error("MALFORMED_QUERY", one.left, f"unexpected token: '{word.name.lower()}'")
        first, end = days(word.name, word.number, self.now.date())
        if described.type == "date":
            return first.isoformat(), end.isoformat()
        return _midnight(first), _midnight(end)

    def _in_range(self, sql: str, operator: str, bounds: tuple[str, str], parameters: list[Any]) -> str:
        first, end = bounds
        if operator in ("=", "!="):
            parameters += [first, end]
            inside = f"({sql} >= ? AND {sql} < ?) IS TRUE"
            return f"({inside})" if operator == "=" else f"NOT ({inside})"
        parameters.append(end if operator in (">", "<=") else first)
        return f"({sql} {'>=' if operator in ('>', '>=') else '<'} ?) IS TRUE"

    def _membership(self, one: soql.Membership, scope: _Scope, query: soql.Query, parameters: list[Any]) -> str:
        sql, described = self._operand(one.left, scope, query)
        if isinstance(one.members, soql.Query):
            return self._semi_join(sql, one, parameters)
        if one.operator in ("includes", "excludes"):
            return self._includes(sql, described, one, parameters)
        values = [self._value(one.left, described, member) for member in one.members]
        known = [value for value in values if value is not None]
        parameters += known
        inside = f"({sql} IN ({', '.join('?' * len(known))})) IS TRUE"
        if len(known) < len(values):
            inside = f"({inside} OR {sql} IS NULL)"
        return f"({inside})" if one.operator == "in" else f"NOT ({inside})"

    def _semi_join(self, sql: str, one: soql.Membership, parameters: list[Any]) -> str:
        assert isinstance(one.members, soql.Query)
        statement = self.statement(one.members, bare=True)
        kind = statement.columns[0].field if len(statement.columns) == 1 else None
        if statement.children or kind is None or kind.type not in ("id", "reference"):
            raise self._error("MALFORMED_QUERY", one.left, "A semi-join selects one Id or reference field")
        parameters += statement.parameters
        inside = f"({sql} IN ({statement.sql})) IS TRUE"
        return f"({inside})" if one.operator == "in" else f"NOT ({inside})"

    def _includes(self, sql: str, described: FieldDescribe | None, one: soql.Membership, parameters: list[Any]) -> str:
        if described is None or described.type != "multipicklist":
            raise self._error("INVALID_QUERY_FILTER_OPERATOR", one.left, "includes and excludes need a multipicklist")
        choices = []
        assert not isinstance(one.members, soql.Query)
        for member in one.members:
            wanted = [part.strip() for part in str(member).split(";")]
            choices.append(" AND ".join([f"instr(lower(';' || {sql} || ';'), ?) > 0"] * len(wanted)))
            parameters += [f";{part.lower()};" for part in wanted]
        inside = f"({' OR '.join(f'({choice})' for choice in choices)}) IS TRUE"
        return f"({inside})" if one.operator == "includes" else f"NOT ({inside})"

    def _value(self, left: soql.Expression, described: FieldDescribe | None, value: soql.Literal) -> Any:
        """A literal in the stored form of the field it is held against; refused where the types differ."""
        kind = described.type if described else "double"
        if value is None or value == "":
            return None
        if kind == "boolean" and isinstance(value, bool):
            return int(value)
        if kind in _NUMERIC and isinstance(value, int | float) and not isinstance(value, bool):
            return value
        if kind == "datetime" and isinstance(value, datetime):
            return stored_datetime(value)
        if kind == "date" and isinstance(value, date) and not isinstance(value, datetime):
            return value.isoformat()
        if kind in ("id", "reference") and isinstance(value, str):
            try:
                return canonical(value, "")
            except OrgError:
                raise self._error("INVALID_QUERY_FILTER_OPERATOR", left, f"invalid ID field: {value}") from None
        if kind not in ("boolean", "date", "datetime", "id", "reference", *_NUMERIC) and isinstance(value, str):
            return value
        enclosed = (
            "should be enclosed in quotes"
            if isinstance(value, int | float | date)
            else "should not be enclosed in quotes"
        )
        name = described.name if described else "expression"
        raise self._error(
            "INVALID_FIELD",
            left,
            f"value of filter criterion for field '{name}' must be of type {_shown_type(kind)} and {enclosed}",
        )

    def _require_text(self, left: soql.Expression, described: FieldDescribe | None) -> None:
        if described is None or described.type in ("id", "reference", "boolean", "date", "datetime", *_NUMERIC):
            raise self._error("INVALID_QUERY_FILTER_OPERATOR", left, "invalid operator: LIKE needs a text field")

    def _grouping(self, query: soql.Query, scope: _Scope) -> tuple[str, str, list[Any]]:
        if not query.group:
            return "", "", []
        keys = []
        for key in query.group:
            sql, described = self._operand(key, scope, query)
            if described is None or not described.groupable:
                raise self._error("MALFORMED_QUERY", key, "field can not be grouped in a query call")
            keys.append(sql)
        parameters: list[Any] = []
        having = f" HAVING {self._condition(query.having, scope, query, parameters)}" if query.having else ""
        return f" GROUP BY {', '.join(keys)}", having, parameters

    def _order(self, query: soql.Query, scope: _Scope, columns: list[Column], expressions: list[str]) -> str:
        by_alias = {column.path[0].lower(): sql for column, sql in zip(columns, expressions, strict=True)}
        items = []
        for item in query.order:
            key = item.expression
            if isinstance(key, soql.Path) and len(key.parts) == 1 and key.parts[0].lower() in by_alias and query.group:
                sql = by_alias[key.parts[0].lower()]
            else:
                sql, described = self._operand(key, scope, query)
                if described is not None and not described.sortable:
                    raise self._error(
                        "MALFORMED_QUERY", key, f"field '{described.name}' can not be sorted in a query call"
                    )
            items.append(f"{sql} {'DESC' if item.descending else 'ASC'} NULLS {'LAST' if item.nulls_last else 'FIRST'}")
        return f" ORDER BY {', '.join(items)}" if items else ""

    def _error(self, code: str, at: soql.Expression, message: str) -> OrgError:
        return OrgError(code, soql.located(self.text, at.line, at.column, message))


def _is_call(expression: soql.Expression, name: str) -> bool:
    return isinstance(expression, soql.Call) and expression.name == name


def _is_bare_count(query: soql.Query) -> bool:
    only = query.select[0]
    return (
        len(query.select) == 1
        and isinstance(only, soql.Selected)
        and isinstance(only.expression, soql.Call)
        and only.expression.name == "count"
        and not only.expression.arguments
    )


def _part_name(compound: str, part: str) -> str:
    """BillingCity of BillingAddress is `city` in its JSON."""
    plain = part.removeprefix(compound.removesuffix("Address"))
    return plain[:1].lower() + plain[1:]


def _midnight(day: date) -> str:
    return stored_datetime(datetime.combine(day, time(), UTC))


def _shown_type(kind: str) -> str:
    return {"datetime": "dateTime", "id": "ID", "reference": "ID"}.get(
        kind, kind if kind in ("boolean", "date", "int", "double", "currency") else "string"
    )
