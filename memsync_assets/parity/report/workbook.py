"""The Excel workbook of a report: summary, levels, causes, work list, members, definitions.

Formulas carry their value, so that a viewer that does not calculate shows it too. Text is written as text: a cell that
begins with = + - or @ is never a formula. Nothing is computed here that `figures` does not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.utility import xl_rowcol_to_cell
from xlsxwriter.worksheet import Worksheet

from memsync_assets.parity.report.definitions import DEFINITIONS
from memsync_assets.parity.report.figures import Figures, Row

_STATUS = {"beyond_tolerance": "bad", "within_tolerance": "warn", "match": "good"}
_COLOURS = {"bad": "#F8D7DA", "warn": "#FFF3CD", "good": "#D9EAD3"}
_STYLES: dict[str, dict[str, object]] = {
    "text": {"num_format": "@"},
    "count": {"num_format": "#,##0"},
    "signed": {"num_format": "+#,##0;-#,##0;0"},
    "percent": {"num_format": "+0.00%;-0.00%;0.00%"},
    "share": {"num_format": "0.00%"},
    "date": {"num_format": "yyyy-mm-dd", "align": "left"},
    "times": {"num_format": "0.0"},
    "moment": {"num_format": "yyyy-mm-dd hh:mm", "align": "left"},
    "head": {"bold": True, "bg_color": "#1F3864", "font_color": "#FFFFFF", "text_wrap": True},
    "number_head": {
        "bold": True,
        "bg_color": "#1F3864",
        "font_color": "#FFFFFF",
        "text_wrap": True,
        "align": "right",
    },
    "title": {"bold": True, "font_size": 16},
    "section": {"bold": True, "font_size": 12},
    "note": {"italic": True, "font_color": "#595959"},
    "wrapped": {"text_wrap": True, "valign": "top"},
}
#: Open discrepancies with this many business days left or fewer are marked.
_SOON = 2


@dataclass(frozen=True)
class _Column:
    title: str
    width: int
    style: str = "text"


class _Book:
    """A workbook under way, with its formats."""

    def __init__(self, path: Path, figures: Figures) -> None:
        self.figures = figures
        # Rows are written in order and leave memory at once. Values that look like formulas or links stay text.
        options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        self.book = xlsxwriter.Workbook(path, {**options, "default_date_format": "yyyy-mm-dd"})
        base: dict[str, object] = {"font_name": "Calibri", "font_size": 10, "valign": "vcenter"}
        self.formats: dict[str, Format] = {name: self.book.add_format(base | more) for name, more in _STYLES.items()}
        self.marks = {name: self.book.add_format({"bg_color": colour}) for name, colour in _COLOURS.items()}

    def sheet(self, name: str, *, landscape: bool = True) -> Worksheet:
        sheet = self.book.add_worksheet(name)
        if landscape:
            sheet.set_landscape()
        sheet.set_paper(1)
        sheet.fit_to_pages(1, 0)
        sheet.hide_gridlines(2)
        sheet.set_footer("&L&8Protected health information: keep it where the report was put&R&8&A, page &P of &N")
        return sheet

    def head(self, sheet: Worksheet, row: int, columns: Sequence[_Column]) -> None:
        for place, column in enumerate(columns):
            head = "head" if column.style in ("text", "date", "moment") else "number_head"
            sheet.write_string(row, place, column.title, self.formats[head])

    def cell(self, sheet: Worksheet, row: int, place: int, value: Any, style: str) -> None:
        shown = self.formats[style]
        if value is None:
            sheet.write_blank(row, place, None, shown)
        elif isinstance(value, datetime | date):
            sheet.write_datetime(row, place, value, shown)
        elif isinstance(value, str):
            sheet.write_string(row, place, value, shown)
        else:
            sheet.write_number(row, place, value, shown)

    def mark_words(self, sheet: Worksheet, area: tuple[int, int, int, int]) -> None:
        """Colours beside the words, never instead of them."""
        for word, mark in _STATUS.items():
            rule = {"type": "cell", "criteria": "==", "value": f'"{word}"', "format": self.marks[mark]}
            sheet.conditional_format(*area, rule)


def write_workbook(figures: Figures, path: Path) -> None:
    """Write the workbook of one reconciliation and as-of date."""
    book = _Book(path, figures)
    _summary(book)
    for level in figures.levels:
        _level(book, level)
    _causes(book)
    _drift(book)
    _work_list(book)
    _members(book)
    _definitions(book)
    book.book.close()


_TOTALS = (
    _Column("Downstream system", 24),
    _Column("Source members", 18, "count"),
    _Column("Downstream members", 18, "count"),
    _Column("Variance (net)", 18, "signed"),
    _Column("Variance %", 12, "percent"),
    _Column("Findings (gross)", 17, "count"),
    _Column("In flight", 17, "count"),
    _Column("Members that agree", 12, "share"),
    _Column("Cells beyond tolerance", 12, "count"),
    _Column("Open", 10, "count"),
    _Column("Opened now", 10, "count"),
    _Column("Closed now", 10, "count"),
    _Column("Overdue", 10, "count"),
    _Column("Oldest open since", 13, "date"),
)


def _summary(book: _Book) -> None:
    figures = book.figures
    sheet = book.sheet("Summary")
    for place, column in enumerate(_TOTALS):
        sheet.set_column(place, place, column.width)
    sheet.write_string(0, 0, f"Membership parity: {figures.reconciliation}", book.formats["title"])
    sheet.write_string(1, 0, f"As of {figures.as_of.isoformat()}. {figures.description}", book.formats["note"])
    row = _totals(book, sheet, 3)
    row = _kinds(book, sheet, row + 1)
    row = _loads(book, sheet, row + 1)
    _trend(book, sheet, row + 1)


def _totals(book: _Book, sheet: Worksheet, first: int) -> int:
    book.head(sheet, first, _TOTALS)
    sheet.set_row(first, 32)
    row = first
    for row, total in enumerate(book.figures.totals, first + 1):
        source, downstream = xl_rowcol_to_cell(row, 1), xl_rowcol_to_cell(row, 2)
        variance, wrong = xl_rowcol_to_cell(row, 3), f"{xl_rowcol_to_cell(row, 5)}+{xl_rowcol_to_cell(row, 6)}"
        cells: tuple[Any, ...] = (
            total.downstream_system,
            total.source_count,
            total.downstream_count,
            (f"={downstream}-{source}", total.variance),
            (
                f"=IF({source}=0,0,{variance}/{source})",
                total.variance / total.source_count if total.source_count else 0,
            ),
            total.findings,
            total.in_flight,
            (f"=IF({source}=0,1,MAX(0,1-({wrong})/{source}))", total.agreement),
            total.cells_beyond_tolerance,
            total.open_now,
            total.opened,
            total.closed,
            total.overdue,
            total.oldest,
        )
        _row(book, sheet, row, _TOTALS, cells)
    above_zero = {"type": "cell", "criteria": ">", "value": 0, "format": book.marks["bad"]}
    for place in (8, 12):
        sheet.conditional_format(first + 1, place, row, place, above_zero)
    return row + 1


def _row(book: _Book, sheet: Worksheet, row: int, columns: Sequence[_Column], values: Iterable[Any]) -> None:
    """Write a row. A pair is a formula and its value."""
    for place, (column, value) in enumerate(zip(columns, values, strict=True)):
        if isinstance(value, tuple):
            sheet.write_formula(row, place, value[0], book.formats[column.style], value[1])
        else:
            book.cell(sheet, row, place, value, column.style)


def _kinds(book: _Book, sheet: Worksheet, first: int) -> int:
    sheet.write_string(first, 0, "Findings by kind, in flight included", book.formats["section"])
    systems = [total.downstream_system for total in book.figures.totals]
    columns = [_Column("Kind", 24), *(_Column(system, 14, "count") for system in systems), _Column("All", 12, "count")]
    book.head(sheet, first + 1, columns)
    found = book.figures.found
    at = first + 1
    for at, kind in enumerate(book.figures.found_kinds, first + 2):
        counts = [found[kind, system] for system in systems]
        area = f"{xl_rowcol_to_cell(at, 1)}:{xl_rowcol_to_cell(at, len(systems))}"
        _row(book, sheet, at, columns, (kind, *counts, (f"=SUM({area})", sum(counts))))
    return at + 1


def _loads(book: _Book, sheet: Worksheet, first: int) -> int:
    sheet.write_string(first, 0, "Last load of each system (UTC)", book.formats["section"])
    columns = (
        _Column("System", 24),
        _Column("Role", 14),
        _Column("Load", 14),
        _Column("Kind", 12),
        _Column("As of", 11, "date"),
        _Column("Cut-off", 12, "moment"),
        _Column("Applied", 12, "moment"),
    )
    book.head(sheet, first + 1, columns)
    names = ("system", "role", "load_id", "kind", "as_of", "cutoff_at", "applied_at")
    at = first + 1
    for at, load in enumerate(book.figures.loads, first + 2):
        _row(book, sheet, at, columns, [load[name] for name in names])
    return at + 1


def _trend(book: _Book, sheet: Worksheet, first: int) -> None:
    sheet.write_string(first, 0, "Findings over time (members, not in flight)", book.formats["section"])
    systems = [total.downstream_system for total in book.figures.totals]
    dates = sorted({row["as_of"] for row in book.figures.trend})
    found = {(row["as_of"], row["downstream_system"]): row["findings"] for row in book.figures.trend}
    columns = [_Column("As of", 24, "date"), *(_Column(system, 14, "count") for system in systems)]
    book.head(sheet, first + 1, columns)
    for at, day in enumerate(dates, first + 2):
        _row(book, sheet, at, columns, [day, *(found.get((day, system)) for system in systems)])
    if not dates:
        return
    chart = book.book.add_chart({"type": "line"})
    last = first + 1 + len(dates)
    for place, system in enumerate(systems, 1):
        chart.add_series(
            {
                "name": system,
                "categories": ["Summary", first + 2, 0, last, 0],
                "values": ["Summary", first + 2, place, last, place],
                "marker": {"type": "automatic"},
            }
        )
    chart.set_title({"name": "Findings by as-of date", "name_font": {"size": 11}})
    chart.set_x_axis({"date_axis": False, "num_format": "yyyy-mm-dd"})
    chart.set_y_axis({"min": 0, "major_gridlines": {"visible": True, "line": {"color": "#D9D9D9"}}})
    chart.set_size({"width": 640, "height": 260})
    sheet.insert_chart(first, len(systems) + 2, chart)


def _level(book: _Book, level: str) -> None:
    rows = book.figures.level(level)
    keys = [name for name in ("group_id", "state_code", "plan_code") if any(row[name] is not None for row in rows)]
    titles = {"group_id": ("Group", 12), "state_code": ("State", 7), "plan_code": ("Plan", 12)}
    columns = [_Column("Downstream system", 18), _Column("Source system", 16)]
    for name in keys:
        columns.append(_Column(*titles[name]))
        if name == "group_id":
            columns.append(_Column("Group name", 30))
    columns += [
        _Column("Source members", 11, "count"),
        _Column("Downstream members", 13, "count"),
        _Column("Variance", 10, "signed"),
        _Column("Variance %", 10, "percent"),
        _Column("Findings (gross)", 10, "count"),
        _Column("In flight", 9, "count"),
        _Column("Status", 18),
    ]
    sheet = book.sheet(f"By {level}")
    first = len(columns) - 7
    _begin_list(book, sheet, columns, len(rows))
    for at, row in enumerate(rows, 1):
        source, downstream = xl_rowcol_to_cell(at, first), xl_rowcol_to_cell(at, first + 1)
        variance = xl_rowcol_to_cell(at, first + 2)
        share = row["variance"] / row["source_count"] if row["source_count"] else ""
        names = [row["downstream_system"], row["source_system"], *_named(row, keys)]
        cells = (
            *names,
            row["source_count"],
            row["downstream_count"],
            (f"={downstream}-{source}", row["variance"]),
            (f'=IF({source}=0,"",{variance}/{source})', share),
            row["findings"],
            row["in_flight"],
            row["status"],
        )
        _row(book, sheet, at, columns, cells)
    book.mark_words(sheet, (1, len(columns) - 1, max(1, len(rows)), len(columns) - 1))
    bar = {"type": "data_bar", "bar_color": "#F4B183", "bar_solid": True, "min_type": "num", "min_value": 0}
    sheet.conditional_format(1, first + 4, max(1, len(rows)), first + 4, bar)


def _named(row: Row, keys: Sequence[str]) -> Iterable[str | None]:
    for name in keys:
        yield row[name]
        if name == "group_id":
            yield row["group_name"]


def _begin_list(book: _Book, sheet: Worksheet, columns: Sequence[_Column], rows: int) -> None:
    """Head, widths, frozen first row and filter of a sheet that is one list."""
    for place, column in enumerate(columns):
        sheet.set_column(place, place, column.width)
    sheet.freeze_panes(1, 0)
    sheet.repeat_rows(0)
    sheet.autofilter(0, 0, max(1, rows), len(columns) - 1)
    sheet.set_row(0, 30)
    book.head(sheet, 0, columns)


def _causes(book: _Book) -> None:
    columns = (
        _Column("Findings", 10, "count"),
        _Column("Share of its kind", 10, "share"),
        _Column("Kind", 14),
        _Column("Downstream system", 20),
        _Column("What they have in common", 80),
    )
    sheet = book.sheet("Causes")
    _begin_list(book, sheet, columns, len(book.figures.causes))
    for at, cause in enumerate(book.figures.causes, 1):
        cells = (cause.findings, cause.share, cause.kind, cause.downstream_system, cause.text)
        _row(book, sheet, at, columns, cells)


def _drift(book: _Book) -> None:
    columns = (
        _Column("Kind", 14),
        _Column("System", 20),
        _Column("Source system", 16),
        _Column("Group", 12),
        _Column("Members before", 12, "count"),
        _Column("Members now", 12, "count"),
        _Column("Change", 10, "signed"),
        _Column("Times its bound", 10, "times"),
    )
    sheet = book.sheet("Drift")
    rows = book.figures.drift
    _begin_list(book, sheet, columns, len(rows))
    for at, row in enumerate(rows, 1):
        before, now = row["members_before"], row["members_now"]
        change = None if before is None or now is None else now - before
        names = (row["kind"], row["system"], row["source_system"], row["group_id"])
        _row(book, sheet, at, columns, (*names, before, now, change, row["score"]))


def _work_list(book: _Book) -> None:
    columns = (
        _Column("Owner", 16),
        _Column("Downstream system", 20),
        _Column("Kind", 14),
        _Column("Open since", 12, "date"),
        _Column("Due on", 12, "date"),
        _Column("Business days left", 10, "signed"),
        _Column("Discrepancies", 13, "count"),
        _Column("Urgency", 12),
    )
    sheet = book.sheet("Work list")
    rows = book.figures.ageing
    _begin_list(book, sheet, columns, len(rows))
    for at, row in enumerate(rows, 1):
        left = row["days_left"]
        urgency = "overdue" if left < 0 else "due soon" if left <= _SOON else "in time"
        names = ("owner", "downstream_system", "kind", "open_since", "due_on", "days_left", "discrepancies")
        _row(book, sheet, at, columns, [*(row[name] for name in names), urgency])
    for word, mark in (("overdue", "bad"), ("due soon", "warn")):
        rule = {"type": "cell", "criteria": "==", "value": f'"{word}"', "format": book.marks[mark]}
        sheet.conditional_format(1, 7, max(1, len(rows)), 7, rule)


_MEMBERS = (
    ("downstream_system", _Column("Downstream system", 18)),
    ("kind", _Column("Kind", 13)),
    ("source_system", _Column("Source system", 16)),
    ("member_id", _Column("Member", 16)),
    ("source_group_id", _Column("Source group", 13)),
    ("downstream_group_id", _Column("Downstream group", 13)),
    ("source_state_code", _Column("Source state", 8)),
    ("downstream_state_code", _Column("Downstream state", 11)),
    ("in_flight", _Column("In flight", 8)),
    ("status", _Column("Ledger", 9)),
    ("owner", _Column("Owner", 14)),
    ("open_since", _Column("Open since", 11, "date")),
    ("due_on", _Column("Due on", 11, "date")),
)


def _members(book: _Book) -> None:
    figures = book.figures
    columns = [column for _, column in _MEMBERS]
    sheet = book.sheet("Members")
    _begin_list(book, sheet, columns, figures.members.num_rows)
    at = 0
    for batch in figures.members.to_batches(max_chunksize=10_000):
        for row in batch.to_pylist():
            at += 1
            _row(book, sheet, at, columns, [row[name] for name, _ in _MEMBERS])
    if figures.members_found > at:
        more = f"{figures.members_found - at:,} further findings: memsync export discrepancies FILE.parquet"
        sheet.write_string(at + 1, 0, more, book.formats["note"])


def _definitions(book: _Book) -> None:
    sheet = book.sheet("Definitions")
    sheet.set_column(0, 0, 24)
    sheet.set_column(1, 1, 110)
    book.head(sheet, 0, (_Column("Word", 24), _Column("Meaning", 110)))
    for at, (word, meaning) in enumerate(DEFINITIONS, 1):
        sheet.write_string(at, 0, word, book.formats["wrapped"])
        sheet.write_string(at, 1, meaning, book.formats["wrapped"])
