"""`memsync mart script` as T-SQL that a DBA can run: read by sqlfluff, and run where a SQL Server is at hand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyodbc
import pytest
import sqlfluff
from typer.testing import CliRunner

from memsync_assets.cli import app
from memsync_assets.mart.engine import MartRefusedError
from memsync_assets.mart.lineage import schema_tables
from memsync_assets.mart.queries import SQL, Query, all_queries
from memsync_assets.mart.script import STORAGES, deployment_script
from memsync_assets.mart.server_mart import ServerMart
from memsync_assets.mart.sqlserver import SqlServer

_SCHEMA_OBJECTS = """
SELECT CASE o.type WHEN 'U' THEN 'TABLE' ELSE 'PROCEDURE' END AS kind, o.name FROM sys.objects AS o
WHERE o.schema_id = SCHEMA_ID(N'memsync') AND o.type IN ('U', 'P')
"""
#: Names of objects are found when a procedure runs, and not when it is made.
_PARAMETERS = "SELECT p.name FROM sys.parameters AS p WHERE p.object_id = OBJECT_ID(CONCAT(N'memsync.', ?))"


@pytest.fixture(scope="module")
def batches() -> list[str]:
    script = CliRunner().invoke(app, ["mart", "script"])
    assert script.exit_code == 0
    assert script.output == deployment_script()
    return [batch.strip() for batch in script.output.split("\nGO\n") if batch.strip()]


def test_the_batches_are_t_sql(batches: list[str]) -> None:
    """All that is not a text of sql/ itself, which `make check` reads; of procedures, one of each storage."""
    read = [batch for batch in batches if "CREATE PROCEDURE" not in batch and "CREATE TABLE memsync.loads" not in batch]
    stored = ("persons", "discrepancy_ledger", "dead_letters")
    read += [batch for batch in batches for table in stored if f"CREATE PROCEDURE memsync.store_{table}\n" in batch]
    for batch in read:
        if "DROP PROCEDURE" not in batch and "memsync.schema_versions (version)" not in batch:
            sqlfluff.parse(f"{batch}\n", dialect="tsql")
    assert len(read) > len(stored)


def test_every_table_is_made_in_the_schema_and_once(batches: list[str]) -> None:
    made = re.findall(r"CREATE TABLE (\S+) \(", "\n".join(batches))
    assert sorted(made) == sorted(f"memsync.{table}" for table in [*schema_tables(), "schema_versions"])
    for path in (SQL / "schema").glob("*.sql"):
        (batch,) = (b for b in batches if f"VALUES (N'{path.stem}')" in b)
        assert batch.startswith("IF NOT EXISTS (SELECT 1 FROM memsync.schema_versions")


@pytest.mark.parametrize("query", all_queries(), ids=lambda query: query.name)
def test_a_procedure_stores_each_query(query: Query, batches: list[str]) -> None:
    (batch,) = (b for b in batches if f"CREATE PROCEDURE memsync.store_{query.table}\n" in b)
    head, _, body = batch.partition("\nAS\n")
    declared = set(re.findall(r"@(\w+)", head)) | {"lock_result"}
    used = set(re.findall(r"(?<!@)@([a-z]\w*)", re.sub(r"--.*", "", body)))
    assert used <= declared
    select = query.text[query.text.rindex("\nSELECT" if "\nSELECT" in query.text else "SELECT") :].strip()
    assert select in body
    order = [body.index(part) for part in ("BEGIN TRANSACTION", "sp_getapplock", "INTO #memsync_result FROM")]
    order += [body.index(f"INSERT INTO {query.table} ("), body.index("COMMIT TRANSACTION")]
    assert order == sorted(order)
    assert ("THROW 50002" in body) == bool(query.key)


def test_readers_see_no_row_of_a_member_and_only_the_loader_writes(batches: list[str]) -> None:
    grants = re.findall(r"^GRANT (.+) TO (\w+);", "\n".join(batches), re.MULTILINE)
    of_readers = {grant for grant, role in grants if role == "memsync_reader"}
    assert all(grant.startswith("SELECT ON memsync.") for grant in of_readers)
    for hidden in ("source_members", "downstream_members", "discrepancies", "discrepancy_ledger", "member_findings"):
        assert f"SELECT ON memsync.{hidden}" not in of_readers
    assert "SELECT ON memsync.membership_counts" in of_readers
    writers = {role for grant, role in grants if re.search("INSERT|UPDATE|DELETE|EXECUTE|ALTER|CREATE", grant)}
    assert writers == {"memsync_loader"}


def test_the_whole_script_is_ascii_so_that_no_code_page_spoils_it(batches: list[str]) -> None:
    assert "\n".join(batches).isascii()


def test_no_construct_is_newer_than_sql_server_2017(batches: list[str]) -> None:
    """Nor one of another engine's: what follows is accepted by sqlglot, or by a later server, and not by that one."""
    script = re.sub(r"--.*|N?'(?:[^']|'')*'", "", "\n".join(batches))
    newer = (
        r"\b(GREATEST|LEAST|STRING_SPLIT|DATETRUNC|GENERATE_SERIES|WINDOW|LIMIT|USING|BOOLEAN|TRUE|FALSE)\b"
        r"|\bFILTER\s*\(|\|\||::(?!memsync)"
    )
    assert not re.search(newer, script)
    # Without this, its result ends at 8,000 bytes with an error.
    for argument in re.findall(r"STRING_AGG\((.*)", script):
        assert re.match(r"CAST\([\w.]+ AS NVARCHAR\(MAX\)\)", argument)


