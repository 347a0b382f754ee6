"""T-SQL into the dialect of the engine that runs it.

`sql/` is written once, in T-SQL. SQL Server is given the text as it stands; for every other engine the text
is parsed by sqlglot and written anew. Only translation is done here: nothing is run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Literal

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.dialects.tsql import TSQL

Dialect = Literal["duckdb", "tsql", "postgres"]

_TEXT = {exp.DataType.Type.NVARCHAR, exp.DataType.Type.VARCHAR, exp.DataType.Type.TEXT}


def _portable_type(node: exp.Expr) -> exp.Expr:
    """Text without a length, and FLOAT as the double that T-SQL means by it.

    DuckDB refuses TEXT(MAX), and no length is enforced outside SQL Server; sqlglot takes FLOAT for a single.
    """
    if isinstance(node, exp.DataType) and node.this in _TEXT:
        return exp.DataType(this=exp.DataType.Type.TEXT)
    if isinstance(node, exp.DataType) and node.this == exp.DataType.Type.FLOAT:
        return exp.DataType(this=exp.DataType.Type.DOUBLE)
    return node


def _for_duckdb(node: exp.Expr) -> exp.Expr:
    """T-SQL's LTRIM and RTRIM take blanks away, DuckDB's every space that Unicode knows."""
    if isinstance(node, exp.Trim) and node.expression is None:
        node.set("expression", exp.Literal.string(" "))
    return node


def _for_postgres(node: exp.Expr) -> exp.Expr:
    """Text is ordered and compared by its bytes, as in every other engine, and folded by the rules of Unicode."""
    if isinstance(node, exp.Lower | exp.Upper):
        return type(node)(this=exp.Collate(this=node.this, expression=exp.to_identifier("und-x-icu", quoted=True)))
    if isinstance(node, exp.ColumnDef) and node.kind and node.kind.this in _TEXT:
        binary = exp.CollateColumnConstraint(this=exp.to_identifier("C", quoted=True))
        others = [c for c in node.constraints if not isinstance(c.kind, exp.CollateColumnConstraint)]
        node.set("constraints", [exp.ColumnConstraint(kind=binary), *others])
    if isinstance(node, exp.PrimaryKey):
        node.set("expressions", [e.this if isinstance(e, exp.Ordered) else e for e in node.expressions])
    return node


def _without_storage_clauses(tree: exp.Expr) -> exp.Expr:
    """Without collations, which only a server stores, and without key indexes.

    DuckDB's primary keys refuse a key that is deleted and inserted in one transaction, which is how results
    are stored; keys are held by the landing rules and by the engine's own check instead.
    """
    for constraint in list(tree.find_all(exp.ColumnConstraint)):
        if isinstance(constraint.kind, exp.CollateColumnConstraint):
            constraint.pop()
    for key in list(tree.find_all(exp.Constraint)):
        key.pop()
    return tree


@cache
def parse(text: str) -> tuple[exp.Expr, ...]:
    """The statements of a T-SQL text. The trees are shared: copy before changing one."""
    return tuple(tree for tree in sqlglot.parse(text, read="tsql") if tree is not None)


def _translated(text: str, dialect: Dialect) -> Iterator[exp.Expr]:
    for tree in parse(text):
        plain = tree.copy().transform(_portable_type)
        if dialect == "postgres":
            yield plain.transform(_for_postgres)
        else:
            yield _without_storage_clauses(plain.transform(_for_duckdb))


@cache
def translate(text: str, dialect: Dialect) -> tuple[str, ...]:
    """The statements of a T-SQL text in another dialect; parameters stay named (`$as_of` in DuckDB)."""
    if dialect == "tsql":
        return (text,)
    return tuple(tree.sql(dialect=dialect) for tree in _translated(text, dialect))


@cache
def parameter_names(text: str) -> frozenset[str]:
    """The names of the `@parameters` that a T-SQL text uses."""
    return frozenset(p.name for tree in parse(text) for p in tree.find_all(exp.Parameter))


Kind = Literal["null", "text", "long_text", "date", "timestamp", "whole", "real"]

#: The type that a parameter is declared with, in T-SQL. sqlglot writes them for the other engines.
_DECLARED: dict[Kind, str] = {
    "null": "NVARCHAR(4000)",
    "text": "NVARCHAR(4000)",
    "long_text": "NVARCHAR(MAX)",
    "date": "DATE",
    "timestamp": "DATETIME2(6)",
    "whole": "BIGINT",
    "real": "FLOAT",
}
_LONGEST_TEXT = 4000


@dataclass(frozen=True)
class Statement:
    """A statement for a driver that knows parameters by position only.

    Attributes:
        text: in the engine's dialect, a `?` where a parameter is.
        parameters: the name of the parameter at each `?`.
    """

    text: str
    parameters: tuple[str, ...]


def kind_of(value: object) -> Kind:
    """The kind of a parameter's value. Raises TypeError for one that no engine is given."""
    match value:
        case None:
            return "null"
        case bool():
            pass
        case str():
            return "text" if len(value) <= _LONGEST_TEXT else "long_text"
        case datetime():
            return "timestamp"
        case date():
            return "date"
        case int():
            return "whole"
        case float():
            return "real"
    raise TypeError(f"a parameter cannot be {type(value).__name__}")


