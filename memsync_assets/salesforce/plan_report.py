"""The sync plan for people: a table on the terminal, an Excel workbook, and the question whether to apply it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xlsxwriter
from rich.console import Console
from rich.prompt import Confirm
from rich.table import Table

from memsync_assets.mart.engine import Mart
from memsync_assets.salesforce.merge import Merge, MergeCounts
from memsync_assets.salesforce.plan import PlanCounts
from memsync_assets.salesforce.plan_state import current_plan
from memsync_assets.salesforce.results import SyncCounts
from memsync_assets.settings import MemsyncError
from memsync_assets.whole_files import whole_file

_CHANGES = """
SELECT p.object_name, p.operation, p.external_id, p.record_id, p.field_name, p.before_value, p.after_value, p.reason
FROM sync_plan AS p
ORDER BY p.object_name, p.external_id, p.field_name
OFFSET @first ROWS FETCH NEXT @most ROWS ONLY
"""
_COLUMNS = {
    "Object": 24,
    "Operation": 12,
    "External id": 38,
    "Salesforce id": 20,
    "Field": 24,
    "Before": 34,
    "After": 34,
    "Reason": 28,
}
_BY_OPERATION = """
SELECT p.object_name, p.operation, COUNT(DISTINCT p.external_id) AS records, COUNT(*) AS changes
FROM sync_plan AS p
GROUP BY p.object_name, p.operation
ORDER BY p.object_name, p.operation
"""
_BY_REASON = """
SELECT p.object_name, p.operation, p.reason, COUNT(*) AS changes
FROM sync_plan AS p
GROUP BY p.object_name, p.operation, p.reason
ORDER BY p.object_name, p.operation, COUNT(*) DESC, p.reason
"""
_BY_FIELD = """
SELECT p.object_name, p.field_name, p.reason, COUNT(*) AS changes
FROM sync_plan AS p
WHERE p.field_name <> ''
GROUP BY p.object_name, p.field_name, p.reason
ORDER BY p.object_name, p.field_name, p.reason
"""
_HEAD = {"bold": True, "bg_color": "#1F3864", "font_color": "#FFFFFF"}
#: What a worksheet can hold beside its head.
_MOST_ROWS = 1_048_575
_ROWS_AT_ONCE = 100_000


@dataclass(frozen=True)
class _Line:
    """What is to be done to the records of an object, and why. why: changed fields, by reason."""

    object_name: str
    operation: str
    records: int
    changes: int
    why: str


def print_plan(console: Console, mart: Mart, plan: PlanCounts) -> None:
    """Print what a plan would do: records and fields by object, operation and reason, the breaker, the hash."""
    if plan.changes:
        table = Table(title="Sync plan", title_justify="left")
        for name in ("object", "operation", "records", "fields", "why"):
            table.add_column(name, justify="right" if name in ("records", "fields") else "left")
        for line in _lines(mart):
            table.add_row(line.object_name, line.operation, f"{line.records:,}", f"{line.changes:,}", line.why)
        console.print(table)
    else:
        console.print("The org agrees with the mart: nothing to do.")
    if plan.held_back:
        console.print(
            f"{plan.held_back:,} changes are held back, since Salesforce refused them before: `memsync export"
            " dead_letters FILE` lists them, `memsync apply --retry-failed` sends them again.",
            soft_wrap=True,
        )
    if plan.held:
        console.print(f"[yellow]held by the breaker[/yellow]: {plan.held}", soft_wrap=True)
    if plan.changes:
        console.print(f"Apply it with: memsync apply --approve {plan.plan_hash}", soft_wrap=True)


def _lines(mart: Mart) -> list[_Line]:
    why: dict[tuple[str, str], list[str]] = {}
    for row in mart.fetch(_BY_REASON).to_pylist():
        why.setdefault((row["object_name"], row["operation"]), []).append(f"{row['reason']} {row['changes']:,}")
    return [
        _Line(**row, why=", ".join(why[row["object_name"], row["operation"]]))
        for row in mart.fetch(_BY_OPERATION).to_pylist()
    ]


def write_plan_workbook(mart: Mart, path: Path) -> None:
    """Write the plan to an Excel file, mode 0600: a summary, and every change as far as a sheet's rows go.

    Raises:
        MemsyncError: the file does not end in .xlsx, or its folder is missing.
    """
    if path.suffix != ".xlsx" or not path.parent.is_dir():
        raise MemsyncError(f"--excel {path}: name an .xlsx file in a folder that is there.")
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with whole_file(path) as partial, xlsxwriter.Workbook(partial, options) as book:
        _write_summary(book, mart)
        _write_changes(book, mart)


def _write_summary(book: Any, mart: Mart) -> None:
    head = book.add_format({**_HEAD, "indent": 1})
    head_of_numbers = book.add_format({**_HEAD, "align": "right"})
    sheet = book.add_worksheet("Summary")
    sheet.hide_gridlines(2)
    sheet.set_column(0, 0, 26)
    sheet.set_column(1, 1, 24)
    sheet.set_column(2, 3, 12)
    sheet.set_column(4, 4, 70)
    number = book.add_format({"num_format": "#,##0"})
    indented = book.add_format({"indent": 1})
    plan = current_plan(mart)
    total = sum(line.changes for line in _lines(mart))
    about = [
        ("Plan", plan.plan_hash),
        ("Made at (UTC)", f"{plan.made_at:%Y-%m-%d %H:%M}"),
        ("Salesforce organization", plan.organization_id or "none: planned for an empty one"),
        ("State", plan.state),
        ("Held by the breaker", plan.held or "no"),
    ]
    if total > _MOST_ROWS:
        about.append(("Not listed", f"changes beyond {_MOST_ROWS:,}: memsync export sync_plan FILE has all of them"))
    sheet.write_string(0, 0, "Sync plan", book.add_format({"bold": True, "font_size": 16}))
    at = 1
    for name, value in about:
        sheet.write_string(at, 0, name, book.add_format({"bold": True}))
        sheet.write_string(at, 1, value)
        at += 1
    for titles, rows in (
        (
            ("Object", "Operation", "Records", "Fields", "Why (fields)"),
            [(one.object_name, one.operation, one.records, one.changes, one.why) for one in _lines(mart)],
        ),
        (
            ("Object", "Field", "Changes", "", "Why"),
            [
                (one["object_name"], one["field_name"], one["changes"], "", one["reason"])
                for one in mart.fetch(_BY_FIELD).to_pylist()
            ],
        ),
    ):
        at += 1
        for place, title in enumerate(titles):
            sheet.write_string(at, place, title, head_of_numbers if place in (2, 3) else head)
        for row in rows:
            at += 1
            for place, value in enumerate(row):
                if isinstance(value, int):
                    sheet.write_number(at, place, value, number)
                else:
                    sheet.write_string(at, place, value, indented)
        at += 1
    _print_on_one_page_width(sheet)


def _write_changes(book: Any, mart: Mart) -> None:
    head = book.add_format(_HEAD)
    sheet = book.add_worksheet("Changes")
    text = book.add_format({"num_format": "@"})
    sheet.freeze_panes(1, 0)
    sheet.repeat_rows(0)
    _print_on_one_page_width(sheet)
    for place, (name, width) in enumerate(_COLUMNS.items()):
        sheet.set_column(place, place, width)
        sheet.write_string(0, place, name, head)
    at = 0
    while at < _MOST_ROWS:
        given = {"first": at, "most": min(_ROWS_AT_ONCE, _MOST_ROWS - at)}
        rows = mart.fetch(_CHANGES, given).to_pylist()
        if not rows:
            break
        for row in rows:
            at += 1
            _write_row(sheet, at, row, text)
    sheet.autofilter(0, 0, max(1, at), len(_COLUMNS) - 1)


def _print_on_one_page_width(sheet: Any) -> None:
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)


def _write_row(sheet: Any, at: int, row: Mapping[str, Any], text: Any) -> None:
    for place, value in enumerate(row.values()):
        if value is not None:
            sheet.write_string(at, place, str(value), text)


def ask_for_approval(console: Console, mart: Mart) -> str | None:
    """Ask on a terminal whether to apply the plan at hand; its hash if yes. None where there is nothing to ask.

    Raises:
        MemsyncError: there is no plan, nobody can be asked, or the answer is no.
    """
    plan = current_plan(mart)
    if plan.state == "applied":
        console.print("The plan at hand was carried out already. Make the next one: memsync plan")
        return None
    lines = _lines(mart)
    if not lines:
        return None
    if plan.held:
        console.print(f"[yellow]held by the breaker[/yellow]: {plan.held}")
    if not console.is_terminal:
        raise MemsyncError(f"nobody can be asked here: look at `memsync plan`, then give --approve {plan.plan_hash}")
    records = sum(line.records for line in lines)
    if not Confirm.ask(f"Apply plan {plan.plan_hash[:12]} to {records:,} records?", console=console, default=False):
        raise MemsyncError("the plan was not approved: nothing was sent.")
    return plan.plan_hash


def print_results(console: Console, counts: SyncCounts) -> None:
    """Print what became of a plan."""
    console.print(
        f"planned {counts.planned:,} = succeeded {counts.succeeded:,} + failed {counts.failed:,}"
        f" + skipped {counts.skipped:,}; {counts.write_calls:,} write calls"
    )
    if counts.codes:
        console.print(f"codes: {_listed(counts.codes)}")
    if counts.skipped_because:
        console.print(f"[yellow]not everything was sent[/yellow]: {counts.skipped_because}")


def print_merges(console: Console, counts: MergeCounts, left: Sequence[Merge]) -> None:
    """Print what was merged, what could not be, and what waits for a person."""
    console.print(f"merged {counts.merged:,}, failed {counts.failed:,}, waiting for a person {counts.review:,}")
    if counts.codes:
        console.print(f"codes: {_listed(counts.codes)}")
    for one in left:
        if one.state == "failed":
            console.print(f"  {one.merge_id}: {one.error_code}; again: memsync merge --approve {one.merge_id}")
        if one.state == "undoing":
            console.print(f"  {one.merge_id}: half undone; go on: memsync merge --undo {one.merge_id}")
    if counts.skipped_because:
        found = [one for one in left if one.state == "found"]
        console.print(f"[yellow]{len(found):,} merges were not made[/yellow]: {counts.skipped_because}")
        for one in found:
            console.print(f"  {one.merge_id}: {one.loser_id} into {one.master_id} ({one.rule_name})")
    if counts.review:
        console.print("Decide what waits: memsync review")


def print_waiting(console: Console, merges: Sequence[Merge], top: int) -> None:
    """Print the Contacts of the org of which a person must say whether they are one."""
    waiting = [one for one in merges if one.state == "review"]
    console.print(f"{len(waiting):,} pairs of Contacts that Salesforce may hold twice wait for a decision")
    for one in waiting[:top]:
        console.print(f"        salesforce/{one.master_id} salesforce/{one.loser_id}  {one.rule_name}", soft_wrap=True)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
