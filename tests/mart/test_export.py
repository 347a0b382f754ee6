"""What `memsync export` refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from memsync_assets import cli
from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.mart.export import PUBLIC, export_table
from memsync_assets.mart.lineage import schema_tables
from memsync_assets.settings import MemsyncError


def test_a_home_without_a_mart_is_refused_and_not_made(tmp_path: Path) -> None:
    home, file = tmp_path / "nowhere", tmp_path / "out.csv"
    ended = CliRunner().invoke(cli.app, ["export", "discrepancies", str(file), "--home", str(home)])
    assert isinstance(ended.exception, MemsyncError)
    assert f"{home}: there is no mart in this home." in str(ended.exception)
    assert not home.exists()
    assert not file.exists()


def test_the_tables_that_others_read_are_told_first(mart: DuckDBMart, tmp_path: Path) -> None:
    with pytest.raises(MemsyncError, match=r"there is no table nosuch\. Tables: membership_counts, discrepancies, "):
        export_table(mart, "nosuch", tmp_path / "out.csv")
    assert set(PUBLIC) <= schema_tables().keys()
