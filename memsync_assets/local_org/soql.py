"""SOQL text as a tree. What its names mean is settled in `soql_sql`, against the schema."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path as FilePath
from typing import Any

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from memsync_assets.local_org.errors import OrgError


@dataclass(frozen=True)
class Path:
    """A field, reached over relationships: `Account.Owner.Name`."""

    parts: tuple[str, ...]
    line: int = field(default=1, compare=False)
    column: int = field(default=1, compare=False)


@dataclass(frozen=True)
class Call:
    """A function: an aggregate, FIELDS, or one that this org refuses."""

    name: str
    arguments: tuple[Expression, ...]
    line: int = field(default=1, compare=False)
    column: int = field(default=1, compare=False)


Expression = Path | Call


@dataclass(frozen=True)
class Word:
    """A date literal with its number, such as LAST_N_DAYS:7."""

    name: str
    number: int | None = None


Literal = str | int | float | bool | None | date | datetime | Word


@dataclass(frozen=True)
class Comparison:
    """`left operator right`; the operator is one of = != < > <= >= like."""

    left: Expression
    operator: str
    right: Literal


@dataclass(frozen=True)
class Membership:
    """`left IN (...)`, a semi-join, INCLUDES or EXCLUDES."""

    left: Expression
    operator: str
    members: tuple[Literal, ...] | Query


@dataclass(frozen=True)
class Negation:
    """NOT."""

    inner: Condition


@dataclass(frozen=True)
class Junction:
    """AND or OR of two or more."""

    operator: str
    inner: tuple[Condition, ...]


Condition = Comparison | Membership | Negation | Junction


@dataclass(frozen=True)
class Selected:
    """One item of the SELECT list."""

    expression: Expression
    alias: str | None = None


@dataclass(frozen=True)
class Ordering:
    """One item of ORDER BY. Nulls come first unless NULLS LAST is said."""

    expression: Expression
    descending: bool = False
    nulls_last: bool = False


@dataclass(frozen=True)
class Query:
    """A whole query, or a child or semi-join query within one."""

    select: tuple[Selected | Query, ...]
    source: str
    alias: str | None = None
    where: Condition | None = None
    group: tuple[Expression, ...] = ()
    having: Condition | None = None
    order: tuple[Ordering, ...] = ()
    limit: int | None = None
    offset: int = 0
    line: int = 1
    column: int = 1


def parse(text: str) -> Query:
    """The tree of a query. Raises OrgError MALFORMED_QUERY pointing at the first thing that is wrong."""
    try:
        tree = _PARSER.parse(text)
    except UnexpectedInput as error:
        raise _malformed(text, error) from None
    query: Query = tree  # type: ignore[assignment]  # the embedded transformer yields it
    return query


def with_condition(query: Query, condition: Condition) -> Query:
    """The same query under another condition."""
    return replace(query, where=condition)


def located(text: str, line: int, column: int, message: str) -> str:
    """A message with the place in the query, as Salesforce shows it."""
    lines = text.splitlines() or [""]
    shown = lines[min(line, len(lines)) - 1]
    return f"\n{shown}\n{' ' * (column - 1)}^\nERROR at Row:{line}:Column:{column}\n{message}"


def _malformed(text: str, error: UnexpectedInput) -> OrgError:
    if isinstance(error, UnexpectedToken) and error.token.type != "$END":
        message = f"unexpected token: '{error.token}'"
    elif isinstance(error, UnexpectedCharacters):
        message = f"line {error.line}:{error.column} no viable alternative at character '{error.char}'"
    else:
        return OrgError("MALFORMED_QUERY", "unexpected token: '<EOF>'")
    return OrgError("MALFORMED_QUERY", located(text, error.line, error.column, message))


_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "N": "\n", "R": "\r", "T": "\t"}


def _unquoted(token: str, keep: str = "") -> str:
    """The text of a string literal; escapes of the characters in `keep` are left as they are."""

    def plain(match: re.Match[str]) -> str:
        if match[1]:
            return chr(int(match[1], 16))
        return match[0] if match[2] in keep else _ESCAPES.get(match[2], match[2])

    return re.sub(r"\\(?:u([0-9A-Fa-f]{4})|(.))", plain, token[1:-1], flags=re.DOTALL)


def _no_such_day(token: str) -> OrgError:
    return OrgError("MALFORMED_QUERY", f"the calendar has no {token}")


@dataclass(frozen=True)
class _Part:
    """A clause on its way from its rule to the query that holds it."""

    name: str
    value: Any


@v_args(inline=True)
class _Builder(Transformer[Token, Query]):
    def start(self, query: Query) -> Query:
        return query

    def query(self, *parts: Any) -> Query:
        select = tuple(part for part in parts if isinstance(part, Selected | Query))
        clauses: dict[str, Any] = {}
        for part in parts:
            if isinstance(part, _Part):
                clauses |= part.value if part.name == "*" else {part.name: part.value}
        return Query(select=select, **clauses)

    def child(self, query: Query) -> Query:
        return query

    def selected(self, expression: Expression, alias: Token | None = None) -> Selected:
        return Selected(expression, str(alias) if alias else None)

    def source(self, name: Token, *rest: Any) -> _Part:
        alias = next((str(part) for part in rest if isinstance(part, Token)), None)
        place = {"line": name.line, "column": name.column}
        return _Part("*", {"source": str(name), "alias": alias, **place})

    def scope(self, name: Token) -> None:
        return None

    def where(self, condition: Condition) -> _Part:
        return _Part("where", condition)

    def group(self, *parts: Any) -> _Part:
        keys = tuple(part for part in parts if isinstance(part, Path | Call))
        having = next((part for part in parts if not isinstance(part, Path | Call)), None)
        return _Part("*", {"group": keys, "having": having})

    def order(self, *items: Ordering) -> _Part:
        return _Part("order", items)

    def ordering(self, expression: Expression, *rest: Token) -> Ordering:
        words = {str(token).lower() for token in rest}
        return Ordering(expression, "desc" in words, "last" in words)

    def limit(self, number: Token) -> _Part:
        return _Part("limit", int(number))

    def offset(self, number: Token) -> _Part:
        return _Part("offset", int(number))

    def purpose(self, *names: Token) -> None:
        return None

    def all_of(self, *inner: Condition) -> Junction:
        return Junction("AND", inner)

    def any_of(self, *inner: Condition) -> Junction:
        return Junction("OR", inner)

    def negation(self, inner: Condition) -> Negation:
        return Negation(inner)

    def comparison(self, left: Expression, operator: Token, right: Literal) -> Comparison:
        return Comparison(left, "!=" if operator == "<>" else str(operator), right)

    def like(self, left: Expression, pattern: Token) -> Comparison:
        return Comparison(left, "like", _unquoted(pattern, keep="_%\\"))

    def is_in(self, left: Expression, members: Any) -> Membership:
        return Membership(left, "in", members)

    def not_in(self, left: Expression, members: Any) -> Membership:
        return Membership(left, "not in", members)

    def includes(self, left: Expression, members: Any) -> Membership:
        return Membership(left, "includes", members)

    def excludes(self, left: Expression, members: Any) -> Membership:
        return Membership(left, "excludes", members)

    def values(self, *members: Literal) -> tuple[Literal, ...]:
        return members

    def call(self, name: Token, *arguments: Expression) -> Call:
        return Call(name.lower(), arguments, name.line or 1, name.column or 1)

    def path(self, *names: Token) -> Path:
        return Path(tuple(map(str, names)), names[0].line or 1, names[0].column or 1)

    def string(self, token: Token) -> str:
        return _unquoted(token)

    def number(self, token: Token) -> int | float:
        return float(token) if "." in token else int(token)

    def date(self, token: Token) -> date:
        try:
            return date.fromisoformat(token)
        except ValueError:
            raise _no_such_day(token) from None

    def datetime(self, token: Token) -> datetime:
        try:
            return datetime.fromisoformat(token.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            raise _no_such_day(token) from None

    def word(self, name: Token, number: Token | None = None) -> Literal:
        plain: dict[str, Literal] = {"true": True, "false": False, "null": None}
        lowered = name.lower()
        return plain[lowered] if lowered in plain else Word(name.upper(), int(number) if number else None)


_PARSER = Lark(
    (FilePath(__file__).parent / "soql.lark").read_text(encoding="utf-8"),
    parser="lalr",
    transformer=_Builder(),
)
