"""Which columns a query's columns come from, read out of its SQL by sqlglot."""

from __future__ import annotations

from functools import cache

from sqlglot import exp
from sqlglot.lineage import lineage
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import build_scope

from memsync_assets.mart.dialects import parse
from memsync_assets.mart.queries import SQL, Query

ColumnLineage = dict[str, frozenset[tuple[str, str]]]


@cache
def schema_tables() -> dict[str, object]:
    """Every table of `sql/schema/` with its columns."""
    tables: dict[str, object] = {}
    for path in sorted((SQL / "schema").glob("*.sql")):
        for tree in parse(path.read_text(encoding="utf-8")):
            if isinstance(tree, exp.Create) and isinstance(tree.this, exp.Schema):
                columns = tree.this.find_all(exp.ColumnDef)
                tables[tree.this.this.name] = {c.name: "text" for c in columns}
    return tables


@cache
def column_lineage(query: Query) -> ColumnLineage:
    """For each column of the query, the (table, column) pairs of the mart that its values come from."""
    (tree,) = parse(query.text)
    qualified = qualify(tree.copy(), schema=schema_tables(), dialect="tsql", validate_qualify_columns=False)
    assert isinstance(qualified, exp.Query)
    # Qualified once for all columns: sqlglot would do it for each.
    scope = build_scope(qualified)
    found: ColumnLineage = {}
    for column in qualified.named_selects:
        root = lineage(column, qualified, schema=schema_tables(), dialect="tsql", scope=scope, trim_selects=False)
        sources = {
            (node.source.name, node.name.split(".")[-1].strip('"[]'))
            for node in root.walk()
            if isinstance(node.source, exp.Table)
        }
        found[column] = frozenset(sources)
    return found
