"""Parity in the graph: what is compared, what is found, what is followed until it is closed, what is reported."""

import warnings
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import dagster as dg
import pandas as pd
from dagster_pandas import PandasColumn, create_dagster_pandas_dataframe_type

from memsync_assets.mart.asset_metadata import table_metadata, table_results, table_spec
from memsync_assets.mart.connect import open_mart
from memsync_assets.parity.comparison import compare_membership
from memsync_assets.parity.drift import count_kinds, watch_drift
from memsync_assets.parity.ledger import bring_ledger_up_to, read_breaches
from memsync_assets.parity.report.answers import causes
from memsync_assets.parity.report.charts import as_markdown
from memsync_assets.parity.report.page import trend_chart
from memsync_assets.parity.report.writing import Report, write_reports
from memsync_assets.parity.summary import COLUMNS, parity_summary_frame
from memsync_assets.parity.verdicts import read_verdicts
from memsync_assets.settings import Project

_GROUP = "parity"
_COMPARED = ("reconciliation_scope", "membership_counts", "discrepancies")
_MEMBERS = ["source_members", "downstream_members"]


def _summary_type() -> dg.DagsterType:
    # Kinds of columns only: a constraint on values would write the rows that break it into the event log.
    columns = [
        PandasColumn.integer_column(name) if kind is int else PandasColumn.string_column(name)
        for name, kind in COLUMNS.items()
    ]
    description = "One row for each reconciliation, downstream system and level: counts of cells and of members."
    kind: dg.DagsterType = create_dagster_pandas_dataframe_type("ParitySummary", description, columns=columns)
    return kind


with warnings.catch_warnings():
    # dagster-pandas calls all of its types beta, at every start.
    warnings.simplefilter("ignore", dg.BetaWarning)
    _PARITY_SUMMARY = _summary_type()


@dg.multi_asset(
    name="compare_membership",
    specs=[
        table_spec(
            _GROUP,
            "reconciliation_scope",
            ["source_members", "employer_groups"],
            "The employer groups that each reconciliation covers: named, flagged as IHM, or above a size.",
        ),
        table_spec(
            _GROUP,
            "membership_counts",
            [*_MEMBERS, "employer_groups"],
            "Distinct active members by source, group and state, on both sides, with variance and status.",
        ),
        table_spec(
            _GROUP,
            "discrepancies",
            [*_MEMBERS, "employer_groups"],
            "Every difference explained by member: missing, extra, duplicate, wrong group, state or plan, stale dates.",
        ),
    ],
)
def membership_comparison(project: dg.ResourceParam[Project]) -> Iterator[dg.MaterializeResult[None]]:
    """Compare the membership of the source systems with every downstream system."""
    with open_mart(project) as mart:
        compared = compare_membership(mart, project.settings, project.as_of, exact=project.exact)
        yield from table_results(mart, _COMPARED, {"comparisons": _table([asdict(c) for c in compared])})


@dg.asset(
    deps=["discrepancies"],
    group_name=_GROUP,
    kinds={"sql", "table"},
    description="Each discrepancy over its life: opened, due in ten business days, closed by a later load, reopened.",
)
def discrepancy_ledger(project: dg.ResourceParam[Project]) -> dg.MaterializeResult[None]:
    """Bring the ledger up to the comparison."""
    with open_mart(project) as mart:
        moves = bring_ledger_up_to(mart, project.settings, project.as_of)
        metadata = table_metadata(mart, "discrepancy_ledger")
        breaches = [asdict(breach) | {"due_on": str(breach.due_on)} for breach in read_breaches(mart)]
    moved = _table([asdict(move) for move in moves])
    # The alerts' sensor reads the breaches here, so that it never takes the mart from a run.
    return dg.MaterializeResult(metadata={**metadata, "moves": moved, "breaches": dg.MetadataValue.json(breaches)})


