"""What checks and exit codes need to know of the counts: figures of one comparison and level, no members."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from memsync_assets.mart.engine import Mart
from memsync_assets.parity.reconciliations import date_compared

_VERDICTS = """
SELECT
    c.reconciliation,
    c.downstream_system,
    c.level,
    COUNT(*) AS cells,
    SUM(CASE WHEN c.status = 'within_tolerance' THEN 1 ELSE 0 END) AS within_tolerance,
    SUM(CASE WHEN c.status = 'beyond_tolerance' THEN 1 ELSE 0 END) AS beyond_tolerance,
    SUM(ABS(c.variance)) AS variance,
    SUM(c.findings) AS findings,
    SUM(
        CASE
            WHEN c.findings <= l.tolerated_members THEN 0
            WHEN c.source_count > 0 AND 100.0 * c.findings <= l.tolerated_pct * c.source_count THEN 0
            ELSE 1
        END
    ) AS findings_beyond_tolerance,
    SUM(c.in_flight) AS in_flight,
    SUM(ABS(c.unexplained)) AS unexplained
FROM membership_counts AS c
INNER JOIN reconciliation_levels AS l ON c.reconciliation = l.reconciliation AND c.level = l.level
WHERE c.as_of = @as_of
GROUP BY c.reconciliation, c.downstream_system, c.level
ORDER BY c.reconciliation, c.downstream_system, c.level
"""


@dataclass(frozen=True)
class Verdict:
    """The cells of one level of a comparison.

    Attributes:
        within_tolerance: cells with a variance that the level tolerates.
        beyond_tolerance: cells with a variance that it does not.
        variance: members, summed over cells without regard to the sign.
        findings: members with findings that are not in flight, summed over cells.
        findings_beyond_tolerance: cells with more such members than the level tolerates, whatever the net variance.
        unexplained: what the findings leave of the variance; anything but 0 is a defect of memsync.
    """

    reconciliation: str
    downstream_system: str
    level: str
    cells: int
    within_tolerance: int
    beyond_tolerance: int
    variance: int
    findings: int
    findings_beyond_tolerance: int
    in_flight: int
    unexplained: int

    @property
    def is_beyond(self) -> bool:
        """Whether a cell is beyond tolerance, net or gross: differences that cancel out hide nothing."""
        return self.beyond_tolerance + self.findings_beyond_tolerance > 0

    @property
    def status(self) -> str:
        """The worst status of its cells, net or gross: `match`, `within_tolerance` or `beyond_tolerance`."""
        if self.is_beyond:
            return "beyond_tolerance"
        return "within_tolerance" if self.within_tolerance + self.findings else "match"


def read_verdicts(mart: Mart, as_of: date | None = None) -> list[Verdict]:
    """The verdict on every level of every comparison of an as-of date; None: the latest of the loads."""
    compared = date_compared(mart, as_of)
    rows = mart.fetch(_VERDICTS, {"as_of": compared}).to_pylist() if compared else []
    return [Verdict(**row) for row in rows]
