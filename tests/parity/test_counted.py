"""Downstream systems that deliver counts: compared on the counts' own date, and told where they are not."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest
from typer.testing import CliRunner, Result

from memsync_assets import cli
from memsync_assets.automation.instance import open_instance
from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.parity.checks import check_keys
from memsync_assets.parity.comparison import compare_membership
from memsync_assets.parity.gaps import Gap, find_gaps
from memsync_assets.settings import Settings, System, load_settings
from tests.landing.landed import Landing, member
from tests.parity.test_comparison import world
from tests.parity.worlds import AS_OF, X, row, settings, write

LATER = date(2026, 11, 21)
WHY = "its counts are of 2026-11-20; `memsync run --as-of 2026-11-20` compares them"


@pytest.fixture
def counting(mart: DuckDBMart) -> DuckDBMart:
    """The downstream system counts two members of G1 in CA, of which the source has one."""
    for table in ("downstream_counts", "load_tables", "membership_counts"):
        mart.execute(f"DELETE FROM {table}")
    write(mart, world([row()], []))
    counts = {"downstream_system": X, "source_system": "a", "group_id": "G1", "state_code": "CA", "member_count": 2}
    brought = {"system": X, "load_id": AS_OF.isoformat(), "table_name": "member_counts", "row_count": 1}
    mart.append("downstream_counts", pa.Table.from_pylist([counts]))
    mart.append("load_tables", pa.Table.from_pylist([brought | {"expected_rows": 1}]))
    return mart


def configured(**changes: object) -> Settings:
    block = settings(world([], [])).reconciliations["ihm"].model_copy(update=changes)
    return Settings(reconciliations={"ihm": block})


def test_counts_make_up_no_plan(counting: DuckDBMart) -> None:
    of = configured(levels=("source", "plan"))
    (compared,) = compare_membership(counting, of, AS_OF)
    assert compared.cells == 1
    assert counting.fetch("SELECT level FROM membership_counts")["level"].to_pylist() == ["source"]
    assert find_gaps(counting, of, AS_OF) == [Gap("ihm", X, "plan", "its counts have no plans")]


def test_each_reason_not_to_compare_is_told(counting: DuckDBMart) -> None:
    of = configured(levels=("source",))
    assert find_gaps(counting, of, AS_OF) == []
    assert find_gaps(counting, of, LATER) == [Gap("ihm", X, "source", WHY, warns=True)]
    (gap,) = find_gaps(counting, configured(levels=("source",), counted="subscribers"), AS_OF)
    assert gap.why == "it delivers counts of members, and subscribers are counted here"
    waiting = of.model_copy(update={"systems": {"billing": System(role="downstream")}})
    assert find_gaps(counting, waiting, AS_OF) == [Gap("ihm", "billing", "source", "no load of it has been applied")]


def run(landing: Landing, config: Path, *more: str) -> Result:
    where = ["--landing", str(landing.project.landing), "--home", str(landing.project.home.root)]
    return CliRunner().invoke(cli.app, ["run", *where, "--config", str(config), *more])


def test_counts_of_an_earlier_date_are_told_and_compared_when_it_is_asked_for(landing: Landing, tmp_path: Path) -> None:
    config = tmp_path / "memsync.yaml"
    config.write_text("reconciliations: {ihm: {scope: {flagged: true}, levels: [source]}}\n")
    groups = [{"group_id": "G1", "group_name": "Acme", "ihm_indicator": "Y"}]
    landing.write("a", "1", {"members": [member("1")], "groups": groups}, manifest={"as_of": "2026-11-21"})
    counts = {"source_system": "a", "group_id": "G1", "state_code": "CA", "member_count": 2}
    landing.write("claims", "1", {"member_counts": [counts]})

    ended = run(landing, config)
    assert ended.exit_code == 0, ended.output
    assert f"not compared ihm with claims: {WHY}" in ended.output
    assert "ihm-2026-11-21.xlsx" in ended.output
    (key,) = check_keys(["claims"], load_settings(config))
    with open_instance(landing.project.home) as instance:
        record = instance.get_latest_asset_check_evaluation_record(key)
    check = record and record.event and record.event.asset_check_evaluation
    assert check
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert check.description == f"ihm: not compared: {WHY}"

    asked = run(landing, config, "--as-of", "2026-11-20")
    assert asked.exit_code == 3
    assert "not compared" not in asked.output
    assert "ihm-2026-11-20.xlsx" in asked.output
    assert "ihm-2026-11-21" not in asked.output
