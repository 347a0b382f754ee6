"""Members stored by columns on SQL Server, where the settings ask for it (`mart: {columnstore: true}`).

Only the tables that every comparison reads whole, and that hold no long text. Their keys become nonclustered: a table
has one clustered index. Switching the setting off again leaves a table as it is.
"""

from __future__ import annotations

from memsync_assets.mart.engine import Mart

#: Each table with its key; none: an empty one.
_TABLES = {
    "source_members": "source_system, member_id, effective_date",
    "downstream_members": "",
}
_IS_STORED_BY_COLUMNS = "SELECT i.name FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(@table_name) AND i.type = 5"


def store_by_columns(mart: Mart) -> None:
    """Store the tables of a SQL Server by columns that are not yet, each in one transaction."""
    for table in _TABLES:
        if mart.fetch(_IS_STORED_BY_COLUMNS, {"table_name": table}).num_rows:
            continue
        with mart.transaction():
            for statement in _statements(table):
                mart.execute(statement)


def columnstore_batches(schema: str) -> list[str]:
    """The same as T-SQL batches that can be run again."""
    return [
        f"""\
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'{schema}.{table}') AND type = 5)
BEGIN
BEGIN TRANSACTION;
{"".join(f"{statement};{chr(10)}" for statement in _statements(table, f"{schema}."))}COMMIT TRANSACTION;
END;"""  # noqa: S608
        for table in _TABLES
    ]


def _statements(table: str, prefix: str = "") -> list[str]:
    key = _TABLES[table]
    by_columns = f"CREATE CLUSTERED COLUMNSTORE INDEX cs_{table} ON {prefix}{table}"
    if not key:
        return [by_columns]
    return [
        f"ALTER TABLE {prefix}{table} DROP CONSTRAINT pk_{table}",
        by_columns,
        f"ALTER TABLE {prefix}{table} ADD CONSTRAINT pk_{table} PRIMARY KEY NONCLUSTERED ({key})",
    ]
