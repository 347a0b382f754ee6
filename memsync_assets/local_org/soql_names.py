"""The names in one SOQL query, settled against the schema: its object, the fields it names, the joins they need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from memsync_assets.local_org import soql
from memsync_assets.local_org.errors import OrgError
from memsync_assets.local_org.schema import FieldDescribe, ObjectDescribe, OrgSchema
from memsync_assets.local_org.store import quoted

_AGGREGATES = {
    "count": "COUNT({})",
    "count_distinct": "COUNT(DISTINCT {})",
    "sum": "SUM({})",
    "avg": "AVG({})",
    "min": "MIN({})",
    "max": "MAX({})",
}
NUMERIC = frozenset({"int", "double", "currency", "percent"})


def source(schema: OrgSchema, text: str, query: soql.Query) -> ObjectDescribe:
    """The object a query reads. Raises OrgError INVALID_TYPE."""
    found = schema.by_name.get(query.source.lower())
    if found is None or not found.queryable:
        message = (
            f"sObject type '{query.source}' is not supported. If you are attempting to use a custom object, be "
            "sure to append the '__c' after the entity name. Please reference your WSDL or the describe call for "
            "the appropriate names."
        )
        raise OrgError("INVALID_TYPE", soql.located(text, query.line, query.column, message))
    return found


@dataclass
class Scope:
    """What one query names. `joins` grows by the relationship paths that lead to the tables joined so far."""

    schema: OrgSchema
    text: str
    query: soql.Query
    sobject: ObjectDescribe
    aliases: Iterator[str]
    joins: dict[tuple[str, ...], tuple[ObjectDescribe, str]] = field(default_factory=dict)
    joined_sql: list[str] = field(default_factory=list)
    alias: str = field(init=False)

    def __post_init__(self) -> None:
        self.alias = next(self.aliases)

    def walk(self, path: soql.Path) -> tuple[ObjectDescribe, str, tuple[str, ...]]:
        """Follow a path's relationships; joins each once. Gives the object, its alias, and the true names."""
        parts = path.parts[:-1]
        own = ((self.query.alias or "").lower(), self.query.source.lower())
        if parts and parts[0].lower() in own and parts[0].lower() not in self.sobject.by_relationship:
            parts = parts[1:]
        sobject, alias = self.sobject, self.alias
        names: tuple[str, ...] = ()
        for part in parts:
            reference = sobject.by_relationship.get(part.lower())
            if reference is None:
                raise self.error(
                    "INVALID_FIELD",
                    path,
                    f"Didn't understand relationship '{part}' in field path. If you are attempting to use a custom "
                    "relationship, be sure to append the '__r' after the custom relationship name.",
                )
            names = (*names, str(reference.relationshipName))
            if names not in self.joins:
                target, joined = self._target(reference, path), next(self.aliases)
                self.joins[names] = (target, joined)
                self.joined_sql.append(
                    f'LEFT JOIN {quoted(target.name)} {joined} ON {joined}."Id" = {alias}.{quoted(reference.name)}'
                )
            sobject, alias = self.joins[names]
        return sobject, alias, names

    def field(self, path: soql.Path) -> tuple[str, FieldDescribe]:
        """A field that is stored, as SQL and as described. Raises OrgError INVALID_FIELD."""
        target, alias, _ = self.walk(path)
        described = self.named(target, path)
        if not described.stored:
            raise self.error("INVALID_FIELD", path, f"field '{described.name}' can not be used here")
        return f"{alias}.{quoted(described.name)}", described

    def call(self, call: soql.Call) -> tuple[str, FieldDescribe | None]:
        """An aggregate as SQL; its field where its value is one of the field's. Raises OrgError."""
        function = _AGGREGATES.get(call.name)
        if function is None:
            raise self.error("MALFORMED_QUERY", call, f"unexpected token: '{call.name}'")
        if not call.arguments and call.name == "count":
            return "COUNT(*)", None
        if len(call.arguments) != 1 or not isinstance(call.arguments[0], soql.Path):
            raise self.error("MALFORMED_QUERY", call, f"{call.name} takes one field")
        sql, described = self.field(call.arguments[0])
        if call.name in ("sum", "avg") and described.type not in NUMERIC:
            raise self.error(
                "INVALID_FIELD", call, f"field {described.name} does not support aggregate operator {call.name.upper()}"
            )
        return function.format(sql), described if call.name in ("min", "max") else None

    def expression(self, expression: soql.Expression) -> tuple[str, FieldDescribe | None]:
        """A field or an aggregate as SQL. Raises OrgError."""
        if isinstance(expression, soql.Call):
            return self.call(expression)
        return self.field(expression)

    def named(self, sobject: ObjectDescribe, path: soql.Path) -> FieldDescribe:
        """The field at a path's end. Raises OrgError INVALID_FIELD."""
        described = sobject.by_name.get(path.parts[-1].lower())
        if described is None:
            raise self.error(
                "INVALID_FIELD",
                path,
                f"No such column '{path.parts[-1]}' on entity '{sobject.name}'. If you are attempting to use a custom "
                "field, be sure to append the '__c' after the custom field name. Please reference your WSDL or the "
                "describe call for the appropriate names.",
            )
        return described

    def _target(self, reference: FieldDescribe, path: soql.Path) -> ObjectDescribe:
        target = self.schema.target(reference)
        if target is None:
            raise self.error("INVALID_FIELD", path, f"{reference.name} points at no object of this org")
        return target

    def error(self, code: str, at: soql.Expression, message: str) -> OrgError:
        """An error with its place in the query."""
        return OrgError(code, soql.located(self.text, at.line, at.column, message))
