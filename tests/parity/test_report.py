"""The workbook and the page: figures as in the mart, formulas that are live, nothing that a text could start."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import openpyxl
import pytest

from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.mart.schema import migrate
from memsync_assets.parity.comparison import compare_membership
from memsync_assets.parity.drift import watch_drift
from memsync_assets.parity.ledger import bring_ledger_up_to
from memsync_assets.parity.report.charts import Line, line_chart
from memsync_assets.parity.report.writing import Report, write_reports
from memsync_assets.settings import Home, Project
from tests.parity.oracle import Row, World
from tests.parity.worlds import AS_OF, settings, write

HOSTILE = "=cmd|' /C calc'!A0"


def row(member: str, **more: object) -> Row:
    values = {"group": "G1", "plan": "P", "termination_date": None, **more}
    return Row("a", member, values["group"], "CA", values["plan"], date(2025, 1, 1), values["termination_date"])


def world(source: list[Row], downstream: list[Row], as_of: date) -> World:
    flagged = frozenset({("a", "G1"), ("a", "=G2")})
    return World(tuple(source), tuple(downstream), flagged, frozenset(), None, as_of, None)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    mart = DuckDBMart()
    migrate(mart)
    source = [row(f"member-{n}") for n in range(40)] + [row(HOSTILE, group="=G2"), row("<b>bold</b>")]
    downstream = [row(f"member-{n}", plan="Q" if n < 12 else "P") for n in range(2, 43)]
    for days in (0, 14):
        there = world(source, downstream if days else source[5:], AS_OF + timedelta(days=days))
        write(mart, there)
        compare_membership(mart, settings(there), there.as_of)
        bring_ledger_up_to(mart, settings(there), there.as_of)
        watch_drift(mart, settings(there), there.as_of)
    home = Home(tmp_path_factory.mktemp("home"))
    (written,) = write_reports(mart, Project(settings(there), home, home.root))
    yield written
    mart.close()


def test_files_are_for_their_owner_only(report: Report) -> None:
    for path in (report.workbook, report.page):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(report.workbook.parent.stat().st_mode) == 0o700
    assert sorted(path.name for path in report.workbook.parent.iterdir()) == [report.page.name, report.workbook.name]


def test_formulas_are_live_and_carry_their_value(report: Report) -> None:
    live = openpyxl.load_workbook(report.workbook)
    shown = openpyxl.load_workbook(report.workbook, data_only=True)
    (total,) = report.figures.totals
    assert live["Summary"]["D5"].value == "=C5-B5"
    assert shown["Summary"]["D5"].value == total.variance == -1
    for level in ("source", "group", "state"):
        sheet = shown[f"By {level}"]
        head = [cell.value for cell in sheet[1]]
        for cells in sheet.iter_rows(min_row=2, values_only=True):
            line = dict(zip(head, cells, strict=True))
            assert line["Variance"] == line["Downstream members"] - line["Source members"]


def test_text_that_looks_like_a_formula_stays_text(report: Report) -> None:
    book = openpyxl.load_workbook(report.workbook)
    members = {cell.value: cell for cell in book["Members"]["D"]}
    assert members[HOSTILE].data_type == "s"
    assert [cell.data_type for cell in book["By group"]["C"] if cell.value == "=G2"] == ["s"]


def test_every_finding_is_in_the_members_sheet(report: Report) -> None:
    sheet = openpyxl.load_workbook(report.workbook, read_only=True)["Members"]
    found = [(cells[3], cells[1]) for cells in sheet.iter_rows(min_row=2, values_only=True)]
    assert len(found) == report.figures.members_found == len(set(found))
    assert (HOSTILE, "missing") in found
    assert ("member-42", "extra") in found
    assert ("member-5", "wrong_plan") in found


def test_the_page_is_whole_in_itself_and_names_no_member(report: Report) -> None:
    page = report.page.read_text(encoding="utf-8")
    assert "<script" not in page
    assert not re.findall(r"""(?:src|href)\s*=|url\(|@import""", page)
    assert "member-" not in page
    assert "=cmd" not in page
    assert "<b>bold" not in page


def test_the_page_answers_where_how_bad_since_when_who_and_what_next(report: Report) -> None:
    page = report.page.read_text(encoding="utf-8")
    for heading in ("How bad", "Where", "What to fix first", "Who, and by when", "Since when", "Next"):
        assert f"<h2>{heading}" in page
    assert "1 of 1 downstream systems differ; claims most, in 17 of 42 members." in page
    assert "plan P &gt; Q" in page


def test_ageing_counts_business_days(report: Report) -> None:
    left = {line["open_since"]: line["days_left"] for line in report.figures.ageing}
    assert left == {AS_OF: 1, AS_OF + timedelta(days=14): 10}


def test_drift_is_in_workbook_and_page(report: Report) -> None:
    assert [(row["kind"], row["system"], row["group_id"]) for row in report.figures.drift] == [
        ("vanished", "claims", "=G2")
    ]
    sheet = openpyxl.load_workbook(report.workbook)["Drift"]
    assert [cell.value for cell in sheet[2]][:5] == ["vanished", "claims", "a", "=G2", 1]
    assert "<td>vanished</td><td>claims</td><td>a =G2</td>" in report.page.read_text(encoding="utf-8")


def test_nothing_compared_gives_no_report(tmp_path: Path) -> None:
    mart = DuckDBMart()
    migrate(mart)
    empty = settings(world([], [], AS_OF))
    assert write_reports(mart, Project(empty, Home(tmp_path), tmp_path)) == []
    mart.close()


def test_a_chart_of_nothing_and_of_one_point_is_drawn() -> None:
    assert "polyline" not in line_chart([], [], "empty")
    assert ">7</text>" in line_chart(["2026-11-20"], [Line("<x>", (7,))], "one")
    assert "<x>" not in line_chart(["2026-11-20"], [Line("<x>", (7,))], "one")