@cache
def positional(text: str, kinds: tuple[tuple[str, Kind], ...], dialect: Dialect) -> tuple[Statement, ...]:
    """The statements of a T-SQL text, with its parameters by position and each of a declared type.

    SQL Server is given the text as it stands, behind a DECLARE of its parameters; a null is never bound, because a
    driver would have to guess its type.

    Args:
        kinds: the name and kind of each parameter that the text uses.
    """
    if dialect == "tsql":
        bound = tuple(name for name, kind in kinds if kind != "null")
        declared = ", ".join(
            f"@{name} {_DECLARED[kind]} = " + ("NULL" if kind == "null" else f"CAST(? AS {_DECLARED[kind]})")
            for name, kind in kinds
        )
        opening = "SET NOCOUNT ON;\n" + (f"DECLARE {declared};\n" if declared else "")
        return (Statement(opening + text, bound),)
    known = dict(kinds)
    statements = []
    for tree in _translated(text, dialect):
        written = tree.transform(_marked, known).sql(dialect=dialect, comments=False)
        statements.append(Statement(_MARK.sub("?", written), tuple(_MARK.findall(written))))
    return tuple(statements)


_MARK = re.compile(r"%\(memsync_(\w+)\)s")


def _marked(node: exp.Expr, kinds: dict[str, Kind]) -> exp.Expr:
    """A parameter as a mark that its place in the written text is found by, of a declared type."""
    if not isinstance(node, exp.Parameter):
        return node
    kind = kinds[node.name]
    if kind == "null":
        return exp.null()
    mark = exp.Placeholder(this=f"memsync_{node.name}")
    return exp.cast(mark, exp.DataType.build(_DECLARED[kind], dialect="tsql")).transform(_portable_type)


def inserting(text: str, table: str, columns: tuple[str, ...]) -> str:
    """A T-SQL SELECT as an INSERT of its rows: the text as written, `INSERT INTO` in front of its outermost SELECT."""
    depth = 0
    for token in TSQL().tokenize(text):
        if token.token_type == TokenType.SELECT and depth == 0:
            names = ", ".join(columns)
            return f"{text[: token.start]}INSERT INTO {table} ({names})\n{text[token.start :]}"
        depth += (token.token_type == TokenType.L_PAREN) - (token.token_type == TokenType.R_PAREN)
    raise ValueError("the text holds no SELECT")


def result_columns(text: str) -> tuple[str, ...]:
    """The names of a SELECT's columns."""
    (tree,) = parse(text)
    assert isinstance(tree, exp.Query)
    return tuple(tree.named_selects)
