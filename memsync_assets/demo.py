"""`memsync demo`: two weeks of sample loads through the whole graph, one run a date of loads.

Everything is as in production; only the loads are made up and the org is local.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date

import pyarrow as pa
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from memsync_assets.automation.channels import alerts_file
from memsync_assets.graph_run import GraphRun, run_graph
from memsync_assets.mart.connect import open_mart
from memsync_assets.run_summary import PLAN, RESULTS, print_table
from memsync_assets.salesforce.client import connect
from memsync_assets.sample.generator import Sample
from memsync_assets.sample.org_records import OrgRecord, org_records
from memsync_assets.sample.schedule import LOAD_DATES
from memsync_assets.settings import Project

#: Records of one sObject Collections call.
_COLLECTION = 200
_COUNTS = """
SELECT
    c.as_of,
    c.reconciliation,
    c.downstream_system,
    SUM(c.source_count) AS source_members,
    SUM(c.downstream_count) AS downstream_members,
    SUM(c.variance) AS variance,
    SUM(c.findings) AS findings,
    SUM(c.in_flight) AS in_flight
FROM membership_counts AS c
WHERE c.level = 'source'
GROUP BY c.as_of, c.reconciliation, c.downstream_system
ORDER BY c.as_of, c.reconciliation, c.downstream_system
"""
_KINDS = """
SELECT d.reconciliation, d.kind, d.as_of, COUNT(*) AS findings
FROM discrepancies AS d
WHERE d.in_flight = 'N'
GROUP BY d.reconciliation, d.kind, d.as_of
ORDER BY d.reconciliation, d.kind, d.as_of
"""
_LEDGER = """
SELECT
    l.reconciliation,
    COUNT(*) AS ever_opened,
    SUM(CASE WHEN l.status = 'open' THEN 1 ELSE 0 END) AS open_now,
    SUM(CASE WHEN l.status = 'closed' THEN 1 ELSE 0 END) AS closed,
    SUM(CASE WHEN l.reopened_count > 0 THEN 1 ELSE 0 END) AS reopened
FROM discrepancy_ledger AS l
GROUP BY l.reconciliation
ORDER BY l.reconciliation
"""


@dataclass(frozen=True)
class DemoRun:
    """One date of loads: what was taken in, what was planned, what Salesforce took."""

    as_of: date
    outcome: GraphRun
    plan: pa.Table
    results: pa.Table


def run_demo(project: Project, members: int, seed: int, tell: Callable[[str, str], None]) -> list[DemoRun]:
    """Land the sample's loads date by date, and run the whole graph after each."""
    _enter_by_hand(project, members, seed)
    sample = Sample(project.home.root, members, seed)
    demo = replace(project, landing=sample.landing)
    runs = []
    for load_date in LOAD_DATES:
        tell(f"loads of {load_date.as_of}", "are generated")
        sample.write(load_date)
        outcome = run_graph(demo, tell)
        with open_mart(project) as mart:
            runs.append(DemoRun(load_date.as_of, outcome, mart.fetch(PLAN), mart.fetch(RESULTS)))
    return runs


def _enter_by_hand(project: Project, members: int, seed: int) -> None:
    """Give a local org that is still empty what sales entered before memsync ever ran: stale, double, or not ours."""
    org = connect(project)
    if org is None or not org.is_local or any(org.query("SELECT Id FROM Account LIMIT 1")):
        return
    records = org_records(members, seed)
    ids: dict[str, str] = {}
    for name in ("Account", "Contact"):
        of_object = [record for record in records if record.object_name == name]
        for first in range(0, len(of_object), _COLLECTION):
            some = of_object[first : first + _COLLECTION]
            answer = org.call(
                "POST", "/composite/sobjects", repeatable=False, json={"records": [_body(one, ids) for one in some]}
            )
            ids |= {one.reference: said["id"] for one, said in zip(some, answer.json(), strict=True) if said["success"]}


def _body(record: OrgRecord, ids: Mapping[str, str]) -> dict[str, object]:
    parent = {"AccountId": ids[record.account]} if record.account else {}
    return {"attributes": {"type": record.object_name}, **record.fields, **parent}


def print_demo(console: Console, project: Project, runs: list[DemoRun]) -> None:
    """Print counts, plans, discrepancies, and where the reports are."""
    with open_mart(project) as mart:
        counts, kinds, ledger = (mart.fetch(sql) for sql in (_COUNTS, _KINDS, _LEDGER))
    for run in runs:
        loads = f"{len(run.outcome.taken_in)} loads taken in, {len(run.outcome.refused)} refused"
        console.print(f"\n[bold]Loads of {run.as_of}[/bold]: {loads}")
        for step in run.outcome.failed_steps:
            console.print(f"  [red]failed[/red] {escape(step)}", soft_wrap=True)
        print_table(console, "Sync plan", run.plan)
        print_table(console, "Salesforce sync results", run.results)
    console.print()
    print_table(console, "Membership counts by as-of date, source against downstream", counts)
    _print_kinds(console, kinds)
    print_table(console, "Discrepancy ledger", ledger)
    written = sum(row["changes"] for run in runs for row in run.results.to_pylist() if row["status"] == "succeeded")
    console.print(f"Writes to the org: {written:,} fields")
    for path in sorted(project.home.reports.glob("*")):
        console.print(f"Report: {escape(str(path))}", soft_wrap=True)
    if alerts := alerts_file(project):
        console.print(f"Alerts: {escape(str(alerts))}", soft_wrap=True)
    console.print("Next: `make dev` for the lineage, `memsync plan`, `memsync explain PERSON_ID`, `memsync --help`.")


def _print_kinds(console: Console, kinds: pa.Table) -> None:
    rows = kinds.to_pylist()
    dates = sorted({row["as_of"] for row in rows})
    found = {(row["reconciliation"], row["kind"], row["as_of"]): row["findings"] for row in rows}
    table = Table(title="Discrepancies by kind (not in flight)", title_justify="left")
    for name in ("reconciliation", "kind"):
        table.add_column(name)
    for day in dates:
        table.add_column(str(day), justify="right")
    for reconciliation, kind in sorted({key[:2] for key in found}):
        table.add_row(reconciliation, kind, *(f"{found.get((reconciliation, kind, day), 0):,}" for day in dates))
    console.print(table)
