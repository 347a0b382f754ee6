"""A report's figures, causes among them, are the same whichever engine holds the mart."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.mart.engine import Mart
from memsync_assets.mart.postgres import Postgres
from memsync_assets.mart.schema import migrate
from memsync_assets.mart.server_mart import ServerMart
from memsync_assets.parity.comparison import compare_membership
from memsync_assets.parity.drift import watch_drift
from memsync_assets.parity.ledger import bring_ledger_up_to
from memsync_assets.parity.report.figures import Figures, read_figures, read_findings
from tests.parity.oracle import Row, World
from tests.parity.worlds import AS_OF, settings, write

CHANGED = datetime(2026, 11, 16, 2)


def members(group: str, count: int, plan: str | None = "P") -> list[Row]:
    return [Row("a", f"{group}-{n}", group, "CA", plan, date(2025, 1, 1), None) for n in range(count)]


def figures(mart: Mart) -> tuple[Figures, list[dict[str, object]]]:
    """Of the second of two loads: a group moved to another plan, another lost some members."""
    for days in (0, 7):
        moved = [replace(row, plan_code="Q" if days else "P", changed_at=CHANGED) for row in members("MOVED", 20)]
        source = (*moved, *members("LOST", 20), *members("none", 200, None))
        downstream = (*members("MOVED", 20), *members("LOST", 20 - days), *members("none", 200, None))
        groups = frozenset({("a", group) for group in ("MOVED", "LOST", "none")})
        world = World(source, downstream, groups, frozenset(), None, AS_OF + timedelta(days=days), None)
        write(mart, world)
        compare_membership(mart, settings(world), world.as_of)
        bring_ledger_up_to(mart, settings(world), world.as_of)
        watch_drift(mart, settings(world), world.as_of)
    read = read_figures(mart, settings(world), "ihm", world.as_of)
    found = [row for table in read_findings(mart, read) for row in table.to_pylist()]
    return replace(read, loads=[]), found


@pytest.mark.postgres
def test_figures_are_those_of_the_embedded_mart(mart: DuckDBMart, postgres: str) -> None:
    server = ServerMart(Postgres(), postgres)
    try:
        migrate(server)
        there, found = figures(server)
    finally:
        server.close()
    here, found_here = figures(mart)
    assert found == found_here
    assert there == here
    assert [cause.text for cause in here.causes] == [
        "group a MOVED, plan Q, changed on 2026-11-15: all 20 members have another plan in claims: plan P",
        "group a LOST, plan P: 7 of 20 members are missing in claims",
    ]
