"""T-SQL into the dialect of the engine that runs it.

`sql/` is written once, in T-SQL. SQL Server is given the text as it stands; for every other engine the text
is parsed by sqlglot and written anew. Only translation is done here: nothing is run.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import sqlglot
from sqlglot import exp

Dialect = Literal["duckdb", "tsql", "postgres"]

_TEXT = {exp.DataType.Type.NVARCHAR, exp.DataType.Type.VARCHAR, exp.DataType.Type.TEXT}


def _without_text_lengths(node: exp.Expr) -> exp.Expr:
    """Text without a length: DuckDB refuses TEXT(MAX), and no length is enforced outside SQL Server."""
    if isinstance(node, exp.DataType) and node.this in _TEXT:
        return exp.DataType(this=exp.DataType.Type.TEXT)
    return node


def _without_storage_clauses(tree: exp.Expr, dialect: Dialect) -> exp.Expr:
    """A CREATE TABLE without what only a server stores: collations, and (in DuckDB) key indexes.

    DuckDB's primary keys refuse a key that is deleted and inserted in one transaction, which is how results
    are stored; keys are held by the landing rules and by the engine's own check instead.
    """
    for constraint in list(tree.find_all(exp.ColumnConstraint)):
        if isinstance(constraint.kind, exp.CollateColumnConstraint):
            if dialect == "postgres":
                constraint.kind.set("this", exp.to_identifier("C", quoted=True))
            else:
                constraint.pop()
    if dialect == "duckdb":
        for key in list(tree.find_all(exp.Constraint)):
            key.pop()
    return tree


@cache
def parse(text: str) -> tuple[exp.Expr, ...]:
    """The statements of a T-SQL text. The trees are shared: copy before changing one."""
    return tuple(tree for tree in sqlglot.parse(text, read="tsql") if tree is not None)


@cache
def translate(text: str, dialect: Dialect) -> tuple[str, ...]:
    """The statements of a T-SQL text in another dialect; parameters stay named (`$as_of` in DuckDB)."""
    if dialect == "tsql":
        return (text,)
    statements = []
    for tree in parse(text):
        changed = tree.copy().transform(_without_text_lengths)
        if isinstance(changed, exp.Create):
            changed = _without_storage_clauses(changed, dialect)
        statements.append(changed.sql(dialect=dialect))
    return tuple(statements)


@cache
def parameter_names(text: str) -> frozenset[str]:
    """The names of the `@parameters` that a T-SQL text uses."""
    return frozenset(p.name for tree in parse(text) for p in tree.find_all(exp.Parameter))