def test_members_are_stored_by_columns_where_the_configuration_asks_for_it(tmp_path: Path) -> None:
    config = tmp_path / "memsync.yaml"
    config.write_text(
        "mart: {engine: sqlserver, columnstore: true}\nreconciliations: {ihm: {scope: {flagged: true}}}\n"
    )
    script = CliRunner().invoke(app, ["mart", "script", "--config", str(config)]).output
    made = [batch.strip() for batch in script.split("\nGO\n") if "COLUMNSTORE" in batch]
    assert len(made) == 2
    for batch in made:
        sqlfluff.parse(f"{batch}\n", dialect="tsql")
    members, downstream = made
    steps = ("DROP CONSTRAINT pk_source_members", "COLUMNSTORE INDEX cs_source_members ON memsync.source_members")
    steps += ("pk_source_members PRIMARY KEY NONCLUSTERED (source_system, member_id, effective_date)",)
    assert sorted(members.index(step) for step in steps) == [members.index(step) for step in steps]
    assert "CONSTRAINT" not in downstream
    assert (
        script.index("CREATE TABLE memsync.source_members") < script.index("COLUMNSTORE") < script.index("CREATE ROLE")
    )
    assert script.replace("".join(f"{batch}\nGO\n\n" for batch in made), "") == deployment_script()


@pytest.fixture
def server(sqlserver: str) -> Iterator[pyodbc.Connection]:
    """A SQL Server without the schema of the script, to a user whose own schema is another."""
    with closing(pyodbc.connect(sqlserver, autocommit=True)) as connection:
        if connection.execute("SELECT SCHEMA_NAME()").fetchval() == "memsync":
            pytest.skip("the default schema of the tests' user is memsync, which this test makes and removes")
        yield connection


def _run(connection: pyodbc.Connection, batch: str) -> None:
    """All of a batch: a driver tells of an error when the results before it have been read."""
    cursor = connection.execute(batch)
    while cursor.nextset():
        pass


@pytest.mark.sqlserver
def test_a_sql_server_takes_the_script_twice_and_its_procedures_store(
    server: pyodbc.Connection, sqlserver: str, batches: list[str]
) -> None:
    for _ in range(2):
        for batch in batches:
            # Roles and their grants are left out: the login of the tests may not be able to make them.
            if not batch.startswith(("IF DATABASE_PRINCIPAL_ID", "-- memsync_reader")):
                _run(server, batch)
    made = {
        kind: {row[1] for row in server.execute(_SCHEMA_OBJECTS) if row[0] == kind} for kind in ("TABLE", "PROCEDURE")
    }
    assert made["TABLE"] == {*schema_tables(), "schema_versions"}
    assert made["PROCEDURE"] == {f"store_{query.table}" for query in all_queries()}
    server.execute(
        "INSERT INTO memsync.employer_groups (source_system, group_id, group_name, phone)"
        " VALUES (N'a', N'G1', N'One', N' 312 555 0100 '), (N'a', N'g1', N'Two', NULL)"
    )
    with pytest.raises(MartRefusedError, match="default schema"):
        ServerMart(SqlServer(), sqlserver)
    for procedure in sorted(made["PROCEDURE"]):
        names = server.execute(_PARAMETERS, procedure).fetchall()
        _run(server, f"EXEC memsync.{procedure} {', '.join(f'{name} = NULL' for (name,) in names)}")
    for _ in range(2):
        _run(server, "EXEC memsync.store_group_values")
        rows = server.execute("SELECT group_id, phone_raw FROM memsync.group_values ORDER BY group_id").fetchall()
        assert [tuple(row) for row in rows] == [("G1", "312 555 0100"), ("g1", None)]


def test_storages_name_queries() -> None:
    assert set(STORAGES) <= {query.name for query in all_queries()}
