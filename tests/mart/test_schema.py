"""An older mart migrates itself, file by file; a newer one is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from memsync_assets.mart import schema
from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.mart.engine import Mart
from memsync_assets.mart.lineage import schema_tables
from memsync_assets.mart.queries import SQL
from memsync_assets.settings import MemsyncError
from tests.mart.conftest import ENGINES

FILES = [path.stem for path in sorted((SQL / "schema").glob("*.sql"))]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_new_mart_has_every_table_and_is_made_once(engine: str, open_engine: Callable[[str], Mart]) -> None:
    mart = open_engine(engine)
    for table, columns in schema_tables().items():
        assert list(mart.columns(table)) == list(columns), table  # type: ignore[call-overload]
    assert schema.migrate(mart) == []


def test_an_older_mart_is_brought_up_to_date_and_keeps_its_rows() -> None:
    mart = DuckDBMart()
    assert schema.migrate(mart) == FILES
    of_the_last = [table for table in schema_tables() if f"CREATE TABLE {table} (" in _text(FILES[-1])]
    for table in of_the_last:
        mart.execute(f"DROP TABLE {table}")
    mart.execute("DELETE FROM schema_versions WHERE version = @version", {"version": FILES[-1]})
    mart.execute("INSERT INTO org_units (source_system, org_unit_id, org_unit_name) VALUES ('a', 'U', 'Unit')")
    assert schema.migrate(mart) == FILES[-1:]
    assert mart.fetch("SELECT COUNT(*) AS n FROM org_units")["n"].to_pylist() == [1]
    assert all(mart.columns(table) for table in schema_tables())
    mart.close()


def _text(version: str) -> str:
    return (SQL / "schema" / f"{version}.sql").read_text(encoding="utf-8")


def test_a_file_that_fails_leaves_nothing_of_itself() -> None:
    mart = DuckDBMart()
    mart.execute("CREATE TABLE discrepancy_ledger (in_the_way INT)")
    with pytest.raises(Exception, match="discrepancy_ledger"):
        schema.migrate(mart)
    applied = mart.fetch("SELECT v.version FROM schema_versions AS v ORDER BY v.version")["version"].to_pylist()
    failing = next(version for version in FILES if "CREATE TABLE discrepancy_ledger" in _text(version))
    assert applied == FILES[: FILES.index(failing)]
    assert mart.columns("membership_counts") == {}
    mart.execute("DROP TABLE discrepancy_ledger")
    assert schema.migrate(mart) == FILES[FILES.index(failing) :]
    mart.close()


def test_a_newer_mart_is_refused() -> None:
    mart = DuckDBMart()
    schema.migrate(mart)
    mart.execute("INSERT INTO schema_versions (version) VALUES ('9999_later')")
    with pytest.raises(MemsyncError, match="9999_later, made by a newer memsync"):
        schema.migrate(mart)
    mart.close()
