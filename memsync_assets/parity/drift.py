"""Drift guard: what is odd about a load even where all systems agree. Warnings, never discrepancies.

Groups, from the counts of earlier as-of dates, of each system by itself:
`jump`: the log change of a group's members since the date before lies more than 5 MAD off the median of its former
changes; quiet until there are `LEAST_CHANGES` of them. `watch`: an EWMA (weight 0.2, limit 3.2 sigma) of the changes,
held against those before the last eight, is beyond its limit: a slow drift, to be looked at in order of its score;
quiet until there are `LEAST_CHANGES` before those eight. The spread is floored at 0.2% and at one member, so that a
jump is more than 1% and more than five members. `appeared`, `vanished`, `left_scope` and `crossed_size` need one
earlier date.

Feeds: `late`: the last load is of an earlier as-of date than another system's. `partial`: the last full load has less
than half of the members' rows of the full load before. `stale`: two loads running count the same in every group, where
there are members enough for that to be no chance.
Source of the bounds: measured by simulation, 0.14% false alarms a group and week for `jump`, 1.9% for `watch`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date
from itertools import pairwise
from math import log, sqrt
from statistics import median
from typing import Literal

import pyarrow as pa

from memsync_assets.mart.engine import Mart
from memsync_assets.parity.reconciliations import date_compared
from memsync_assets.settings import Reconciliation, Settings

Kind = Literal["late", "partial", "stale", "vanished", "appeared", "left_scope", "crossed_size", "jump", "watch"]
#: Former changes of a group before its next one is judged: that many and two as-of dates.
LEAST_CHANGES = 8
#: As-of dates that are looked back on.
_DATES = 27
_JUMP = 5.0
_WEIGHT, _LIMIT = 0.2, 3.2
#: Changes that the EWMA remembers.
_RECENT = 8
_LEAST_SPREAD = 0.002
#: The standard deviation of a normal distribution is this many MAD.
_SIGMA = 1.4826
_SIZE = 5000
#: A feed of fewer members may well repeat its counts.
_STALE_MEMBERS = 1000

_DATES_COMPARED = """
SELECT DISTINCT c.as_of FROM membership_counts AS c
WHERE c.reconciliation = @reconciliation AND c.as_of < @as_of
ORDER BY c.as_of
"""
_HISTORY = """
SELECT c.as_of, c.downstream_system, c.source_system, c.group_id, c.source_count, c.downstream_count
FROM membership_counts AS c
WHERE c.reconciliation = @reconciliation AND c.as_of BETWEEN @first AND @as_of AND c.level = 'group'
"""
#: How large the groups are now that were in scope on a date and are no longer.
_LEFT = """
SELECT m.source_system, m.group_id, COUNT(DISTINCT m.member_id) AS members
FROM source_members AS m
INNER JOIN reconciliation_scope AS b
    ON m.source_system = b.source_system AND m.group_id = b.group_id
LEFT OUTER JOIN reconciliation_scope AS n
    ON b.reconciliation = n.reconciliation AND b.source_system = n.source_system AND b.group_id = n.group_id
    AND n.as_of = @as_of
WHERE
    b.reconciliation = @reconciliation AND b.as_of = @before AND n.group_id IS NULL
    AND m.effective_date <= @as_of AND (m.termination_date IS NULL OR m.termination_date > @as_of)
GROUP BY m.source_system, m.group_id
"""
_LOADS = """
SELECT l.system, l.role, l.load_id, l.kind, l.as_of, t.row_count
FROM loads AS l
LEFT OUTER JOIN load_tables AS t
    ON l.system = t.system AND l.load_id = t.load_id AND t.table_name = 'members'
