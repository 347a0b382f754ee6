"""What findings may have in common, read from the mart: traits with counts, and how common each is; no members.

A trait that differs between the sides reads `A > B`: A in the source, B downstream. Days are those of the calendar's
time zone; a change is read to the hour, which is enough for every zone whose offset is whole hours.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from statistics import median
from typing import cast
from zoneinfo import ZoneInfo

from memsync_assets.mart.engine import Mart
from memsync_assets.settings import Kind

#: Between the sides of a trait that changed.
CHANGE = " > "
#: Loads before the usual number of new discrepancies is known.
_LEAST_LOADS = 3

#: A subscriber's changes are those of its dependents, too.
_UNITS = {"members": "m.member_id", "subscribers": "COALESCE(m.subscriber_id, m.member_id)"}

_FINDINGS = """
WITH plans AS (
    SELECT
        c.downstream_system,
        c.source_system,
        c.member_id,
        MIN(CASE WHEN c.in_source = 1 THEN c.plan_code END) AS source_plan,
        MIN(CASE WHEN c.in_downstream = 1 THEN c.plan_code END) AS downstream_plan
    FROM discrepancy_cells AS c
    WHERE c.reconciliation = @reconciliation AND c.as_of = @as_of AND c.in_flight = 'N'
    GROUP BY c.downstream_system, c.source_system, c.member_id
),

changes AS (
    SELECT
        m.source_system,
        {unit} AS member_id,
        MAX(m.changed_at) AS changed_at
    FROM source_members AS m
    INNER JOIN (SELECT DISTINCT p.source_system, p.member_id FROM plans AS p) AS w
        ON m.source_system = w.source_system AND {unit} = w.member_id
    GROUP BY m.source_system, {unit}
),

located AS (
    SELECT
        d.downstream_system,
        d.kind,
        d.source_system,
        d.source_group_id,
        d.downstream_group_id,
        d.source_state_code,
        d.downstream_state_code,
        p.source_plan,
        p.downstream_plan,
        CAST(g.changed_at AS DATE) AS changed_day,
        CAST(DATEPART(HOUR, g.changed_at) AS INT) AS changed_hour,
        COALESCE(l.reopened_on, l.opened_on) AS first_seen
    FROM discrepancies AS d
    LEFT OUTER JOIN plans AS p
        ON
            d.downstream_system = p.downstream_system
            AND d.source_system = p.source_system
            AND d.member_id = p.member_id
    LEFT OUTER JOIN changes AS g ON d.source_system = g.source_system AND d.member_id = g.member_id
    LEFT OUTER JOIN discrepancy_ledger AS l
        ON
            d.reconciliation = l.reconciliation
            AND d.downstream_system = l.downstream_system
            AND d.source_system = l.source_system
            AND d.member_id = l.member_id
            AND d.kind = l.kind
    WHERE d.reconciliation = @reconciliation AND d.as_of = @as_of AND d.in_flight = 'N'
)

SELECT
    f.downstream_system,
    f.kind,
    f.source_system,
    f.source_group_id,
    f.downstream_group_id,
    f.source_state_code,
    f.downstream_state_code,
    f.source_plan,
    f.downstream_plan,
    f.changed_day,
    f.changed_hour,
    f.first_seen,
    COUNT(*) AS findings
FROM located AS f
GROUP BY
    f.downstream_system,
    f.kind,
    f.source_system,
    f.source_group_id,
    f.downstream_group_id,
    f.source_state_code,
    f.downstream_state_code,
    f.source_plan,
    f.downstream_plan,
    f.changed_day,
    f.changed_hour,
    f.first_seen
"""
_ACTIVE = """
FROM source_members AS m
INNER JOIN reconciliation_scope AS s ON m.source_system = s.source_system AND m.group_id = s.group_id
WHERE
    s.reconciliation = @reconciliation
    AND s.as_of = @as_of
    AND m.effective_date <= @as_of
    AND (m.termination_date IS NULL OR m.termination_date > @as_of)
