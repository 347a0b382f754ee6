"""Downstream systems that deliver counts in place of members: compared cell by cell, and not explained.

No member leaves such a system: it counts distinct active members by source system, group and state itself, as of its
load. Its comparison goes the way of every other from `segments` on, with no row to look at and so with no finding. The
source is counted by the same cells, and coarser levels are their sums, so that both sides count alike.
"""

from __future__ import annotations

from memsync_assets.mart.engine import Mart, Replace
from memsync_assets.mart.queries import read_query
from memsync_assets.parity.reconciliations import Comparison

_TAKE = """
INSERT INTO segments (side, source_system, group_id, state_code, row_count)
SELECT c.side, c.source_system, c.group_id, c.state_code, c.row_count FROM counted_segments AS c
"""
#: Counts have no plans: a cell of a plan would be made up.
_LEAVE_PLANS_OUT = """
DELETE FROM cell_counts
WHERE level IN (SELECT level FROM reconciliation_levels WHERE reconciliation = @reconciliation AND by_plan = 'Y')
"""
_NOTHING_TO_EXPLAIN = """
UPDATE membership_counts SET unexplained = 0
WHERE reconciliation = @reconciliation AND as_of = @as_of AND downstream_system = @downstream_system
"""


def take_counts(mart: Mart, comparison: Comparison) -> None:
    """Fill `segments`, which is empty, with the counts of both sides; there are no rows to compare."""
    mart.store(read_query("parity/counted_segments"), Replace(), comparison.parameters)
    mart.execute(_TAKE)


def leave_plans_out(mart: Mart, comparison: Comparison) -> None:
    """Delete the cells of plans, which neither side was counted by."""
    mart.execute(_LEAVE_PLANS_OUT, comparison.parameters)


def leave_unexplained(mart: Mart, comparison: Comparison) -> None:
    """`unexplained` tells of defects of memsync's findings; where no member is known there are none to hold it to."""
    mart.execute(_NOTHING_TO_EXPLAIN, comparison.parameters)
