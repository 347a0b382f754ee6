"""The discrepancy ledger: each discrepancy over its life, until a later load shows agreement.

The ledger moves forward only: a comparison of an earlier as-of date than the last one rewrites nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from memsync_assets.mart.engine import Mart, ReplacePartition
from memsync_assets.mart.queries import read_query
from memsync_assets.parity.calendar import BusinessCalendar
from memsync_assets.parity.reconciliations import Comparison, date_compared, planned_comparisons
from memsync_assets.settings import Settings

_PARTITION = ReplacePartition(("reconciliation", "downstream_system"))
_MOVED = """
SELECT
    SUM(CASE WHEN l.status = 'open' AND l.opened_on = @as_of THEN 1 ELSE 0 END) AS opened,
    SUM(CASE WHEN l.status = 'open' AND l.reopened_on = @as_of THEN 1 ELSE 0 END) AS reopened,
    SUM(CASE WHEN l.closed_on = @as_of THEN 1 ELSE 0 END) AS closed,
    SUM(CASE WHEN l.status = 'open' THEN 1 ELSE 0 END) AS open_now,
    SUM(CASE WHEN l.status = 'open' AND l.due_on < @as_of THEN 1 ELSE 0 END) AS breached
FROM discrepancy_ledger AS l
WHERE l.reconciliation = @reconciliation AND l.downstream_system = @downstream_system
"""

_BREACHES = """
SELECT l.reconciliation, l.downstream_system, l.owner, l.kind, l.due_on, COUNT(*) AS discrepancies
FROM discrepancy_ledger AS l
INNER JOIN ledger_positions AS p
    ON l.reconciliation = p.reconciliation AND l.downstream_system = p.downstream_system
WHERE l.status = 'open' AND l.due_on < p.as_of
GROUP BY l.reconciliation, l.downstream_system, l.owner, l.kind, l.due_on
ORDER BY l.due_on, l.reconciliation, l.downstream_system, l.owner, l.kind
"""


@dataclass(frozen=True)
class Breach:
    """Open discrepancies past one due date: all of them broke the SLA on the day after it."""

    reconciliation: str
    downstream_system: str
    owner: str
    kind: str
    due_on: date
    discrepancies: int


@dataclass(frozen=True)
class LedgerMove:
    """What a comparison did to its part of the ledger; counts of discrepancies.

    Attributes:
        late: the comparison is of an earlier date than the ledger's and changed nothing.
        breached: open and past their due date on the as-of date.
    """

    reconciliation: str
    downstream_system: str
    late: bool
    opened: int
    reopened: int
    closed: int
    open_now: int
    breached: int


def bring_ledger_up_to(mart: Mart, settings: Settings, as_of: date | None) -> list[LedgerMove]:
    """Open, keep, close and reopen discrepancies by the comparisons of an as-of date; None: the latest of the loads.

    The same comparison again changes nothing.
    """
    compared = date_compared(mart, as_of)
    if compared is None:
        return []
    calendar = BusinessCalendar.of(settings.calendar)
    return [
        _move(mart, comparison, calendar.due_on(compared, _days(settings, comparison)))
        for comparison in planned_comparisons(mart, settings, compared)
        if not comparison.counts_only  # Counts show no agreement of a member, and open nothing.
    ]


def read_breaches(mart: Mart) -> list[Breach]:
    """What is open past its due date, on the date that each ledger was last brought up to."""
    return [Breach(**row) for row in mart.fetch(_BREACHES).to_pylist()]


def _days(settings: Settings, comparison: Comparison) -> int:
    return settings.reconciliations[comparison.reconciliation].business_days


def _move(mart: Mart, comparison: Comparison, due_on: date) -> LedgerMove:
    parameters = {**comparison.parameters, "due_on": due_on}
    late = _position(mart, comparison) > comparison.as_of
    if not late:

        def move() -> None:
            mart.store(read_query("parity/discrepancy_ledger"), _PARTITION, parameters)
            mart.execute(
                "DELETE FROM ledger_positions"
                " WHERE reconciliation = @reconciliation AND downstream_system = @downstream_system",
                parameters,
            )
            mart.execute(
                "INSERT INTO ledger_positions (reconciliation, downstream_system, as_of)"
                " VALUES (@reconciliation, @downstream_system, @as_of)",
                parameters,
            )

        mart.whole(move)
    (moved,) = mart.fetch(_MOVED, parameters).to_pylist()
    counts = {name: int(value or 0) for name, value in moved.items()}
    return LedgerMove(comparison.reconciliation, comparison.downstream_system, late, **counts)


def _position(mart: Mart, comparison: Comparison) -> date:
    rows = mart.fetch(
        "SELECT p.as_of FROM ledger_positions AS p"
        " WHERE p.reconciliation = @reconciliation AND p.downstream_system = @downstream_system",
        comparison.parameters,
    )
    found: date = rows["as_of"][0].as_py() if rows.num_rows else date.min
    return found
