"""The figures of a report, read from the mart; workbook and page show the same ones.

Figures hold counts; what `read_findings` gives is members' data. Reads only: nothing here decides what a discrepancy
is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa

from memsync_assets.mart.engine import Mart, Parameters
from memsync_assets.parity.calendar import BusinessCalendar
from memsync_assets.parity.causes import Cause, likely_causes
from memsync_assets.settings import Settings

#: As-of dates that a trend goes back.
TREND_DATES = 12

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
ORDER BY
    c.level,
    CASE WHEN c.findings > ABS(c.variance) THEN c.findings ELSE ABS(c.variance) END DESC,
    c.downstream_system, c.source_system, c.group_id, c.state_code, c.plan_code
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
_PLACES = """
SELECT d.downstream_system, d.source_system, COALESCE(d.source_group_id, d.downstream_group_id) AS group_id,
    COUNT(*) AS findings
FROM discrepancies AS d
WHERE d.reconciliation = @reconciliation AND d.as_of = @as_of
GROUP BY d.downstream_system, d.source_system, COALESCE(d.source_group_id, d.downstream_group_id)
ORDER BY d.downstream_system, d.source_system, COALESCE(d.source_group_id, d.downstream_group_id)
"""
_FINDINGS = """
SELECT
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
WHERE
    d.reconciliation = @reconciliation
    AND d.as_of = @as_of
    AND d.downstream_system = @downstream_system
    AND d.source_system = @source_system
ORDER BY COALESCE(d.source_group_id, d.downstream_group_id), d.kind, d.member_id
"""

Row = Mapping[str, Any]
#: Downstream system, level, source system, group, state and plan.
Cell = tuple[str | None, ...]
_CELL = ("downstream_system", "level", "source_system", "group_id", "state_code", "plan_code")


@dataclass(frozen=True)
class Total:
    """One downstream system of a reconciliation, all sources together. Counts of members and of discrepancies.

    A system that only counts has no findings; what is wrong with it is its variance.
    """

    downstream_system: str
    source_count: int
    downstream_count: int
    in_flight: int
    findings: int
    cells_that_vary: int
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
        """The share of the source's members that are not known to differ, in flight or not; 1 when there are none."""
        wrong = max(self.findings + self.in_flight, abs(self.variance))
        return max(0.0, 1 - wrong / self.source_count) if self.source_count else float(not wrong)

    @property
    def differs(self) -> bool:
        """Whether a member or a count is wrong that is not in flight."""
        return self.findings + self.cells_that_vary > 0

    @property
    def difference(self) -> int:
        """Members that are known to differ, in flight or not where they are only counted."""
        return self.findings or abs(self.variance)


@dataclass(frozen=True)
class LevelTotal:
    """The cells of one level of a downstream system.

    Attributes:
        net: variance, summed over cells without regard to its sign: what cancels out within a cell is not in it.
        gross: members with a finding, summed over cells: nothing cancels out.
    """

    level: str
    downstream_system: str
    cells: int
    within_tolerance: int
    beyond_tolerance: int
    net: int
    gross: int


@dataclass(frozen=True)
class Figures:
    """A report's figures for one reconciliation and as-of date.

    Attributes:
        counted: what the counts are of: members or subscribers.
        dates: the as-of dates of the trend, the last one is the report's.
        counts: rows of membership_counts with the group's name; in each level those first that differ most.
        history: for each cell that had findings on one of `dates`, how many on each; None: not compared.
        drift: rows of membership_drift, the watch list last and strongest first.
        ageing: open discrepancies by owner, downstream system, kind and day of opening, with `days_left`.
        places: how many findings there are, in flight or not, by downstream system, source system and group, in the
            order of `read_findings`.
    """

    reconciliation: str
    description: str
    counted: str
    as_of: date
    loads: list[Row]
    totals: list[Total]
    dates: list[date]
    counts: list[Row]
    history: Mapping[Cell, tuple[int | None, ...]]
    kinds: list[Row]
    causes: list[Cause]
    ageing: list[Row]
    trend: list[Row]
    drift: list[Row]
    places: list[Row]

    def level(self, level: str) -> list[Row]:
        """The counts of one level."""
        return [row for row in self.counts if row["level"] == level]

    @property
    def groups_that_differ(self) -> list[Row]:
        """The counts of the groups with a finding or a variance that is not in flight."""
        return [row for row in self.level("group") if row["findings"] or row["status"] != "match"]

    def of_cell(self, row: Row) -> tuple[int | None, ...]:
        """The findings of a row of `counts` on each of `dates`; empty: there were none."""
        return self.history.get(_cell(row), ())

    @property
    def findings(self) -> int:
        """Members with a finding that is not in flight, over all downstream systems."""
        return sum(total.findings for total in self.totals)

    @property
    def rows(self) -> int:
        """The rows of `read_findings`: one for each member and kind, in flight or not."""
        return sum(row["findings"] for row in self.kinds)

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

    @property
    def level_totals(self) -> list[LevelTotal]:
        """Every level of every downstream system."""
        return [
            _level_total(level, total.downstream_system, self.level(level))
            for level in self.levels
            for total in self.totals
        ]