WHERE l.as_of <= @as_of
ORDER BY l.system, l.load_id
"""

_ALARMS = """
SELECT d.reconciliation, d.kind, COUNT(*) AS oddities
FROM membership_drift AS d
WHERE d.as_of = @as_of AND d.kind <> 'watch'
GROUP BY d.reconciliation, d.kind
ORDER BY d.reconciliation, d.kind
"""

Group = tuple[str, str]
#: The members of each group on each date, of one system; a group that is not there has none.
Counts = Mapping[date, Mapping[Group, int]]


@dataclass(frozen=True)
class Drift:
    """One oddity of a system's load: counts of members, no members.

    Attributes:
        score: times the bound of `jump` or `watch`.
    """

    system: str
    kind: Kind
    source_system: str | None = None
    group_id: str | None = None
    members_before: int | None = None
    members_now: int | None = None
    score: float | None = None


def watch_drift(mart: Mart, settings: Settings, as_of: date | None) -> dict[str, list[Drift]]:
    """Find and store the drift of every reconciliation on an as-of date; None: the latest of the loads."""
    compared = date_compared(mart, as_of)
    if compared is None:
        return {}
    feeds = feed_drift(mart, compared)
    found = {
        name: [*feeds, *_of_reconciliation(mart, name, block, compared)]
        for name, block in settings.reconciliations.items()
    }
    mart.whole(lambda: _store(mart, compared, found))
    return found


def feed_drift(mart: Mart, as_of: date | None = None) -> list[Drift]:
    """Systems whose last load is late or partial: known before anything is compared."""
    known = date_compared(mart, as_of)
    loads: dict[str, list[Mapping[str, object]]] = defaultdict(list)
    for row in mart.fetch(_LOADS, {"as_of": known}).to_pylist() if known else []:
        loads[row["system"]].append(row)
    newest = max((str(row["as_of"]) for rows in loads.values() for row in rows), default="")
    found: list[Drift] = []
    for system, rows in loads.items():
        if str(rows[-1]["as_of"]) < newest:
            found.append(Drift(system, "late"))
        sizes = [int(str(r["row_count"])) for r in rows if r["kind"] == "full" and r["row_count"] is not None]
        if rows[-1]["kind"] == "full" and len(sizes) > 1 and 2 * sizes[-1] < sizes[-2]:
            found.append(Drift(system, "partial", members_before=sizes[-2], members_now=sizes[-1]))
    return found


def alarms(mart: Mart, as_of: date | None = None) -> dict[str, int]:
    """How many of each reconciliation and kind were stored for an as-of date, without the watch list."""
    rows = mart.fetch(_ALARMS, {"as_of": date_compared(mart, as_of)}).to_pylist()
    return {f"{row['reconciliation']}: {row['kind']}": int(row["oddities"]) for row in rows}


def _of_reconciliation(mart: Mart, name: str, block: Reconciliation, as_of: date) -> Iterator[Drift]:
    parameters: dict[str, object] = {"reconciliation": name, "as_of": as_of}
    dates: list[date] = [*mart.fetch(_DATES_COMPARED, parameters)["as_of"].to_pylist()[1 - _DATES :], as_of]
    if len(dates) < 2:
        return
    rows = mart.fetch(_HISTORY, parameters | {"first": dates[0]}).to_pylist()
    left = {
        (row["source_system"], row["group_id"]): int(row["members"])
        for row in mart.fetch(_LEFT, parameters | {"before": dates[-2]}).to_pylist()
    }
    limit = _SIZE if block.scope.more_than_members is None else block.scope.more_than_members
    delivered = _delivered(mart, dates)
    sources = {row["source_system"] for row in rows}
    for system, counts in sorted(_by_system(rows).items()):
        of_dates = [day for day in dates if day in counts]
        if of_dates[-1:] != [as_of]:
            # All of its groups may have vanished at once; a downstream system that was not compared says nothing.
            if system not in sources:
                continue
            of_dates.append(as_of)
        if len(of_dates) < 2:
            continue
        yield from group_drift(system, [counts.get(day, {}) for day in of_dates], left, limit)
        if {of_dates[-2], as_of} <= delivered[system] and is_stale(counts[of_dates[-2]], counts.get(as_of, {})):
            yield Drift(system, "stale", members_now=sum(counts[as_of].values()))


def _delivered(mart: Mart, dates: Sequence[date]) -> Mapping[str, set[date]]:
    """The dates that each system has a load of."""
    delivered: dict[str, set[date]] = defaultdict(set)
    for row in mart.fetch("SELECT l.system, l.as_of FROM loads AS l").to_pylist():
        if row["as_of"] in dates:
            delivered[row["system"]].add(row["as_of"])
    return delivered


def _by_system(rows: Sequence[Mapping[str, object]]) -> dict[str, dict[date, dict[Group, int]]]:
    found: dict[str, dict[date, dict[Group, int]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        day, source, group = row["as_of"], str(row["source_system"]), str(row["group_id"])
        assert isinstance(day, date)
        found[source][day][source, group] = int(str(row["source_count"]))
        found[str(row["downstream_system"])][day][source, group] = int(str(row["downstream_count"]))
    return found


def is_stale(before: Mapping[Group, int], now: Mapping[Group, int]) -> bool:
    """Whether two loads count the same in every group, by more than chance."""
    return before == now and sum(now.values()) >= _STALE_MEMBERS


def group_drift(
    system: str, history: Sequence[Mapping[Group, int]], left: Mapping[Group, int], limit: int
) -> Iterator[Drift]:
    """The drift of a system's groups.

    Args:
        system: whose counts they are.
        history: members by group, date by date; the last is the one that is judged.
        left: groups that are no longer in scope, with their members in the source now.
        limit: the size whose crossing is told.
    """
    known = {group for counts in history[:-1] for group, members in counts.items() if members}
    for group in sorted(known | history[-1].keys()):
        series = [counts.get(group, 0) for counts in history]
        before, now = series[-2], series[-1]

        def drift(
            kind: Kind, score: float | None = None, then: int = before, members: int = now, of: Group = group
        ) -> Drift:
            return Drift(system, kind, *of, members_before=then, members_now=members, score=score)

        if before and group in left:
            size = left[group]
            yield drift("crossed_size" if size <= limit < before else "left_scope", members=size)
        elif before and not now:
            yield drift("vanished")
        elif now and group not in known:
            yield drift("appeared")
        elif before and now:
            if (before > limit) != (now > limit):
                yield drift("crossed_size")
            jump, watch = scores(series)
            if jump > 1:
                yield drift("jump", jump)
            if watch > 1:
                yield drift("watch", watch)


def scores(series: Sequence[int]) -> tuple[float, float]:
    """How many times the bounds of `jump` and `watch` the last count of a group is off; 0 with too little history."""
    changes = [log(after / before) for before, after in pairwise(series) if before and after]
    least = max(_LEAST_SPREAD, 1 / max(1, series[-2]))
    return _jump(changes, least), _watch(changes, least)


def _jump(changes: Sequence[float], least: float) -> float:
    *former, last = changes or [0.0]
    if len(former) < LEAST_CHANGES:
        return 0.0
    usual, spread = _usual(former, least)
    return abs(last - usual) / (_JUMP * spread)


def _watch(changes: Sequence[float], least: float) -> float:
    settled, recent = changes[:-_RECENT], changes[-_RECENT:]
    if len(settled) < LEAST_CHANGES:
        return 0.0
    usual, spread = _usual(settled, least)
    average = 0.0
    for change in recent:
        average += _WEIGHT * ((change - usual) / (_SIGMA * spread) - average)
    return abs(average) / (_LIMIT * sqrt(_WEIGHT / (2 - _WEIGHT)))


def _usual(changes: Sequence[float], least: float) -> tuple[float, float]:
    """Median and MAD, the latter floored."""
    usual = median(changes)
    return usual, max(least, median(abs(change - usual) for change in changes))


def count_kinds(drifts: Sequence[Drift]) -> dict[str, int]:
    """How many of each kind there are."""
    return dict(sorted(Counter(drift.kind for drift in drifts).items()))


def _store(mart: Mart, as_of: date, found: Mapping[str, Sequence[Drift]]) -> None:
    """Replace what is stored for the date, also of reconciliations that are no longer configured."""
    rows = [
        {"reconciliation": name, "as_of": as_of} | asdict(drift) for name, drifts in found.items() for drift in drifts
    ]
    types = {"as_of": pa.date32(), "members_before": pa.int64(), "members_now": pa.int64(), "score": pa.float64()}
    names = ["reconciliation", "as_of", *(field.name for field in fields(Drift))]
    columns = {name: pa.array([row[name] for row in rows], types.get(name, pa.string())) for name in names}
    mart.execute("DELETE FROM membership_drift WHERE as_of = @as_of", {"as_of": as_of})
    mart.append("membership_drift", pa.table(columns))
