"""The HTML page of a report: one file, no script, nothing from outside, counts only.

It answers five questions in this order: where, how bad, since when, who, what next.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from memsync_assets.parity.report.answers import answers, causes, headline
from memsync_assets.parity.report.charts import Line, line_chart, share_bar, sparkline
from memsync_assets.parity.report.definitions import definitions, next_step
from memsync_assets.parity.report.figures import Figures, Row

#: Rows of the lists of the page; the workbook has all.
_WORST_CELLS = 15
_CAUSES = 12
_DRIFT = 12


@dataclass(frozen=True)
class _Owner:
    """One line of who has what to do."""

    owner: str
    discrepancies: int
    overdue: int
    next_due: date
    days_left: int


def write_page(figures: Figures, path: Path, workbook: str) -> None:
    """Write the page of one reconciliation and as-of date, with the name of its workbook in it."""
    path.write_text(render_page(figures, workbook), encoding="utf-8")


def render_page(figures: Figures, workbook: str) -> str:
    """The page as text."""
    environment = Environment(
        loader=PackageLoader("memsync_assets.parity.report", "."),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["signed"] = lambda value: f"{value:+,}" if value else "0"
    found = causes(figures)
    drift = _drift_lines(figures.drift)
    return environment.get_template("page.html.j2").render(
        figures=figures,
        workbook=workbook,
        headline=headline(figures),
        answers=answers(figures),
        worst=figures.groups_that_differ[:_WORST_CELLS],
        bar=lambda row: share_bar(_share(row), f"{_share(row):.1%} of its {figures.counted}"),
        course=lambda row: sparkline(figures.of_cell(row), "findings with the last loads"),
        causes=found[:_CAUSES],
        next_step=next_step,
        explained=sum(cause.share for cause in found[:_CAUSES]),
        more_causes=max(0, len(found) - _CAUSES),
        scattered=sum(cause.findings for cause in figures.causes if not cause.pattern),
        owners=_owners(figures.ageing),
        kinds=figures.found_kinds,
        found=figures.found,
        trend=trend_chart(figures),
        drift=drift[:_DRIFT],
        more_drift=max(0, len(drift) - _DRIFT),
        definitions=definitions(figures.counted),
    )


def _drift_lines(drift: list[Row]) -> list[Row]:
    """One line for each kind and group, or system, with all systems that show it; the source's counts if it does."""
    lines: dict[tuple[Any, ...], list[Row]] = {}
    for row in drift:
        of_group = (row["source_system"], row["group_id"]) if row["group_id"] else (row["system"],)
        lines.setdefault((row["kind"], *of_group), []).append(row)
    return [
        {
            **min(rows, key=lambda row: row["system"] != row["source_system"]),
            "system": ", ".join(row["system"] for row in rows),
            "score": max((row["score"] for row in rows if row["score"] is not None), default=None),
        }
        for rows in lines.values()
    ]


def _share(row: Row) -> float:
    members = max(row["source_count"], row["downstream_count"])
    return float(max(row["findings"], abs(row["variance"])) / members) if members else 0.0


def _owners(ageing: list[Row]) -> list[_Owner]:
    lines = []
    for owner in sorted({row["owner"] for row in ageing}):
        rows = [row for row in ageing if row["owner"] == owner]
        first = min(rows, key=lambda row: row["due_on"])
        lines.append(
            _Owner(
                owner,
                sum(row["discrepancies"] for row in rows),
                sum(row["discrepancies"] for row in rows if row["days_left"] < 0),
                first["due_on"],
                first["days_left"],
            )
        )
    return sorted(lines, key=lambda line: (line.next_due, line.owner))


def trend_chart(figures: Figures) -> str:
    """Members or subscribers with findings by as-of date, a line for each downstream system, as SVG."""
    dates = sorted({row["as_of"] for row in figures.trend})
    found = {(row["downstream_system"], row["as_of"]): row["findings"] for row in figures.trend}
    lines = [
        Line(total.downstream_system, tuple(found.get((total.downstream_system, day)) for day in dates))
        for total in figures.totals
    ]
    return line_chart(
        [day.isoformat() for day in dates], lines, f"{figures.counted.capitalize()} with findings by as-of date"
    )
