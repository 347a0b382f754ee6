"""The workbook and the page: figures as in the mart, formulas that are live, nothing that a text could start."""

from __future__ import annotations

import re
import stat
import zipfile
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from xml.etree import ElementTree

import dagster as dg
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from memsync_assets.mart.connect import open_mart
from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.mart.schema import migrate
from memsync_assets.parity.assets import ihm_discrepancy_report
from memsync_assets.parity.comparison import compare_membership
from memsync_assets.parity.drift import watch_drift
from memsync_assets.parity.ledger import bring_ledger_up_to
from memsync_assets.parity.report.charts import Line, line_chart
from memsync_assets.parity.report.writing import Report, write_reports
from memsync_assets.settings import Home, Project, Settings
from tests.parity.oracle import Row, World
from tests.parity.test_subscribers import readme_block
from tests.parity.worlds import AS_OF, row, settings, write

#: openpyxl reads no sparklines and no data bars of Excel 2010.
pytestmark = pytest.mark.filterwarnings("ignore:.*xtension is not supported:UserWarning")
HOSTILE = "=cmd|' /C calc'!A0"


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
    (row,) = [cell.row for cell in live["Summary"]["D"] if str(cell.value).startswith("=C")]
    assert live["Summary"][f"D{row}"].value == f"=C{row}-B{row}"
    assert shown["Summary"][f"D{row}"].value == total.variance == -1
    assert shown["Summary"][f"H{row}"].value == total.agreement
    for level in ("source", "group", "state"):
        sheet = shown[f"By {level}"]
        head = [cell.value for cell in sheet[1]]
        for cells in sheet.iter_rows(min_row=2, values_only=True):
            line = dict(zip(head, cells, strict=True))
            assert line["Variance (net)"] == line["Downstream members"] - line["Source members"]


def test_text_that_looks_like_a_formula_stays_text(report: Report) -> None:
    book = openpyxl.load_workbook(report.workbook)
    members = {cell.value: cell for cell in book["Members"]["D"]}
    assert members[HOSTILE].data_type == "s"
    assert [cell.data_type for cell in book["By group"]["C"] if cell.value == "=G2"] == ["s"]


def test_every_finding_is_in_the_members_sheet(report: Report) -> None:
    sheet = openpyxl.load_workbook(report.workbook, read_only=True)["Members"]
    found = [(cells[3], cells[1]) for cells in sheet.iter_rows(min_row=2, values_only=True)]
    assert len(found) == report.figures.rows == len(set(found))
    assert report.members is None
    assert (HOSTILE, "missing") in found
    assert ("member-42", "extra") in found
    assert ("member-5", "wrong_plan") in found


def test_the_counts_lead_to_the_first_of_their_members(report: Report) -> None:
    live, shown = (openpyxl.load_workbook(report.workbook, data_only=data) for data in (False, True))
    members = {row: [cell.value for cell in cells] for row, cells in enumerate(live["Members"].iter_rows(), 1)}
    for level in ("source", "group"):
        (column,) = [cell.column for cell in live[f"By {level}"][1] if cell.value == "Findings (gross)"]
        links = {cells[2].value: cells[column - 1].value for cells in live[f"By {level}"].iter_rows(min_row=2)}
        assert len(links) == (1 if level == "source" else 2)
        for group, link in links.items():
            at = int(re.findall(r'^=HYPERLINK\("#Members!A(\d+)",\d+\)$', link)[0])
            if level == "group":
                assert group in (members[at][4], members[at][5])
                assert group not in (members[at - 1][4], members[at - 1][5])
        assert shown[f"By {level}"].cell(2, column).value == report.figures.level(level)[0]["findings"]


def test_each_level_is_filtered_frozen_marked_and_drawn_over_time(report: Report) -> None:
    book = openpyxl.load_workbook(report.workbook)
    with zipfile.ZipFile(report.workbook) as parts:
        sheets = {name: parts.read(name).decode() for name in parts.namelist() if "worksheets/sheet" in name}
    for number, level in enumerate(("source", "group", "state"), 2):
        sheet = book[f"By {level}"]
        assert sheet.auto_filter.ref
        assert sheet.freeze_panes == "A2"
        kinds = {rule.type for rules in sheet.conditional_formatting for rule in rules.rules}
        assert kinds == {"cellIs", "dataBar"}
        assert sheets[f"xl/worksheets/sheet{number}.xml"].count("<x14:sparkline>") == len(report.figures.level(level))


