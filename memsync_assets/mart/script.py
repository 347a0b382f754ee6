"""The whole deployment on SQL Server as one T-SQL script, for a DBA who runs things by hand.

Schema, tables, roles with their grants, and a stored procedure for each query under `sql/`, made of the same SELECT and
of the same statements that `ServerMart.store` runs. Nothing is run here. The script can be run again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from memsync_assets.mart import storing
from memsync_assets.mart.columnstore import columnstore_batches
from memsync_assets.mart.dialects import result_columns
from memsync_assets.mart.engine import Replace, ReplacePartition, Storage, Upsert
from memsync_assets.mart.lineage import schema_tables
from memsync_assets.mart.queries import SQL, Query, all_queries, read_query
from memsync_assets.mart.schema import VERSIONS
from memsync_assets.mart.sqlserver import SCHEMA

_COMPARISON = ReplacePartition(("reconciliation", "as_of", "downstream_system"))
#: How results are stored that do not become their whole table, as the callers of `Mart.store` declare it.
STORAGES: dict[str, Storage] = {
    "parity/reconciliation_scope": ReplacePartition(("reconciliation", "as_of")),
    "parity/discrepancy_cells": _COMPARISON,
    "parity/discrepancies": _COMPARISON,
    "parity/membership_counts": _COMPARISON,
    "parity/discrepancy_ledger": ReplacePartition(("reconciliation", "downstream_system")),
    "salesforce/salesforce_sync_results": ReplacePartition(("plan_hash",)),
    "salesforce/dead_letters": Upsert(read_query("salesforce/dead_letters").key),
}
#: The types of parameters that are no text.
PARAMETER_TYPES = {
    "as_of": "DATE",
    "due_on": "DATE",
    "cutoff_at": "DATETIME2(6)",
    "more_than_members": "BIGINT",
    "block_size": "BIGINT",
    "rare_name": "BIGINT",
    "rare_title": "BIGINT",
    "direct_contacts": "BIGINT",
    "direct_surnames": "BIGINT",
    "many_names": "BIGINT",
    "chance": "FLOAT",
}
_TEXT = "NVARCHAR(4000)"
_OPENING = f"""\
-- memsync's data mart on SQL Server 2017 or later, or Azure SQL: all of it in the schema {SCHEMA}. Run it as the
-- database's owner, with sqlcmd -b, so that it ends at the first error. It can be run again: tables that are there are
-- kept, procedures are made anew. Afterwards, for each login that is to use the mart:
--   CREATE USER [...] FOR LOGIN [...] WITH DEFAULT_SCHEMA = {SCHEMA};
--   ALTER ROLE {SCHEMA}_loader ADD MEMBER [...];  -- memsync itself
SET ANSI_NULLS ON;
SET QUOTED_IDENTIFIER ON;
SET XACT_ABORT ON;
SET NOCOUNT ON;"""
_CREATE_TABLE = re.compile(r"^CREATE TABLE (?=\w)", re.MULTILINE)


def deployment_script(*, columnstore: bool = False) -> str:
    """The script; batches end in GO, as sqlcmd and Management Studio take it.

    Args:
        columnstore: tables of members are stored by columns, see `columnstore`.
    """
    batches = [_OPENING, *_schema(), *_tables(), *(columnstore_batches(SCHEMA) if columnstore else []), *_roles()]
    batches += [batch for query in all_queries() for batch in _procedure(query)]
    return "".join(f"{batch.rstrip()}\nGO\n\n" for batch in batches)


def storage_of(query: Query) -> Storage:
    """How a query's result is stored."""
    return STORAGES.get(query.name, Replace())


def _schema() -> Iterator[str]:
    yield f"IF SCHEMA_ID(N'{SCHEMA}') IS NULL EXEC (N'CREATE SCHEMA {SCHEMA}');"
    versions = _CREATE_TABLE.sub(f"CREATE TABLE {SCHEMA}.", VERSIONS)
    yield f"IF OBJECT_ID(N'{SCHEMA}.schema_versions', N'U') IS NULL\n    {versions};"


def _tables() -> Iterator[str]:
    for path in sorted((SQL / "schema").glob("*.sql")):
        text = _CREATE_TABLE.sub(f"CREATE TABLE {SCHEMA}.", path.read_text(encoding="utf-8")).strip()
        yield f"""\
IF NOT EXISTS (SELECT 1 FROM {SCHEMA}.schema_versions WHERE version = N'{path.stem}')
BEGIN
BEGIN TRANSACTION;
{text}
INSERT INTO {SCHEMA}.schema_versions (version) VALUES (N'{path.stem}');
COMMIT TRANSACTION;
END;"""  # noqa: S608


def _roles() -> Iterator[str]:
    reader, steward, loader = (f"{SCHEMA}_{role}" for role in ("reader", "steward", "loader"))
    for role in (reader, steward, loader):
        yield f"IF DATABASE_PRINCIPAL_ID(N'{role}') IS NULL CREATE ROLE {role};"
    yield "\n".join(
        [
            f"-- {reader}: counts, plans and results; no table with rows of members.",
            *(f"GRANT SELECT ON {SCHEMA}.{table} TO {reader};" for table in _tables_without_members()),
            f"-- {steward}: works discrepancies and quarantined contacts off, and sees all rows.",
            f"GRANT SELECT ON SCHEMA::{SCHEMA} TO {steward};",
            f"-- {loader}: memsync itself, and SQL Agent. Tables that follow the upload specifications are made by",
            "-- memsync, and so are the tables of a newer version.",
            f"GRANT SELECT, INSERT, UPDATE, DELETE, EXECUTE, ALTER ON SCHEMA::{SCHEMA} TO {loader};",
            f"GRANT CREATE TABLE TO {loader};",
        ]
    )


def _tables_without_members() -> list[str]:
    tables = schema_tables().items()
    return sorted(name for name, columns in tables if isinstance(columns, dict) and "member_id" not in columns)


def _procedure(query: Query) -> Iterator[str]:
    name = f"{SCHEMA}.store_{query.table}"
    storage = storage_of(query)
    names = set(query.parameters)
    if isinstance(storage, ReplacePartition):
        names |= set(storage.columns)
    parameters = ",".join(f"\n    @{name} {PARAMETER_TYPES.get(name, _TEXT)}" for name in sorted(names))
    columns = ", ".join(result_columns(query.text))
    room = storing.make_room(query.table, storage)
    yield f"IF OBJECT_ID(N'{name}', N'P') IS NOT NULL DROP PROCEDURE {name};"
    yield f"""\
CREATE PROCEDURE {name}{parameters}
AS
BEGIN
SET NOCOUNT ON;
SET XACT_ABORT ON;
DECLARE @lock_result INT;
BEGIN TRANSACTION;
EXEC @lock_result = sp_getapplock
    @Resource = N'memsync mart {SCHEMA}', @LockMode = 'Exclusive', @LockOwner = 'Transaction', @LockTimeout = 0;
IF @lock_result < 0 THROW 50001, 'Another memsync writes to this mart.', 1;
SELECT TOP (0) {columns} INTO {storing.WORKING_TABLE} FROM {query.table};
{storing.collect(query).rstrip()};
{_key_check(query)}{f"{room};" if room else ""}
{storing.put(query)};
{storing.drop()};
COMMIT TRANSACTION;
END;"""  # noqa: S608


def _key_check(query: Query) -> str:
    if not query.key:
        return ""
    repeated = storing.repeated_keys(query)
    return f"IF EXISTS ({repeated}) THROW 50002, '{query.table}: a key is repeated.', 1;\n"
