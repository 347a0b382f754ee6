"""Which plan sync_plan holds, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from memsync_assets.mart.engine import Mart
from memsync_assets.settings import MemsyncError


@dataclass(frozen=True)
class PlanState:
    """The plan at hand.

    Attributes:
        made_at: in UTC.
        state: made, applying (an apply is under way or was cut short), applied.
        held: why the breaker holds it, or None.
        retries_failed: Y where it plans what failed for good before.
    """

    plan_hash: str
    organization_id: str | None
    made_at: datetime
    state: str
    held: str | None
    retries_failed: str


def find_plan(mart: Mart) -> PlanState | None:
    """The plan at hand, or None."""
    rows = mart.fetch(
        "SELECT plan_hash, organization_id, made_at, state, held, retries_failed FROM sync_plan_state"
    ).to_pylist()
    return PlanState(**rows[0]) if rows else None


def current_plan(mart: Mart) -> PlanState:
    """The plan at hand. Raises MemsyncError where there is none."""
    plan = find_plan(mart)
    if plan is None:
        raise MemsyncError("there is no sync plan yet. Make one first: memsync plan.")
    return plan


def set_state(mart: Mart, state: str) -> None:
    """Say how far the plan at hand has come."""
    mart.execute("UPDATE sync_plan_state SET state = @state", {"state": state})