@dg.asset(
    deps=["membership_counts"],
    group_name=_GROUP,
    kinds={"table"},
    description="What is odd about a load even where all systems agree: groups that jump, drift, vanish or appear; "
    "feeds that are late, partial or stale.",
)
def membership_drift(project: dg.ResourceParam[Project]) -> dg.MaterializeResult[None]:
    """Hold the counts against those of earlier as-of dates."""
    with open_mart(project) as mart:
        found = watch_drift(mart, project.settings, project.as_of)
        metadata = table_metadata(mart, "membership_drift")
    counts = {f"{name}: {kind}": n for name, drifts in found.items() for kind, n in count_kinds(drifts).items()}
    return dg.MaterializeResult(metadata={**metadata, **counts})


@dg.asset(
    deps=["membership_counts"],
    group_name=_GROUP,
    kinds={"pandas"},
    dagster_type=_PARITY_SUMMARY,
    description="How each downstream system stands at each level, as a data frame: for notebooks and further assets.",
)
def parity_summary(project: dg.ResourceParam[Project]) -> dg.MaterializeResult[pd.DataFrame]:
    """Sum the counts up by reconciliation, downstream system and level."""
    with open_mart(project) as mart:
        summary = parity_summary_frame(read_verdicts(mart, project.as_of))
    rows = [{str(name): value for name, value in row.items()} for row in summary.to_dict("records")]
    return dg.MaterializeResult(value=summary, metadata={"dagster/row_count": len(summary), "summary": _table(rows)})


@dg.asset(
    deps=["membership_counts", "discrepancies", "discrepancy_ledger", "membership_drift"],
    group_name=_GROUP,
    kinds={"excel", "html"},
    description="The IHM discrepancy report, and that of every further reconciliation: an Excel workbook and one HTML "
    "page in the home's report folder, for who works discrepancies off.",
)
def ihm_discrepancy_report(project: dg.ResourceParam[Project]) -> dg.MaterializeResult[None]:
    """Write workbook and page of every reconciliation."""
    with open_mart(project) as mart:
        reports = write_reports(mart, project)
    return dg.MaterializeResult(metadata=_about(reports))


def _about(reports: list[Report]) -> dict[str, Any]:
    about: dict[str, Any] = {}
    for report in reports:
        name = report.figures.reconciliation
        about[f"{name} workbook"] = dg.MetadataValue.path(str(report.workbook))
        about[f"{name} page"] = dg.MetadataValue.path(str(report.page))
        if report.members:
            about[f"{name} members"] = dg.MetadataValue.path(str(report.members))
        about[f"{name} totals"] = _table(
            [
                {**asdict(total), "variance": total.variance, "oldest": str(total.oldest or "")}
                for total in report.figures.totals
            ]
        )
        about[f"{name} net and gross"] = _table([asdict(of) for of in report.figures.level_totals])
        about[f"{name} causes"] = _table(
            [
                {
                    "findings": c.findings,
                    "share": f"{c.share:.1%}",
                    "cause": c.text,
                    "since": str(c.since or ""),
                    "owner": c.owner,
                }
                for c in causes(report.figures)
            ]
        )
        about[f"{name} trend"] = dg.MetadataValue.md(as_markdown(trend_chart(report.figures), "findings by as-of date"))
        # Numbers by themselves are what Dagster plots over time.
        for total in report.figures.totals:
            for figure in ("variance", "findings", "open_now", "overdue"):
                about[f"{name}: {total.downstream_system} {figure.replace('_', ' ')}"] = getattr(total, figure)
    return about


def _table(rows: list[dict[str, Any]]) -> Any:
    if not rows:
        return "none"
    columns = [dg.TableColumn(name, type(value).__name__) for name, value in rows[0].items()]
    return dg.MetadataValue.table([dg.TableRecord(row) for row in rows], dg.TableSchema(columns))


ASSETS = (membership_comparison, discrepancy_ledger, membership_drift, parity_summary, ihm_discrepancy_report)
