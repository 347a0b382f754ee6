"""Reconciliations that count subscribers: a subscriber and its dependents are one, in place of their members.

The subscriber of a row is its subscriber_id, or its member_id where it has none. A subscriber's rows of one group,
state and plan become one row, from the first effective date to the last termination date (null: open). From there on it
is compared, counted and followed like a member, and `member_id` names the subscriber. Two things differ: a subscriber
is in flight when the source changed it or any dependent after the cut-off, and none is a duplicate, since a family has
many rows.
"""

from __future__ import annotations

from memsync_assets.mart.engine import Mart, Replace
from memsync_assets.mart.queries import read_query
from memsync_assets.parity.reconciliations import Comparison

_COLUMNS = "side, source_system, member_id, group_id, state_code, plan_code, effective_date, termination_date"
_IN_FLIGHT = """
UPDATE member_findings
SET in_flight = CASE
    WHEN EXISTS (
        SELECT 1 FROM source_members AS m
        WHERE
            m.source_system = member_findings.source_system
            AND COALESCE(m.subscriber_id, m.member_id) = member_findings.member_id
            AND m.changed_at > @cutoff_at
    ) THEN 'Y'
    ELSE 'N'
END
"""


def take_subscribers(mart: Mart, comparison: Comparison) -> None:
    """Fill `compared_rows`, which is empty, and `segments` with the subscribers of both sides."""
    mart.store(read_query("parity/compared_subscribers"), Replace(), comparison.parameters)
    mart.execute(f"INSERT INTO compared_rows ({_COLUMNS}) SELECT {_COLUMNS} FROM compared_subscribers")  # noqa: S608
    mart.store(read_query("parity/segments"), Replace(), comparison.parameters)


def judge_subscribers(mart: Mart, comparison: Comparison) -> None:
    """Make of `member_findings` what is true of subscribers."""
    mart.execute("DELETE FROM member_findings WHERE kind = 'duplicate'")
    mart.execute(_IN_FLIGHT, comparison.parameters)