"""
_SEGMENTS = f"""
SELECT m.source_system, m.group_id, m.state_code, m.plan_code, COUNT(DISTINCT {{unit}}) AS members
{_ACTIVE} {{changed}}
GROUP BY m.source_system, m.group_id, m.state_code, m.plan_code
"""
_CHANGED = "AND m.changed_at >= @first_moment AND m.changed_at < @next_moment"
_CHANGE_HOURS = f"""
SELECT
    CAST(m.changed_at AS DATE) AS changed_day,
    CAST(DATEPART(HOUR, m.changed_at) AS INT) AS changed_hour,
    COUNT(*) AS members
{_ACTIVE}
GROUP BY CAST(m.changed_at AS DATE), CAST(DATEPART(HOUR, m.changed_at) AS INT)
"""
_OPENED = """
SELECT l.downstream_system, l.kind, COALESCE(l.reopened_on, l.opened_on) AS first_seen, COUNT(*) AS discrepancies
FROM discrepancy_ledger AS l
WHERE l.reconciliation = @reconciliation
GROUP BY l.downstream_system, l.kind, COALESCE(l.reopened_on, l.opened_on)
"""
_LOADS = """
SELECT DISTINCT c.downstream_system, c.as_of
FROM membership_counts AS c
WHERE c.reconciliation = @reconciliation AND c.as_of <= @as_of
"""

Row = Mapping[str, object]
#: A downstream system and a kind.
Place = tuple[str, Kind]


@dataclass(frozen=True)
class Traits:
    """What a finding may have in common with others; empty: unknown.

    Attributes:
        group: `source_system group_id`.
        changed_on: the day on which the source changed the member.
        first_seen: the as-of date of the load that the discrepancy was first seen with.
    """

    source_system: str
    group: str
    state: str
    plan: str
    changed_on: str
    first_seen: str = ""


@dataclass(frozen=True)
class Segment:
    """Members in scope that are alike."""

    source_system: str
    group: str
    state: str
    plan: str
    members: int


class TraitReader:
    """Reads of one reconciliation and as-of date. `counted` is members or subscribers."""

    def __init__(self, mart: Mart, reconciliation: str, as_of: date, counted: str, time_zone: str) -> None:
        self._mart = mart
        self._parameters: dict[str, object] = {"reconciliation": reconciliation, "as_of": as_of}
        self._unit = _UNITS[counted]
        self._zone = ZoneInfo(time_zone)

    def findings(self) -> Mapping[Place, Counter[Traits]]:
        """The findings that are not in flight, by downstream system and kind."""
        found: dict[Place, Counter[Traits]] = defaultdict(Counter)
        for row in self._rows(_FINDINGS):
            found[_place(row)][self._traits(row)] += _count(row["findings"])
        return found

    def segments(self, changed_on: str) -> list[Segment]:
        """Active members of the source systems; those whose row was changed on a day, unless it is empty."""
        if not changed_on:
            return [_segment(row) for row in self._rows(_SEGMENTS.replace("{changed}", ""))]
        day = date.fromisoformat(changed_on)
        bounds = {"first_moment": self._begin(day), "next_moment": self._begin(day + timedelta(days=1))}
        return [_segment(row) for row in self._rows(_SEGMENTS.replace("{changed}", _CHANGED), bounds)]

    def changes(self) -> Counter[str]:
        """Active rows of the source systems by the day on which they were changed."""
        found: Counter[str] = Counter()
        for row in self._rows(_CHANGE_HOURS):
            found[self._day(row)] += _count(row["members"])
        return found

    def usual_openings(self) -> Mapping[Place, Mapping[str, float]]:
        """How many discrepancies usually open with a load, for each load: the median of the others.

        A downstream system that was compared with too few loads is left out.
        """
        dates: dict[str, list[str]] = defaultdict(list)
        for row in self._rows(_LOADS):
            dates[str(row["downstream_system"])].append(str(row["as_of"]))
        opened: dict[Place, Counter[str]] = defaultdict(Counter)
        for row in self._rows(_OPENED):
            opened[_place(row)][str(row["first_seen"])] += _count(row["discrepancies"])
        return {
            place: {
                day: float(median(counts[other] for other in dates[place[0]] if other != day))
                for day in dates[place[0]]
            }
            for place, counts in opened.items()
            if len(dates[place[0]]) > _LEAST_LOADS
        }

    def _rows(self, sql: str, more: Mapping[str, object] | None = None) -> list[dict[str, object]]:
        text = sql.replace("{unit}", self._unit)
        rows: list[dict[str, object]] = self._mart.fetch(text, self._parameters | dict(more or {})).to_pylist()
        return rows

    def _traits(self, row: Row) -> Traits:
        system = str(row["source_system"])
        return Traits(
            source_system=system,
            group=f"{system} {_change(row['source_group_id'], row['downstream_group_id'])}",
            state=_change(row["source_state_code"], row["downstream_state_code"]),
            plan=_change(row["source_plan"], row["downstream_plan"]),
            changed_on=self._day(row),
            first_seen=str(row["first_seen"] or ""),
        )

    def _day(self, row: Row) -> str:
        day = row["changed_day"]
        if not isinstance(day, date):
            return ""
        moment = datetime.combine(day, time(_count(row["changed_hour"])), UTC)
        return moment.astimezone(self._zone).date().isoformat()

    def _begin(self, day: date) -> datetime:
        """The first moment of a day, in UTC without saying so, as the mart has it."""
        return datetime.combine(day, time(), self._zone).astimezone(UTC).replace(tzinfo=None)


def _place(row: Row) -> Place:
    return str(row["downstream_system"]), cast(Kind, row["kind"])


def _segment(row: Row) -> Segment:
    system = str(row["source_system"])
    plan = str(row["plan_code"] or "")
    return Segment(system, f"{system} {row['group_id']}", str(row["state_code"]), plan, _count(row["members"]))


def _change(source: object, downstream: object) -> str:
    if source is None or downstream is None or source == downstream:
        return str(source if source is not None else downstream if downstream is not None else "")
    return f"{source}{CHANGE}{downstream}"


def _count(value: object) -> int:
    return int(str(value))
