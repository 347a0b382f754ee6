"""SOQL conditions as SQL: values only ever become parameters.

Conditions are two-valued, as in SOQL: a comparison with a missing value is false, and its negation true.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any

from memsync_assets.local_org import soql
from memsync_assets.local_org.date_literals import days
from memsync_assets.local_org.errors import OrgError
from memsync_assets.local_org.ids import canonical
from memsync_assets.local_org.schema import FieldDescribe
from memsync_assets.local_org.soql_names import NUMERIC, Scope
from memsync_assets.local_org.values import stored_datetime

_BARE = frozenset({"boolean", "date", "datetime", *NUMERIC})


@dataclass
class Conditions:
    """The conditions of one WHERE, or of one HAVING where `grouped`, as of `now`.

    `semi_join` gives the SQL of a query within a condition, with its parameters.
    """

    scope: Scope
    now: datetime
    semi_join: Callable[[soql.Query], tuple[str, list[Any]]]
    grouped: bool = False
    parameters: list[Any] = field(default_factory=list)

    def sql(self, condition: soql.Condition) -> str:
        """A condition as SQL; its values are added to the parameters."""
        match condition:
            case soql.Junction(operator, inner):
                return "(" + f" {operator} ".join(self.sql(c) for c in inner) + ")"
            case soql.Negation(inner):
                return f"NOT {self.sql(inner)}"
            case soql.Comparison():
                return self._comparison(condition)
            case soql.Membership():
                return self._membership(condition)

    def _operand(self, expression: soql.Expression) -> tuple[str, FieldDescribe | None]:
        if isinstance(expression, soql.Call) and not self.grouped:
            raise self.scope.error("MALFORMED_QUERY", expression, "aggregate expressions belong into HAVING")
        sql, described = self.scope.expression(expression)
        if described is not None and not described.filterable:
            raise self.scope.error(
                "INVALID_FIELD", expression, f"field '{described.name}' can not be filtered in a query call"
            )
        return sql, described

    def _comparison(self, one: soql.Comparison) -> str:
        sql, described = self._operand(one.left)
        if one.operator == "like":
            self._require_text(one.left, described)
            self.parameters.append(one.right)
            return f"({sql} LIKE ? ESCAPE '\\') IS TRUE"
        if isinstance(one.right, soql.Word):
            return self._in_range(sql, one.operator, self._range(one, described))
        value = self._value(one.left, described, one.right)
        if one.operator in ("=", "!="):
            self.parameters.append(value)
            return f"({sql} IS {'NOT ' if one.operator == '!=' else ''}?)"
        self.parameters.append(value)
        return f"({sql} {one.operator} ?) IS TRUE"

    def _range(self, one: soql.Comparison, described: FieldDescribe | None) -> tuple[str, str]:
        word = one.right
        assert isinstance(word, soql.Word)
        if described is None or described.type not in ("date", "datetime"):
            raise self.scope.error("MALFORMED_QUERY", one.left, f"unexpected token: '{word.name.lower()}'")
        first, end = days(word.name, word.number, self.now.date())
        if described.type == "date":
            return first.isoformat(), end.isoformat()
        return _midnight(first), _midnight(end)

    def _in_range(self, sql: str, operator: str, bounds: tuple[str, str]) -> str:
        first, end = bounds
        if operator in ("=", "!="):
            self.parameters += [first, end]
            inside = f"({sql} >= ? AND {sql} < ?) IS TRUE"
            return f"({inside})" if operator == "=" else f"NOT ({inside})"
        self.parameters.append(end if operator in (">", "<=") else first)
        return f"({sql} {'>=' if operator in ('>', '>=') else '<'} ?) IS TRUE"

    def _membership(self, one: soql.Membership) -> str:
        sql, described = self._operand(one.left)
        if isinstance(one.members, soql.Query):
            return self._semi_join(sql, one)
        if one.operator in ("includes", "excludes"):
            return self._includes(sql, described, one)
        values = [self._value(one.left, described, member) for member in one.members]
        known = [value for value in values if value is not None]
        self.parameters += known
        inside = f"({sql} IN ({', '.join('?' * len(known))})) IS TRUE"
        if len(known) < len(values):
            inside = f"({inside} OR {sql} IS NULL)"
        return f"({inside})" if one.operator == "in" else f"NOT ({inside})"

    def _semi_join(self, sql: str, one: soql.Membership) -> str:
        assert isinstance(one.members, soql.Query)
        inner, parameters = self.semi_join(one.members)
        self.parameters += parameters
        inside = f"({sql} IN ({inner})) IS TRUE"
        return f"({inside})" if one.operator == "in" else f"NOT ({inside})"

    def _includes(self, sql: str, described: FieldDescribe | None, one: soql.Membership) -> str:
        if described is None or described.type != "multipicklist":
            raise self.scope.error(
                "INVALID_QUERY_FILTER_OPERATOR", one.left, "includes and excludes need a multipicklist"
            )
        choices = []
        assert not isinstance(one.members, soql.Query)
        for member in one.members:
            wanted = [part.strip() for part in str(member).split(";")]
            choices.append(" AND ".join([f"instr(lower(';' || {sql} || ';'), ?) > 0"] * len(wanted)))
            self.parameters += [f";{part.lower()};" for part in wanted]
        inside = f"({' OR '.join(f'({choice})' for choice in choices)}) IS TRUE"
        return f"({inside})" if one.operator == "includes" else f"NOT ({inside})"

    def _value(self, left: soql.Expression, described: FieldDescribe | None, value: soql.Literal) -> Any:
        """A literal in the stored form of the field it is held against; refused where the types differ."""
        kind = described.type if described else "double"
        if value is None or value == "":
            return None
        if kind == "boolean" and isinstance(value, bool):
            return int(value)
        if kind in NUMERIC and isinstance(value, int | float) and not isinstance(value, bool):
            return value if abs(value) < 2**63 else float(value)
        if kind == "datetime" and isinstance(value, datetime):
            return stored_datetime(value)
        if kind == "date" and isinstance(value, date) and not isinstance(value, datetime):
            return value.isoformat()
        if kind in ("id", "reference") and isinstance(value, str):
            try:
                return canonical(value, "")
            except OrgError:
                raise self.scope.error("INVALID_QUERY_FILTER_OPERATOR", left, f"invalid ID field: {value}") from None
        if kind not in _BARE and isinstance(value, str):
            return value
        enclosed = "should not be enclosed in quotes" if kind in _BARE else "should be enclosed in quotes"
        name = described.name if described else "expression"
        raise self.scope.error(
            "INVALID_FIELD",
            left,
            f"value of filter criterion for field '{name}' must be of type {_shown_type(kind)} and {enclosed}",
        )

    def _require_text(self, left: soql.Expression, described: FieldDescribe | None) -> None:
        if described is None or described.type in ("id", "reference", *_BARE):
            raise self.scope.error("INVALID_QUERY_FILTER_OPERATOR", left, "invalid operator: LIKE needs a text field")


def _midnight(day: date) -> str:
    return stored_datetime(datetime.combine(day, time(), UTC))


def _shown_type(kind: str) -> str:
    return {"datetime": "dateTime", "id": "ID", "reference": "ID"}.get(
        kind, kind if kind in ("boolean", "date", "int", "double", "currency") else "string"
    )