def test_the_causes_say_how_much_they_explain_together(report: Report) -> None:
    sheet = openpyxl.load_workbook(report.workbook, data_only=True)["Causes"]
    head, *lines = sheet.iter_rows(values_only=True)
    causes = [dict(zip(head, line, strict=True)) for line in lines]
    assert causes[0]["What they have in common"] == "plan P: 10 of 42 members have another plan in claims: plan Q"
    assert causes[0]["Owner"] == "downstream"
    assert causes[-1]["So far"] == pytest.approx(1)


def test_more_members_than_a_sheet_holds_go_to_a_parquet_file(
    mart: DuckDBMart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("workbook", "writing"):
        monkeypatch.setattr(f"memsync_assets.parity.report.{module}.MEMBER_ROWS", 3)
    there = world([row(f"member-{n}") for n in range(5)], [], AS_OF)
    write(mart, there)
    compare_membership(mart, settings(there), there.as_of)
    project = Project(settings(there), Home(tmp_path), tmp_path)
    (report,) = write_reports(mart, project)
    assert report.members is not None
    assert stat.S_IMODE(report.members.stat().st_mode) == 0o600
    assert pq.read_table(report.members)["member_id"].to_pylist() == [f"member-{n}" for n in range(5)]
    sheet = openpyxl.load_workbook(report.workbook)["Members"]
    assert [cell.value for cell in sheet["D"]][1:4] == ["member-0", "member-1", "member-2"]
    assert sheet["A5"].value == f"2 more findings do not fit a sheet: all of them are in {report.members.name}"
    write(mart, agreed := world([row("member-1")], [row("member-1")], AS_OF))
    compare_membership(mart, settings(agreed), AS_OF)
    (again,) = write_reports(mart, project)
    assert again.members is None
    assert not report.members.exists()


def test_a_report_on_subscribers_says_so(mart: DuckDBMart, tmp_path: Path) -> None:
    """The third area, from README's block alone: its workbook and page speak of subscribers and not of members."""
    of = readme_block()
    dependents = [replace(row(f"member-{n}"), plan_code="P") for n in range(30)]
    write(mart, world(dependents, [replace(one, plan_code="Q") for one in dependents[:20]], AS_OF))
    compare_membership(mart, of, AS_OF)
    bring_ledger_up_to(mart, of, AS_OF)
    (report,) = write_reports(mart, Project(of, Home(tmp_path), tmp_path))
    page = report.page.read_text(encoding="utf-8")
    visible = re.sub(r"<[^>]+>", " ", page.split("<h2>What was compared")[0])
    assert "in 30 of 30 subscribers" in visible
    assert not re.findall(r"\bmembers?\b", visible, re.IGNORECASE)
    book = openpyxl.load_workbook(report.workbook)
    assert [cell.value for cell in book["By plan"][1]][3:5] == ["Source subscribers", "Downstream subscribers"]
    words = [
        str(cell.value)
        for sheet in ("Summary", "By source", "By plan", "Causes")
        for cells in book[sheet]
        for cell in cells
    ]
    assert not [word for word in words if re.search(r"\bmembers?\b", word, re.IGNORECASE) and "HYPERLINK" not in word]
    assert book["Members"]["D1"].value == "Subscriber"


def test_a_system_that_only_counts_does_not_agree_because_no_member_is_known(mart: DuckDBMart, tmp_path: Path) -> None:
    there = world([row(f"member-{n}") for n in range(40)], [], AS_OF)
    write(mart, there)
    counted = {"downstream_system": "claims", "source_system": "a", "group_id": "G1", "state_code": "CA"}
    mart.append(
        "downstream_counts", pa.table({name: [value] for name, value in (counted | {"member_count": 37}).items()})
    )
    brought = {"system": "claims", "load_id": AS_OF.isoformat(), "table_name": "member_counts"}
    mart.append(
        "load_tables", pa.table({name: [v] for name, v in (brought | {"row_count": 1, "expected_rows": 1}).items()})
    )
    compare_membership(mart, settings(there), AS_OF)
    (report,) = write_reports(mart, Project(settings(there), Home(tmp_path), tmp_path))
    (total,) = report.figures.totals
    assert (total.findings, total.variance, total.agreement) == (0, -3, 0.925)
    page = report.page.read_text(encoding="utf-8")
    assert "1 of 1 downstream systems differ; claims most, in 3 of 40 members." in page
    assert "group a G1 in claims (3)" in page
    assert "claims only counts: have it deliver its members" in page
    for table in ("downstream_counts", "load_tables"):
        mart.execute(f"DELETE FROM {table}")


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
    told = dict(re.findall(r"<tr><td>(Where|How bad|Since when|Who|What next)</td><td>(.*?)</td></tr>", page))
    assert told["Where"].startswith("most in group a G1 in claims (16)")
    assert told["How bad"] == "claims: 17 members (40.48%), net -1"
    assert told["Since when"].startswith(f"the oldest open discrepancy is of {AS_OF}")
    assert "downstream: 13 open, 0 overdue; it: 4 open" in told["Who"]
    assert "plan P: 10 of 42 members have another plan in claims: plan Q (owner downstream)" in told["What next"]


def test_ageing_counts_business_days(report: Report) -> None:
    left = {line["open_since"]: line["days_left"] for line in report.figures.ageing}
    assert left == {AS_OF: 1, AS_OF + timedelta(days=14): 10}


def test_drift_is_in_workbook_and_page(report: Report) -> None:
    assert [(row["kind"], row["system"], row["group_id"]) for row in report.figures.drift] == [
        ("vanished", "claims", "=G2")
    ]
    sheet = openpyxl.load_workbook(report.workbook)["Drift"]
    assert [cell.value for cell in sheet[2]][:5] == ["vanished", "claims", "a", "=G2", 1]
    assert "<td>vanished</td><td>a =G2</td><td>claims</td>" in report.page.read_text(encoding="utf-8")


def test_the_asset_plots_counts_and_shows_the_trend_without_members(tmp_path: Path) -> None:
    there = world([row(f"member-{n}") for n in range(20)], [row(f"member-{n}", plan="Q") for n in range(12)], AS_OF)
    project = Project(settings(there), Home(tmp_path), tmp_path)
    with open_mart(project) as mart:
        write(mart, there)
        compare_membership(mart, settings(there), AS_OF)
        bring_ledger_up_to(mart, settings(there), AS_OF)
    made = dg.materialize(
        [ihm_discrepancy_report], resources={"project": project}, instance=dg.DagsterInstance.ephemeral()
    )
    (event,) = made.asset_materializations_for_node("ihm_discrepancy_report")
    plotted = {name: value.value for name, value in event.metadata.items() if isinstance(value, dg.IntMetadataValue)}
    assert plotted == {
        "ihm: claims variance": -8,
        "ihm: claims findings": 20,
        "ihm: claims open now": 20,
        "ihm: claims overdue": 0,
    }
    image = re.fullmatch(r"!\[.*\]\(data:image/svg\+xml;base64,(.*)\)", str(event.metadata["ihm trend"].value))
    assert image
    assert ElementTree.fromstring(b64decode(image[1])).tag == "{http://www.w3.org/2000/svg}svg"
    assert "member-" not in str(event.metadata)


def test_nothing_compared_gives_no_report(tmp_path: Path) -> None:
    mart = DuckDBMart()
    migrate(mart)
    empty = settings(world([], [], AS_OF))
    assert write_reports(mart, Project(empty, Home(tmp_path), tmp_path)) == []
    mart.close()


def test_a_scope_that_is_empty_now_still_has_a_report_with_its_past(mart: DuckDBMart, tmp_path: Path) -> None:
    later = AS_OF + timedelta(days=1)
    for day, flagged in ((AS_OF, {("a", "G1")}), (later, set())):
        there = replace(world([row()], [], day), flagged=frozenset(flagged))
        write(mart, there)
        compare_membership(mart, settings(there), day)
    (report,) = write_reports(mart, Project(settings(there), Home(tmp_path), tmp_path))
    assert report.figures.totals == []
    assert AS_OF in report.figures.dates
    assert openpyxl.load_workbook(report.workbook)["Summary"]._charts == []


def test_a_report_that_fails_takes_no_other_with_it(mart: DuckDBMart, tmp_path: Path) -> None:
    there = world([row()], [], AS_OF)
    write(mart, there)
    block = settings(there).reconciliations["ihm"]
    both = Settings(reconciliations={"first": block, "second": block})
    compare_membership(mart, both, AS_OF)
    home = Home(tmp_path)
    (home.reports / f"first-{AS_OF}.xlsx").mkdir(parents=True)
    with pytest.raises(ExceptionGroup, match="no report of first"):
        write_reports(mart, Project(both, home, tmp_path))
    assert (home.reports / f"second-{AS_OF}.xlsx").is_file()
    assert (home.reports / f"second-{AS_OF}.html").is_file()


def test_a_chart_of_nothing_and_of_one_point_is_drawn() -> None:
    assert "polyline" not in line_chart([], [], "empty")
    assert ">7</text>" in line_chart(["2026-11-20"], [Line("<x>", (7,))], "one")
    assert "<x>" not in line_chart(["2026-11-20"], [Line("<x>", (7,))], "one")
