"""`memsync mart script` as T-SQL that a DBA can run. sqlfluff reads it; no SQL Server is at hand."""

from __future__ import annotations

import re

import pytest
import sqlfluff
from typer.testing import CliRunner

from memsync_assets.cli import app
from memsync_assets.mart.lineage import schema_tables
from memsync_assets.mart.queries import SQL, Query, all_queries
from memsync_assets.mart.script import STORAGES, deployment_script


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


def test_storages_name_queries() -> None:
    assert set(STORAGES) <= {query.name for query in all_queries()}
