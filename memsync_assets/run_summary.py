"""What a person is told after a run: counts read from the mart, and the exit code that follows from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from memsync_assets.automation.channels import alerts_file
from memsync_assets.graph_run import GraphRun
from memsync_assets.mart.connect import open_mart
from memsync_assets.mart.engine import Mart
from memsync_assets.parity.gaps import find_gaps
from memsync_assets.parity.reconciliations import date_compared, unknown_systems
from memsync_assets.parity.verdicts import read_verdicts
from memsync_assets.salesforce.dead_letters import count_held
from memsync_assets.salesforce.results import Unsent, find_unsent
from memsync_assets.settings import Project

_COUNTS = """
SELECT
    reconciliation,
    downstream_system,
    as_of,
    SUM(source_count) AS source_count,
    SUM(downstream_count) AS downstream_count,
    SUM(variance) AS variance,
    SUM(findings) AS findings,
    SUM(in_flight) AS in_flight
FROM membership_counts
WHERE level = 'source' AND as_of = @as_of
GROUP BY reconciliation, downstream_system, as_of
ORDER BY reconciliation, downstream_system
"""
_KINDS = """
SELECT reconciliation, kind, in_flight, COUNT(*) AS findings
FROM discrepancies
WHERE as_of = @as_of
GROUP BY reconciliation, kind, in_flight
ORDER BY reconciliation, kind, in_flight
"""
_LEDGER = """
SELECT reconciliation, status, COUNT(*) AS discrepancies
FROM discrepancy_ledger
GROUP BY reconciliation, status
ORDER BY reconciliation, status
"""
PLAN = """
SELECT object_name, operation, COUNT(DISTINCT external_id) AS records, COUNT(*) AS changes
FROM sync_plan
GROUP BY object_name, operation
ORDER BY object_name, operation
"""
RESULTS = """
SELECT object_name, status, COUNT(*) AS changes
FROM salesforce_sync_results
WHERE plan_hash IN (SELECT plan_hash FROM sync_plan)
GROUP BY object_name, status
ORDER BY object_name, status
"""


@dataclass(frozen=True)
class RunSummary:
    """The figures of a run; every table is small and holds counts only.

    Attributes:
        reports: those of the date that was compared.
    """

    outcome: GraphRun
    counts: pa.Table
    kinds: pa.Table
    ledger: pa.Table
    plan: pa.Table
    results: pa.Table
    unsent: Unsent | None
    held_back: int
    beyond_tolerance: bool
    not_compared: tuple[str, ...]
    unknown: tuple[str, ...]
    reports: tuple[Path, ...]
    alerts: Path | None
    quarantine: str

    @property
    def sync_failures(self) -> int:
        """Planned changes that Salesforce did not take."""
        rows = self.results.to_pylist()
        return sum(row["changes"] for row in rows if row["status"] == "failed")

    @property
    def exit_code(self) -> int:
        """See `memsync run --help`."""
        if self.outcome.failed_steps:
            return 1
        if self.sync_failures or self.unsent:
            return 5
        if self.outcome.refused:
            return 4
        if self.beyond_tolerance:
            return 3
        return 1 if self.outcome.untold or self.unknown else 0


def summarize(project: Project, outcome: GraphRun) -> RunSummary:
    """Read the figures of the run that just ended."""
    with open_mart(project) as mart:
        as_of = date_compared(mart, project.as_of)
        parameters = {"as_of": as_of}
        return RunSummary(
            outcome=outcome,
            counts=mart.fetch(_COUNTS, parameters),
            kinds=mart.fetch(_KINDS, parameters),
            ledger=mart.fetch(_LEDGER),
            plan=mart.fetch(PLAN),
            results=mart.fetch(RESULTS),
            unsent=find_unsent(mart),
            held_back=count_held(mart),
            beyond_tolerance=any(verdict.is_beyond for verdict in read_verdicts(mart, as_of)),
            not_compared=_not_compared(mart, project),
            unknown=tuple(unknown_systems(mart, project.settings)),
            alerts=alerts_file(project),
            quarantine=str(project.home.quarantine),
            reports=tuple(sorted(path for path in project.home.reports.glob(f"*-{as_of}*") if path.is_file())),
        )


def _not_compared(mart: Mart, project: Project) -> tuple[str, ...]:
    gaps = find_gaps(mart, project.settings, project.as_of)
    return tuple(dict.fromkeys(f"{gap.reconciliation} with {gap.downstream_system}: {gap.why}" for gap in gaps))


def print_summary(console: Console, summary: RunSummary) -> None:
    """Print the figures, each under what it is called in the mart."""
    outcome = summary.outcome
    console.print(f"Loads taken in: {len(outcome.taken_in)}, refused: {len(outcome.refused)}")
    for name in outcome.refused:
        console.print(
            f"  [red]refused[/red] {escape(name)}: see its reason.json below {escape(summary.quarantine)}",
            soft_wrap=True,
        )
    for name in outcome.failed_steps:
        console.print(f"  [red]failed[/red] {escape(name)}", soft_wrap=True)
    if outcome.untold:
        console.print(f"  [red]alerts[/red] {escape(outcome.untold)}; the next run tries again", soft_wrap=True)
    for told in summary.unknown:
        console.print(f"  [red]configuration[/red] {escape(told)}", soft_wrap=True)
    for told in summary.not_compared:
        console.print(f"  [yellow]not compared[/yellow] {escape(told)}", soft_wrap=True)
    for title, rows in (
        ("Membership counts, source against downstream", summary.counts),
        ("Discrepancies by kind", summary.kinds),
        ("Discrepancy ledger", summary.ledger),
        ("Sync plan", summary.plan),
        ("Salesforce sync results", summary.results),
    ):
        print_table(console, title, rows)
    if summary.unsent:
        console.print(
            f"[yellow]not sent[/yellow]: {summary.unsent.changes:,} changes, {escape(summary.unsent.reason)}."
            f" Send them with: {summary.unsent.remedy}",
            soft_wrap=True,
        )
    if summary.held_back:
        console.print(
            f"[yellow]held back[/yellow]: {summary.held_back:,} records, since Salesforce refused them or a value of"
            " them: `memsync export dead_letters FILE` lists them, `memsync apply --retry-failed` sends them again.",
            soft_wrap=True,
        )
    if summary.alerts:
        console.print(f"Alerts: {escape(str(summary.alerts))}", soft_wrap=True)
    for path in summary.reports:
        console.print(f"Report: {escape(str(path))}", soft_wrap=True)


def print_table(console: Console, title: str, rows: pa.Table) -> None:
    """Print a small table of counts under its title."""
    if not rows.num_rows:
        console.print(f"{title}: none")
        return
    table = Table(title=title, title_justify="left")
    for field in rows.schema:
        table.add_column(field.name, justify="right" if _is_number(field.type) else "left", no_wrap=True)
    for row in rows.to_pylist():
        table.add_row(*_cells(row.values()))
    console.print(table)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind))


def _cells(values: Iterable[object]) -> list[str]:
    return [f"{value:,}" if isinstance(value, int) else escape(str(value)) for value in values]
