"""The Excel workbook of a report: summary, levels, causes, drift, work list, members, definitions.

Formulas carry their value, so that a viewer that does not calculate shows it too. Text is written as text: a cell that
begins with = + - or @ is never a formula. Nothing is computed here that `figures` does not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.utility import xl_rowcol_to_cell
from xlsxwriter.worksheet import Worksheet

from memsync_assets.parity.report.answers import answers, headline
from memsync_assets.parity.report.definitions import definitions, next_step
from memsync_assets.parity.report.figures import Figures, Row, Total

_STATUS = {"beyond_tolerance": "bad", "within_tolerance": "warn", "match": "good"}
_COLOURS = {"bad": "#F8D7DA", "warn": "#FFF3CD", "good": "#D9EAD3"}
_STYLES: dict[str, dict[str, object]] = {
    "text": {"num_format": "@", "indent": 1},
    "count": {"num_format": "#,##0"},
    "signed": {"num_format": "+#,##0;-#,##0;0"},
    "percent": {"num_format": "+0.00%;-0.00%;0.00%"},
    "share": {"num_format": "0.00%"},
    "date": {"num_format": "yyyy-mm-dd", "align": "left", "indent": 1},
    "times": {"num_format": "0.0"},
    "moment": {"num_format": "yyyy-mm-dd hh:mm", "align": "left", "indent": 1},
    "head": {"bold": True, "bg_color": "#1F3864", "font_color": "#FFFFFF", "text_wrap": True, "indent": 1},
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
    "question": {"bold": True, "valign": "top", "indent": 1},
    "headline": {"font_size": 12},
}
#: A sheet of Excel has 1,048,576 rows: its head, the findings, and a line that says where the others are.
MEMBER_ROWS = 1_048_574
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
        self.members = figures.counted.capitalize()
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
        sheet.set_row(row, 30)
        for place, column in enumerate(columns):
            head = "head" if column.style in ("text", "wrapped", "date", "moment") else "number_head"
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


def write_workbook(figures: Figures, findings: Iterable[pa.Table], path: Path, overflow: str) -> None:
    """Write the workbook of one reconciliation and as-of date.

    Args:
        figures: its counts.
        findings: its members, in the order of `figures.places`.
        path: where to.
        overflow: the file that holds all findings where there are more than `MEMBER_ROWS`.
    """
    book = _Book(path, figures)
    _summary(book)
    first_rows = _first_rows(figures)
    for level in figures.levels:
        _level(book, level, first_rows)
    _causes(book)
    _drift(book)
    _work_list(book)
    _members(book, findings, overflow)
    _definitions(book)
    book.book.close()


def _summary(book: _Book) -> None:
    figures = book.figures
    sheet = book.sheet("Summary")
    sheet.set_column(0, 0, 20)
    sheet.set_column(1, _LAST_OF_SUMMARY, 15)
    sheet.write_string(0, 0, f"Membership parity: {figures.reconciliation}", book.formats["title"])
    sheet.write_string(1, 0, f"As of {figures.as_of.isoformat()}. {figures.description}", book.formats["note"])
    sheet.write_string(2, 0, headline(figures), book.formats["headline"])
    row = _answers(book, sheet, 4)
    row = _totals(book, sheet, row)
    row = _followed(book, sheet, row + 1)
    row = _level_totals(book, sheet, row + 1)
    row = _kinds(book, sheet, row + 1)
    row = _trend(book, sheet, row + 1)
    _loads(book, sheet, row + 1)


#: The last column of the summary.
_LAST_OF_SUMMARY = 8


def _answers(book: _Book, sheet: Worksheet, first: int) -> int:
    told = answers(book.figures)
    for row, (question, answer) in enumerate(told, first):
        # About so many characters fit a line of the merged cells.
        sheet.set_row(row, 13.5 * (1 + len(answer) // 130))
        sheet.write_string(row, 0, question, book.formats["question"])
        sheet.merge_range(row, 1, row, _LAST_OF_SUMMARY, "", book.formats["wrapped"])
        sheet.write_string(row, 1, answer, book.formats["wrapped"])
    return first + len(told) + bool(told)


def _totals(book: _Book, sheet: Worksheet, first: int) -> int:
    columns = (
        _Column("Downstream system", 20),
        _Column(f"Source {book.figures.counted}", 12, "count"),
        _Column(f"Downstream {book.figures.counted}", 12, "count"),
        _Column("Variance (net)", 12, "signed"),
        _Column("Variance %", 12, "percent"),
        _Column("Findings (gross)", 12, "count"),
        _Column("In flight", 12, "count"),
        _Column(f"{book.members} that agree", 12, "share"),
        _Column("Cells beyond tolerance", 12, "count"),
    )
    rows = (_total_cells(row, total) for row, total in enumerate(book.figures.totals, first + 2))
    below = _section(book, sheet, first, "How bad", columns, rows)
    _mark_above_zero(book, sheet, (first + 2, 8, below - 1, 8))
    return below


def _total_cells(row: int, total: Total) -> tuple[Any, ...]:
    source, downstream, variance, findings, flying = (xl_rowcol_to_cell(row, place) for place in (1, 2, 3, 5, 6))
    share = total.variance / total.source_count if total.source_count else 0
    return (
        total.downstream_system,
        total.source_count,
        total.downstream_count,
        (f"={downstream}-{source}", total.variance),
        (f"=IF({source}=0,0,{variance}/{source})", share),
        total.findings,
        total.in_flight,
        (f"=IF({source}=0,1,MAX(0,1-MAX({findings}+{flying},ABS({variance}))/{source}))", total.agreement),
        total.cells_beyond_tolerance,
    )


def _followed(book: _Book, sheet: Worksheet, first: int) -> int:
    columns = (
        _Column("Downstream system", 20),
        _Column("Open", 12, "count"),
        _Column("Opened with this load", 12, "count"),
        _Column("Closed with this load", 12, "count"),
        _Column("Overdue", 12, "count"),
        _Column("Oldest open since", 12, "date"),
    )
    rows = (
        (of.downstream_system, of.open_now, of.opened, of.closed, of.overdue, of.oldest) for of in book.figures.totals
    )
    below = _section(book, sheet, first, "Since when, and how far along", columns, rows)
    _mark_above_zero(book, sheet, (first + 2, 4, below - 1, 4))
    return below


def _level_totals(book: _Book, sheet: Worksheet, first: int) -> int:
    title = "Net and gross at each level (net: variance summed over cells without its sign)"
    columns = (
        _Column("Downstream system", 20),
        _Column("Level", 12),
        _Column("Cells", 12, "count"),
        _Column("Within tolerance", 12, "count"),
        _Column("Beyond tolerance", 12, "count"),
        _Column("Net", 12, "count"),
        _Column("Gross", 12, "count"),
    )
    rows = (
        (of.downstream_system, of.level, of.cells, of.within_tolerance, of.beyond_tolerance, of.net, of.gross)
        for of in book.figures.level_totals
    )
    below = _section(book, sheet, first, title, columns, rows)
    _mark_above_zero(book, sheet, (first + 2, 4, below - 1, 4))
    return below


def _mark_above_zero(book: _Book, sheet: Worksheet, area: tuple[int, int, int, int]) -> None:
    sheet.conditional_format(*area, {"type": "cell", "criteria": ">", "value": 0, "format": book.marks["bad"]})


def _section(
    book: _Book, sheet: Worksheet, first: int, title: str, columns: Sequence[_Column], rows: Iterable[Iterable[Any]]
) -> int:
    """Write a table under its title. Returns the row below its last."""
    sheet.write_string(first, 0, title, book.formats["section"])
    book.head(sheet, first + 1, columns)
    below = first + 2
    for values in rows:
        _row(book, sheet, below, columns, values)
        below += 1
    return below


def _row(book: _Book, sheet: Worksheet, row: int, columns: Sequence[_Column], values: Iterable[Any]) -> None:
    """Write a row. A pair is a formula and its value."""
    for place, (column, value) in enumerate(zip(columns, values, strict=True)):
        if isinstance(value, tuple):
            sheet.write_formula(row, place, value[0], book.formats[column.style], value[1])
        else:
            book.cell(sheet, row, place, value, column.style)


def _kinds(book: _Book, sheet: Worksheet, first: int) -> int:
    systems = [total.downstream_system for total in book.figures.totals]
    columns = [_Column("Kind", 24), *(_Column(system, 14, "count") for system in systems), _Column("All", 12, "count")]
    rows = []
    for at, kind in enumerate(book.figures.found_kinds, first + 2):
        counts = [book.figures.found[kind, system] for system in systems]
        area = f"{xl_rowcol_to_cell(at, 1)}:{xl_rowcol_to_cell(at, len(systems))}"
        rows.append((kind, *counts, (f"=SUM({area})", sum(counts))))
    return _section(book, sheet, first, "Findings by kind, in flight included", columns, rows)


def _loads(book: _Book, sheet: Worksheet, first: int) -> int:
    columns = (
        _Column("System", 24),
        _Column("Role", 14),
        _Column("Load", 14),
        _Column("Kind", 12),
        _Column("As of", 11, "date"),
        _Column("Cut-off", 12, "moment"),
        _Column("Applied", 12, "moment"),
    )
    names = ("system", "role", "load_id", "kind", "as_of", "cutoff_at", "applied_at")
    rows = ([load[name] for name in names] for load in book.figures.loads)
    return _section(book, sheet, first, "Last load of each system (UTC)", columns, rows)


#: Rows of the default height that the chart of the trend covers.
_CHART_ROWS = 15


def _trend(book: _Book, sheet: Worksheet, first: int) -> int:
    title = f"Findings over time ({book.figures.counted}, not in flight)"
    systems = [total.downstream_system for total in book.figures.totals]
    dates = book.figures.dates
    found = {(row["as_of"], row["downstream_system"]): row["findings"] for row in book.figures.trend}
    columns = [_Column("As of", 24, "date"), *(_Column(system, 14, "count") for system in systems)]
    _section(book, sheet, first, title, columns, ([day, *(found.get((day, of)) for of in systems)] for day in dates))
    if not (dates and systems):
        # Excel has no chart without a series: nothing is compared now, whatever was before.
        return first + 2 + len(dates)
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
    chart.set_x_axis({"text_axis": True, "num_format": "yyyy-mm-dd", "num_font": {"rotation": -45, "size": 8}})
    chart.set_y_axis({"min": 0, "major_gridlines": {"visible": True, "line": {"color": "#D9D9D9"}}})
    chart.set_legend({"position": "bottom"})
    chart.set_size({"width": 440, "height": 20 * _CHART_ROWS - 20})
    sheet.insert_chart(first + 1, len(systems) + 1, chart, {"x_offset": 12})
    return first + 2 + max(len(dates), _CHART_ROWS)


def _first_rows(figures: Figures) -> dict[tuple[str, ...], int]:
    """The row of the sheet of members where the findings of a source system or a group begin, counted from 1."""
    first_rows: dict[tuple[str, ...], int] = {}
    at = 2
    for place in figures.places:
        systems = place["downstream_system"], place["source_system"]
        for key in (systems, (*systems, place["group_id"])):
            first_rows.setdefault(key, at)
        at += place["findings"]
    return first_rows


def _level(book: _Book, level: str, first_rows: Mapping[tuple[str, ...], int]) -> None:
    figures = book.figures
    rows = figures.level(level)
    keys = [name for name in ("group_id", "state_code", "plan_code") if any(row[name] is not None for row in rows)]
    titles = {"group_id": ("Group", 12), "state_code": ("State", 7), "plan_code": ("Plan", 12)}
    columns = [_Column("Downstream system", 18), _Column("Source system", 16)]
    for name in keys:
        columns.append(_Column(*titles[name]))
        if name == "group_id":
            columns.append(_Column("Group name", 30))
    first = len(columns)
    columns += [
        _Column(f"Source {figures.counted}", 12, "count"),
        _Column(f"Downstream {figures.counted}", 13, "count"),
        _Column("Variance (net)", 10, "signed"),
        _Column("Variance %", 10, "percent"),
        _Column("Findings (gross)", 10, "count"),
        _Column("In flight", 9, "count"),
        _Column("Status of the count", 18),
        _Column(f"Findings with the last {len(figures.dates)} loads", 22),
    ]
    shown = len(columns)
    columns += [_Column(day.isoformat(), 11, "count") for day in figures.dates]
    sheet = book.sheet(f"By {level}")
    _begin_list(book, sheet, columns, len(rows))
    sheet.print_area(0, 0, len(rows), shown - 1)
    drawn: dict[str, str] = {}
    for at, row in enumerate(rows, 1):
        source, downstream, variance = (xl_rowcol_to_cell(at, first + place) for place in range(3))
        share = row["variance"] / row["source_count"] if row["source_count"] else ""
        history = figures.of_cell(row)
        cells = (
            row["downstream_system"],
            row["source_system"],
            *_named(row, keys),
            row["source_count"],
            row["downstream_count"],
            (f"={downstream}-{source}", row["variance"]),
            (f'=IF({source}=0,"",{variance}/{source})', share),
            _linked(row, first_rows),
            row["in_flight"],
            row["status"],
            None,
            *(history or [None] * len(figures.dates)),
        )
        _row(book, sheet, at, columns, cells)
        if history:
            drawn[xl_rowcol_to_cell(at, shown - 1)] = (
                f"'By {level}'!{xl_rowcol_to_cell(at, shown)}:{xl_rowcol_to_cell(at, len(columns) - 1)}"
            )
    if drawn:
        # All at once: each call works out every style that there is.
        lines = {"location": list(drawn), "range": list(drawn.values()), "min": 0, "last_point": True}
        sheet.add_sparkline(0, shown - 1, {**lines, "series_color": "#1F3864"})
    book.mark_words(sheet, (1, first + 6, max(1, len(rows)), first + 6))
    bar = {"type": "data_bar", "bar_color": "#F4B183", "bar_solid": True, "min_type": "num", "min_value": 0}
    sheet.conditional_format(1, first + 4, max(1, len(rows)), first + 4, bar)


def _linked(row: Row, first_rows: Mapping[tuple[str, ...], int]) -> Any:
    """How many findings a cell has, leading to the first of its source system or group in the sheet of members."""
    group = (row["group_id"],) if row["group_id"] else ()
    found: int = row["findings"]
    at = first_rows.get((row["downstream_system"], row["source_system"], *group))
    return (f'=HYPERLINK("#Members!A{at}",{found})', found) if found and at else found


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
    # Ids are text, also where they look like numbers: Excel need not mark each of them.
    sheet.ignore_errors({"number_stored_as_text": f"A1:{xl_rowcol_to_cell(max(1, rows), len(columns) - 1)}"})
    sheet.repeat_rows(0)
    sheet.autofilter(0, 0, max(1, rows), len(columns) - 1)
    book.head(sheet, 0, columns)


def _causes(book: _Book) -> None:
    columns = (
        _Column("Findings", 10, "count"),
        _Column("Of all", 9, "share"),
        _Column("So far", 9, "share"),
        _Column("Variance (net)", 10, "signed"),
        _Column("Kind", 12),
        _Column("Downstream system", 18),
        _Column("What they have in common", 80),
        _Column("Since", 11, "date"),
        _Column("Owner", 14),
        _Column("What to do first", 75),
    )
    sheet = book.sheet("Causes")
    _begin_list(book, sheet, columns, len(book.figures.causes))
    so_far = 0.0
    for at, cause in enumerate(book.figures.causes, 1):
        so_far += cause.share
        cells = (
            cause.findings,
            cause.share,
            (f"=SUM(B$2:B{at + 1})", so_far),
            cause.variance,
            cause.kind,
            cause.downstream_system,
            cause.text,
            cause.since,
            cause.owner,
            next_step(cause.kind, cause.downstream_system),
        )
        _row(book, sheet, at, columns, cells)


def _drift(book: _Book) -> None:
    columns = (
        _Column("Kind", 14),
        _Column("System", 20),
        _Column("Source system", 16),
        _Column("Group", 12),
        _Column(f"{book.members} before", 12, "count"),
        _Column(f"{book.members} now", 12, "count"),
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


def _members(book: _Book, findings: Iterable[pa.Table], overflow: str) -> None:
    columns = [
        _Column(book.members.removesuffix("s"), column.width) if name == "member_id" else column
        for name, column in _MEMBERS
    ]
    # The links of the other sheets name it so, whatever is counted.
    sheet = book.sheet("Members")
    _begin_list(book, sheet, columns, min(book.figures.rows, MEMBER_ROWS))
    rows = (row for table in findings for batch in table.to_batches(max_chunksize=10_000) for row in batch.to_pylist())
    at = 0
    for at, row in enumerate(islice(rows, MEMBER_ROWS), 1):
        _row(book, sheet, at, columns, [row[name] for name, _ in _MEMBERS])
    if book.figures.rows > at:
        more = f"{book.figures.rows - at:,} more findings do not fit a sheet: all of them are in {overflow}"
        sheet.write_string(at + 1, 0, more, book.formats["note"])


def _definitions(book: _Book) -> None:
    sheet = book.sheet("Definitions")
    sheet.set_column(0, 0, 24)
    sheet.set_column(1, 1, 110)
    book.head(sheet, 0, (_Column("Word", 24), _Column("Meaning", 110)))
    for at, (word, meaning) in enumerate(definitions(book.figures.counted), 1):
        sheet.write_string(at, 0, word, book.formats["wrapped"])
        sheet.write_string(at, 1, meaning, book.formats["wrapped"])