def _level_total(level: str, system: str, rows: list[Row]) -> LevelTotal:
    of_system = [row for row in rows if row["downstream_system"] == system]
    return LevelTotal(
        level,
        system,
        cells=len(of_system),
        within_tolerance=sum(row["status"] == "within_tolerance" for row in of_system),
        beyond_tolerance=sum(row["status"] == "beyond_tolerance" for row in of_system),
        net=sum(abs(row["variance"]) for row in of_system),
        gross=sum(row["findings"] for row in of_system),
    )


def _cell(row: Row) -> Cell:
    return tuple(row[name] for name in _CELL)


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
    parameters: dict[str, object] = {"reconciliation": reconciliation, "as_of": as_of}

    def rows(sql: str) -> list[Row]:
        return [_plain(row) for row in mart.fetch(sql, parameters).to_pylist()]

    block = settings.reconciliations[reconciliation]
    names = {(row["source_system"], row["group_id"]): row["group_name"] for row in rows(_GROUP_NAMES)}
    counts: list[Row] = [
        {**row, "group_name": names.get((row["source_system"], row["group_id"]))} for row in rows(_COUNTS)
    ]
    calendar = BusinessCalendar.of(settings.calendar)
    ageing: list[Row] = [{**row, "days_left": calendar.days_left(as_of, row["due_on"])} for row in rows(_AGEING)]
    trend = rows(_TREND)
    dates = sorted({row["as_of"] for row in trend})[-TREND_DATES:]
    return Figures(
        reconciliation=reconciliation,
        description=block.description,
        counted=block.counted,
        as_of=as_of,
        loads=rows(_LOADS),
        totals=_totals(counts, rows(_LEDGER_TOTALS)),
        dates=dates,
        counts=counts,
        history=_read_history(mart, parameters, dates),
        kinds=rows(_KINDS),
        causes=likely_causes(mart, settings, reconciliation, as_of),
        ageing=ageing,
        trend=[row for row in trend if row["as_of"] in dates],
        drift=sorted(rows(_DRIFT), key=_oddity),
        places=rows(_PLACES),
    )


def read_findings(mart: Mart, figures: Figures) -> Iterator[pa.Table]:
    """The findings by member, in flight or not, a table for each pair of systems: protected health information."""
    pairs = dict.fromkeys((place["downstream_system"], place["source_system"]) for place in figures.places)
    for downstream_system, source_system in pairs:
        parameters: dict[str, object] = {
            "reconciliation": figures.reconciliation,
            "as_of": figures.as_of,
            "downstream_system": downstream_system,
            "source_system": source_system,
        }
        yield mart.fetch(_FINDINGS, parameters)


def _read_history(mart: Mart, parameters: Parameters, dates: list[date]) -> dict[Cell, tuple[int | None, ...]]:
    if not dates:
        return {}
    days = {f"day{number}": day for number, day in enumerate(dates)}
    cells = ", ".join(f"c.{name}" for name in _CELL)
    counted = ", ".join(f"SUM(CASE WHEN c.as_of = @{day} THEN c.findings END) AS {day}" for day in days)
    sql = (
        f"SELECT {cells}, {counted} FROM membership_counts AS c"  # noqa: S608 - names of ours
        f" WHERE c.reconciliation = @reconciliation AND c.as_of BETWEEN @day0 AND @as_of"
        f" GROUP BY {cells} HAVING SUM(c.findings) > 0"
    )
    rows = [_plain(row) for row in mart.fetch(sql, {**parameters, **days}).to_pylist()]
    return {_cell(row): tuple(row[day] for day in days) for row in rows}


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
                cells_that_vary=sum(row["status"] != "match" for row in of_system),
                cells_beyond_tolerance=sum(row["status"] == "beyond_tolerance" for row in of_system),
                **{name: int(line.get(name) or 0) for name in ("open_now", "opened", "closed", "overdue")},
                oldest=line.get("oldest"),
            )
        )
    return totals
