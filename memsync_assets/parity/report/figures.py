"""The figures of a report, read from the mart; workbook and page show the same ones.

Everything but `members` holds counts. Reads only: nothing here decides what a discrepancy is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa

from memsync_assets.mart.engine import Mart
from memsync_assets.parity.calendar import BusinessCalendar
from memsync_assets.parity.causes import Cause, likely_causes
from memsync_assets.settings import Settings

#: As-of dates that a trend goes back.
TREND_DATES = 12
#: Rows of members' detail in a workbook; the rest is in the mart, and the workbook says so.
DETAIL_ROWS = 100_000

_LOADS = """
SELECT l.role, l.system, l.load_id, l.kind, l.as_of, l.cutoff_at, l.applied_at
FROM loads AS l
WHERE NOT EXISTS (SELECT 1 FROM loads AS later WHERE later.system = l.system AND later.load_id > l.load_id)
ORDER BY l.role DESC, l.system
"""
_COUNTS = """
SELECT
    c.downstream_system, c.level, c.source_system, c.group_id, c.state_code, c.plan_code, c.source_count,
    c.downstream_count, c.variance, c.variance_pct, c.in_flight, c.findings, c.status
FROM membership_counts AS c
WHERE c.reconciliation = @reconciliation AND c.as_of = @as_of
ORDER BY c.level, c.downstream_system, c.source_system, c.group_id, c.state_code, c.plan_code
"""
_GROUP_NAMES = """
SELECT g.source_system, g.group_id, g.group_name
FROM employer_groups AS g
INNER JOIN reconciliation_scope AS s ON g.source_system = s.source_system AND g.group_id = s.group_id
WHERE s.reconciliation = @reconciliation AND s.as_of = @as_of
"""
_KINDS = """
SELECT d.downstream_system, d.kind, d.in_flight, COUNT(*) AS findings
FROM discrepancies AS d
WHERE d.reconciliation = @reconciliation AND d.as_of = @as_of
GROUP BY d.downstream_system, d.kind, d.in_flight
ORDER BY d.downstream_system, d.kind, d.in_flight
"""
_LEDGER_TOTALS = """
SELECT
    l.downstream_system,
    SUM(CASE WHEN l.status = 'open' THEN 1 ELSE 0 END) AS open_now,
    SUM(CASE WHEN l.opened_on = @as_of OR l.reopened_on = @as_of THEN 1 ELSE 0 END) AS opened,
    SUM(CASE WHEN l.closed_on = @as_of THEN 1 ELSE 0 END) AS closed,
    SUM(CASE WHEN l.status = 'open' AND l.due_on < @as_of THEN 1 ELSE 0 END) AS overdue,
    MIN(CASE WHEN l.status = 'open' THEN COALESCE(l.reopened_on, l.opened_on) END) AS oldest
FROM discrepancy_ledger AS l
WHERE l.reconciliation = @reconciliation
GROUP BY l.downstream_system
ORDER BY l.downstream_system
"""
_AGEING = """
SELECT
    l.owner,
    l.downstream_system,
    l.kind,
    COALESCE(l.reopened_on, l.opened_on) AS open_since,
    l.due_on,
    COUNT(*) AS discrepancies
FROM discrepancy_ledger AS l
WHERE l.reconciliation = @reconciliation AND l.status = 'open'
GROUP BY l.owner, l.downstream_system, l.kind, COALESCE(l.reopened_on, l.opened_on), l.due_on
ORDER BY l.due_on, l.owner, l.downstream_system, l.kind
"""
_TREND = """
SELECT
    c.as_of,
    c.downstream_system,
    SUM(c.source_count) AS source_count,
    SUM(c.downstream_count) AS downstream_count,
    SUM(c.variance) AS variance,
    SUM(c.findings) AS findings
FROM membership_counts AS c
WHERE c.reconciliation = @reconciliation AND c.as_of <= @as_of AND c.level = 'source'
GROUP BY c.as_of, c.downstream_system
ORDER BY c.as_of, c.downstream_system
"""
_DRIFT = """
SELECT d.kind, d.system, d.source_system, d.group_id, d.members_before, d.members_now, d.score
FROM membership_drift AS d
WHERE d.reconciliation = @reconciliation AND d.as_of = @as_of
"""
_DETAIL = f"""
SELECT TOP ({DETAIL_ROWS})
    d.downstream_system, d.kind, d.source_system, d.member_id, d.source_group_id, d.downstream_group_id,
    d.source_state_code, d.downstream_state_code, d.in_flight, l.status, l.owner,
    COALESCE(l.reopened_on, l.opened_on) AS open_since, l.due_on
FROM discrepancies AS d
LEFT OUTER JOIN discrepancy_ledger AS l
    ON
        d.reconciliation = l.reconciliation
        AND d.downstream_system = l.downstream_system
        AND d.source_system = l.source_system
        AND d.member_id = l.member_id
        AND d.kind = l.kind
