"""What every text under sql/ must keep to, so that SQL Server, PostgreSQL and DuckDB run it alike."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlglot import exp

from memsync_assets.mart.dialects import inserting, kind_of, parse, positional, result_columns, translate
from memsync_assets.mart.lineage import column_lineage, schema_tables
from memsync_assets.mart.queries import SQL, Query, all_queries, read_query

TEXTS = sorted(SQL.rglob("*.sql"))
#: DESIGN.md and facts/sqlserver.md say why. T-SQL has them; not every engine does, or not alike.
NOT_USED = re.compile(
    r"\b(MERGE|PATINDEX|CHECKSUM_AGG|WITH\s+TIES|CREATE\s+OR\s+ALTER|IS\s+(NOT\s+)?DISTINCT\s+FROM|GENERATE_SERIES"
    r"|STRING_SPLIT|SOUNDEX|UNPIVOT|GROUPING_ID|HASHBYTES|NOLOCK|ISNULL|CONVERT)\b"
)
#: The bytes that SQL Server gives the key of a clustered index.
KEY_BYTES = 900
_BYTES = {"BIGINT": 8, "INT": 4, "DATE": 3, "DATETIME2": 8, "TIMESTAMP": 8}


def _name(path: Path) -> str:
    return path.relative_to(SQL).as_posix()


@pytest.mark.parametrize("path", TEXTS, ids=_name)
def test_a_text_uses_what_every_engine_has(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    statements = re.sub(r"--.*", "", text)
    assert not NOT_USED.search(statements)
    # A driver may take it for a parameter, in a comment too.
    assert "?" not in text
    assert "SELECT *" not in statements
    # In a database of a binary collation, names are of that collation too.
    for tree in parse(text):
        for node in tree.find_all(exp.Identifier, exp.Parameter):
            assert node.name in ("Latin1_General_BIN2", node.name.lower())


@pytest.mark.parametrize("path", sorted((SQL / "schema").glob("*.sql")), ids=_name)
def test_a_key_fits_an_index_of_sql_server(path: Path) -> None:
    for tree in parse(path.read_text(encoding="utf-8")):
        if not isinstance(tree, exp.Create):
            continue
        kinds = {column.name: column.args["kind"] for column in tree.find_all(exp.ColumnDef)}
        for key in tree.find_all(exp.PrimaryKey):
            names = [part.this.name if isinstance(part, exp.Ordered) else part.name for part in key.expressions]
            assert sum(_bytes(kinds[name]) for name in names) <= KEY_BYTES, tree.this.this.name


@pytest.mark.parametrize("path", sorted((SQL / "schema").glob("*.sql")), ids=_name)
def test_every_text_compares_by_its_bytes_whatever_the_database_is_collated_by(path: Path) -> None:
    for tree in parse(path.read_text(encoding="utf-8")):
        for column in tree.find_all(exp.ColumnDef):
            if column.args["kind"].this == exp.DataType.Type.NVARCHAR:
                collations = [c.kind.this.name for c in column.constraints if c.find(exp.CollateColumnConstraint)]
                assert collations == ["Latin1_General_BIN2"], f"{tree.this.this.name}.{column.name}"


def _bytes(kind: exp.DataType) -> int:
    if kind.this == exp.DataType.Type.NVARCHAR:
        return 2 * int(kind.expressions[0].name)
    return _BYTES[kind.this.value]


def test_each_query_defines_a_table_of_the_schema_of_its_own() -> None:
    tables = [query.table for query in all_queries()]
    assert sorted(tables) == sorted(set(tables))
    for query in all_queries():
        columns = schema_tables()[query.table]
        assert isinstance(columns, dict)
        assert set(result_columns(query.text)) <= set(columns), query.name
        assert set(query.key) <= set(result_columns(query.text)), query.name


@pytest.mark.parametrize("query", all_queries(), ids=lambda query: query.name)
def test_lineage_ends_in_tables_of_the_schema(query: Query) -> None:
    lineage = column_lineage(query)
    assert set(lineage) == set(result_columns(query.text))
    for sources in lineage.values():
        for table, column in sources:
            assert column in schema_tables()[table]  # type: ignore[operator]


def test_lineage_follows_a_column_through_common_table_expressions() -> None:
    lineage = column_lineage(read_query("parity/membership_counts"))
    assert ("cell_counts", "source_count") in lineage["source_count"]
    assert ("cell_counts", "downstream_count") in lineage["variance"]


def test_a_query_becomes_an_insert_in_front_of_its_outermost_select() -> None:
    text = "-- é\nWITH a AS (SELECT 1 AS x)\n\nSELECT x FROM a WHERE x IN (SELECT 2) UNION ALL SELECT 3"
    assert inserting(text, "#t", ("x",)) == text.replace("\n\nSELECT", "\n\nINSERT INTO #t (x)\nSELECT")


def test_server_statements_bind_by_position_and_type() -> None:
    text = "SELECT @b AS b, x.a FROM x WHERE x.d > @d AND x.a = @b AND x.n = @n"
    kinds = tuple((name, kind_of(value)) for name, value in (("b", "?"), ("d", None), ("n", 1)))
    (postgres,) = positional(text, kinds, "postgres")
    assert postgres.parameters == ("b", "b", "n")
    assert postgres.text == (
        "SELECT CAST(? AS TEXT) AS b, x.a FROM x WHERE x.d > NULL AND x.a = CAST(? AS TEXT) AND x.n = CAST(? AS BIGINT)"
    )
    (tsql,) = positional(text, kinds, "tsql")
    assert tsql.parameters == ("b", "n")
    assert tsql.text.endswith(text)
    assert "@b NVARCHAR(4000) = CAST(? AS NVARCHAR(4000)), @d NVARCHAR(4000) = NULL, @n BIGINT" in tsql.text


def test_a_parameter_that_no_engine_takes_is_refused() -> None:
    for value in (True, b"x", [1], object()):
        with pytest.raises(TypeError, match="a parameter cannot be"):
            kind_of(value)


def test_storage_clauses_are_for_servers() -> None:
    text = "CREATE TABLE t (a NVARCHAR(9) COLLATE Latin1_General_BIN2 NOT NULL, CONSTRAINT pk_t PRIMARY KEY (a))"
    assert translate(text, "duckdb") == ("CREATE TABLE t (a TEXT NOT NULL)",)
    assert translate(text, "postgres") == (
        'CREATE TABLE t (a TEXT COLLATE "C" NOT NULL, CONSTRAINT pk_t PRIMARY KEY (a))',
    )
    assert translate(text, "tsql") == (text,)
