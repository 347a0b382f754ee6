"""The sync plan for people: a table on the terminal, an Excel workbook, and the question whether to apply it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xlsxwriter
from rich.console import Console
from rich.prompt import Confirm
from rich.table import Table

from memsync_assets.mart.engine import Mart
from memsync_assets.salesforce.merge import Merge, MergeCounts
from memsync_assets.salesforce.plan import PlanCounts
from memsync_assets.salesforce.results import SyncCounts
from memsync_assets.settings import MemsyncError
from memsync_assets.whole_files import whole_file

_CHANGES = """
SELECT p.object_name, p.operation, p.external_id, p.record_id, p.field_name, p.before_value, p.after_value, p.reason
FROM sync_plan AS p
ORDER BY p.object_name, p.external_id, p.field_name
"""
_WIDTHS = (24, 12, 34, 20, 26, 34, 34, 28)
#: What a worksheet can hold beside its head.
_MOST_ROWS = 1_048_575


def print_plan(console: Console, plan: PlanCounts) -> None:
    """Print what a plan would do: records by object and operation, reasons, the breaker, the hash."""
    if not plan.changes:
        console.print("The org agrees with the mart: nothing to do.")
        return
    table = Table(title="Sync plan", title_justify="left")
    for name in ("object", "operation", "records"):
        table.add_column(name, justify="right" if name == "records" else "left")
    for name, records in plan.records.items():
        table.add_row(*name.rsplit(" ", 1), f"{records:,}")
    console.print(table)
    console.print(f"{plan.changes:,} field changes: {_listed(plan.reasons)}")
    if plan.held:
        console.print(f"[yellow]held by the breaker[/yellow]: {plan.held}")
    console.print(f"Apply it with: memsync apply --approve {plan.plan_hash}", soft_wrap=True)


def write_plan_workbook(mart: Mart, path: Path) -> None:
    """Write every change of the plan to an Excel file, mode 0600; the rest beyond a sheet's rows is in the mart.

    Raises:
        MemsyncError: the file does not end in .xlsx, or its folder is missing.
    """
    if path.suffix != ".xlsx" or not path.parent.is_dir():
        raise MemsyncError(f"--excel {path}: name an .xlsx file in a folder that is there.")
    rows = mart.fetch(_CHANGES)
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with whole_file(path) as partial, xlsxwriter.Workbook(partial, options) as book:
        head = book.add_format({"bold": True, "bg_color": "#1F3864", "font_color": "#FFFFFF"})
        text = book.add_format({"num_format": "@"})
        sheet = book.add_worksheet("Sync plan")
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, max(1, min(rows.num_rows, _MOST_ROWS)), len(_WIDTHS) - 1)
        for place, (name, width) in enumerate(zip(rows.schema.names, _WIDTHS, strict=True)):
            sheet.set_column(place, place, width)
            sheet.write_string(0, place, name, head)
        for at, row in enumerate(rows.slice(0, _MOST_ROWS).to_pylist(), 1):
            _write_row(sheet, at, row, text)


def _write_row(sheet: Any, at: int, row: Mapping[str, Any], text: Any) -> None:
    for place, value in enumerate(row.values()):
        if value is not None:
            sheet.write_string(at, place, str(value), text)


def ask_for_approval(console: Console, mart: Mart) -> str | None:
    """Ask on a terminal whether to apply the plan at hand; its hash if yes. None where there is nothing to ask.

    Raises:
        MemsyncError: nobody can be asked, or the answer is no.
    """
    rows = mart.fetch("SELECT s.plan_hash, s.held FROM sync_plan_state AS s").to_pylist()
    changes = mart.fetch("SELECT COUNT(DISTINCT p.external_id) AS n FROM sync_plan AS p")["n"][0].as_py()
    if not rows or not changes:
        return None
    plan_hash = str(rows[0]["plan_hash"])
    if rows[0]["held"]:
        console.print(f"[yellow]held by the breaker[/yellow]: {rows[0]['held']}")
    if not console.is_terminal:
        raise MemsyncError(f"nobody can be asked here: look at `memsync plan`, then give --approve {plan_hash}")
    if not Confirm.ask(f"Apply plan {plan_hash[:12]} to {changes:,} records?", console=console, default=False):
        raise MemsyncError("the plan was not approved: nothing was sent.")
    return plan_hash


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