WHERE d.reconciliation = @reconciliation AND d.as_of = @as_of
ORDER BY d.downstream_system, d.source_system, d.source_group_id, d.kind, d.member_id
"""  # noqa: S608 - a number of ours

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Total:
    """One downstream system of a reconciliation, all sources together. Counts of members and of discrepancies."""

    downstream_system: str
    source_count: int
    downstream_count: int
    in_flight: int
    findings: int
    cells_beyond_tolerance: int
    open_now: int
    opened: int
    closed: int
    overdue: int
    oldest: date | None

    @property
    def variance(self) -> int:
        """Downstream less source: the net difference."""
        return self.downstream_count - self.source_count

    @property
    def agreement(self) -> float:
        """The share of the source's members without a finding, in flight or not; 1 when there are none."""
        wrong = self.findings + self.in_flight
        return max(0.0, 1 - wrong / self.source_count) if self.source_count else float(not wrong)


@dataclass(frozen=True)
class Figures:
    """A report's figures for one reconciliation and as-of date.

    Attributes:
        counts: rows of membership_counts with the group's name.
        drift: rows of membership_drift, the watch list last and strongest first.
        ageing: open discrepancies by owner, downstream system, kind and day of opening, with `days_left`.
        members: the findings by member: protected health information.
        members_found: how many findings there are; `members` holds at most DETAIL_ROWS of them.
    """

    reconciliation: str
    description: str
    as_of: date
    loads: list[Row]
    totals: list[Total]
    counts: list[Row]
    kinds: list[Row]
    causes: list[Cause]
    ageing: list[Row]
    trend: list[Row]
    drift: list[Row]
    members: pa.Table
    members_found: int

    def level(self, level: str) -> list[Row]:
        """The counts of one level."""
        return [row for row in self.counts if row["level"] == level]

    @property
    def found(self) -> Counter[tuple[str, str]]:
        """Findings by kind and downstream system, those in flight included."""
        found: Counter[tuple[str, str]] = Counter()
        for row in self.kinds:
            found[row["kind"], row["downstream_system"]] += row["findings"]
        return found

    @property
    def found_kinds(self) -> list[str]:
        """The kinds that were found, in order."""
        return sorted({row["kind"] for row in self.kinds})

    @property
    def levels(self) -> list[str]:
        """The levels that are counted, from the coarsest."""
        return list(dict.fromkeys(sorted((row["level"] for row in self.counts), key=_depth)))


def _plain(row: Row) -> Row:
    """Engines give sums of whole numbers as decimals."""
    return {name: int(value) if isinstance(value, Decimal) else value for name, value in row.items()}


def _oddity(row: Row) -> tuple[Any, ...]:
    names = (row["kind"], row["system"], row["source_system"] or "", row["group_id"] or "")
    return (row["kind"] == "watch", row["kind"] == "jump", -(row["score"] or 0), *names)


def _depth(level: str) -> int:
    return ("source", "plan", "group", "state").index(level)


def read_figures(mart: Mart, settings: Settings, reconciliation: str, as_of: date) -> Figures:
    """Read a report's figures."""
    parameters = {"reconciliation": reconciliation, "as_of": as_of}

    def rows(sql: str) -> list[Row]:
        return [_plain(row) for row in mart.fetch(sql, parameters).to_pylist()]

    names = {(row["source_system"], row["group_id"]): row["group_name"] for row in rows(_GROUP_NAMES)}
    counts: list[Row] = [
        {**row, "group_name": names.get((row["source_system"], row["group_id"]))} for row in rows(_COUNTS)
    ]
    calendar = BusinessCalendar.of(settings.calendar)
    ageing: list[Row] = [{**row, "days_left": calendar.days_left(as_of, row["due_on"])} for row in rows(_AGEING)]
    trend = rows(_TREND)
    shown = sorted({row["as_of"] for row in trend})[-TREND_DATES:]
    kinds = rows(_KINDS)
    return Figures(
        reconciliation=reconciliation,
        description=settings.reconciliations[reconciliation].description,
        as_of=as_of,
        loads=rows(_LOADS),
        totals=_totals(counts, rows(_LEDGER_TOTALS)),
        counts=counts,
        kinds=kinds,
        causes=likely_causes(mart, reconciliation, as_of),
        ageing=ageing,
        trend=[row for row in trend if row["as_of"] in shown],
        drift=sorted(rows(_DRIFT), key=_oddity),
        members=mart.fetch(_DETAIL, parameters),
        members_found=sum(row["findings"] for row in kinds),
    )


def _totals(counts: list[Row], ledger: list[Row]) -> list[Total]:
    of_ledger = {row["downstream_system"]: row for row in ledger}
    totals = []
    for system in sorted({row["downstream_system"] for row in counts}):
        of_system = [row for row in counts if row["downstream_system"] == system]
        sources = [row for row in of_system if row["level"] == "source"]
        line = of_ledger.get(system, {})
        totals.append(
            Total(
                downstream_system=system,
                **{
                    name: sum(row[name] for row in sources)
                    for name in ("source_count", "downstream_count", "in_flight", "findings")
                },
                cells_beyond_tolerance=sum(row["status"] == "beyond_tolerance" for row in of_system),
                **{name: int(line.get(name) or 0) for name in ("open_now", "opened", "closed", "overdue")},
                oldest=line.get("oldest"),
            )
        )
    return totals
