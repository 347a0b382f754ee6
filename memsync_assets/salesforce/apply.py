"""Carries a sync plan out, once, if it may be: the one way in to everything that writes to an org.

After a crash the same call goes on: what the journal knows is known, what was under way is asked of the org, the rest
is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from memsync_assets.mart.engine import Mart
from memsync_assets.salesforce.client import Org
from memsync_assets.salesforce.delivery import Delivery
from memsync_assets.salesforce.errors import BudgetError, StalePlanError
from memsync_assets.salesforce.journal import Journal
from memsync_assets.salesforce.permission import why_not_to_write
from memsync_assets.salesforce.plan import find_changes
from memsync_assets.salesforce.plan_state import PlanState, current_plan, set_state
from memsync_assets.salesforce.recovery import settle
from memsync_assets.salesforce.results import SyncCounts, count_results, read_back, store_results, store_skipped
from memsync_assets.salesforce.specifications import Specifications, read_specifications
from memsync_assets.settings import Project

# So much of a hash is nobody's chance: two plans do not begin alike.
_SHORTEST_APPROVAL = 8


def apply_plan(
    mart: Mart,
    project: Project,
    org: Org | None,
    approve: str | None = None,
    *,
    tell: Callable[[str], None] = lambda _: None,
) -> SyncCounts:
    """Carry out the plan that sync_plan holds. A plan that was carried out before is not sent again.

    Args:
        mart: the mart.
        project: its settings say whether the org may be written to.
        org: None: nothing is sent, every change is skipped as `plan_only`.
        approve: the hash of the plan that a person has approved, or how it begins; needed where the breaker holds it.
        tell: is told how far it is, in counts.

    Raises:
        StalePlanError: another plan was approved, or org or mart have changed since this one was made.
        MemsyncError: there is no plan, or the org can be reached no more.
    """
    plan = current_plan(mart)
    if approve is not None:
        _refuse_another(plan, approve)
    journal = Journal(mart, plan.plan_hash)
    if plan.state == "applied":
        return count_results(mart, plan.plan_hash)
    calls = org.calls if org else 0
    specifications = read_specifications(project)
    if plan.state == "made":
        journal.clear()
    if plan.state == "made" and _is_empty(mart):
        _close(mart, specifications, plan)
        return count_results(mart, plan.plan_hash)
    reason = _why_not(project, org, plan, approve)
    if org is None or reason:
        # What an interrupted apply has sent already keeps its outcomes.
        if plan.state == "made":
            with mart.transaction():
                journal.skip_rest(reason or "plan_only")
                store_skipped(mart, plan.plan_hash)
        counts = count_results(mart, plan.plan_hash)
        return replace(counts, skipped_because=reason, api_calls=org.calls - calls if org else 0)
    delivery = Delivery(mart, org, specifications, journal, tell)
    code = _deliver(mart, project, org, specifications, plan, journal, delivery)
    with mart.transaction():
        if code:
            journal.skip_rest(code)
        if code and current_plan(mart).state == "made":
            # Nothing was sent: the plan can be applied later.
            store_skipped(mart, plan.plan_hash)
        else:
            _close(mart, specifications, plan)
    if delivery.write_calls and not code:
        # What is sent is sent: that no call is left to look at it changes nothing.
        with suppress(BudgetError):
            read_back(mart, org, specifications, plan.plan_hash)
    counts = count_results(mart, plan.plan_hash)
    return replace(counts, write_calls=delivery.write_calls, api_calls=org.calls - calls, skipped_because=code)


def _deliver(
    mart: Mart,
    project: Project,
    org: Org,
    specifications: Specifications,
    plan: PlanState,
    journal: Journal,
    delivery: Delivery,
) -> str | None:
    """Send the plan. Returns why the rest of it was not sent, or None."""
    try:
        if plan.state == "applying":
            settle(mart, org, specifications, journal)
        else:
            _refuse_if_stale(mart, project, org, specifications, plan)
            org.check_budget(delivery.calls_needed())
            set_state(mart, "applying")
        delivery.carry_out()
    except BudgetError as error:
        return error.code
    return None


def _close(mart: Mart, specifications: Specifications, plan: PlanState) -> None:
    with mart.transaction():
        store_results(mart, specifications, plan.plan_hash)
        set_state(mart, "applied")


def _refuse_another(plan: PlanState, approve: str) -> None:
    if len(approve) < _SHORTEST_APPROVAL:
        raise StalePlanError(
            f"an approval names a plan by its hash, of which the first {_SHORTEST_APPROVAL} characters are enough;"
            f" it has {len(approve)}. The hash: memsync plan."
        )
    if not plan.plan_hash.startswith(approve):
        raise StalePlanError(
            f"the plan at hand is {plan.plan_hash[:12]}, not the approved {approve[:12]}. Look at it: memsync plan."
        )


def _refuse_if_stale(mart: Mart, project: Project, org: Org, specifications: Specifications, plan: PlanState) -> None:
    found = find_changes(mart, project, org, specifications, retry_failed=plan.retries_failed == "Y")
    if found.plan_hash != plan.plan_hash:
        raise StalePlanError(
            f"the plan {plan.plan_hash[:12]} is stale: the org or the mart has changed since. "
            "Make it again: memsync plan."
        )


def _why_not(project: Project, org: Org | None, plan: PlanState, approve: str | None) -> str | None:
    """The code of the reason why the plan may not be sent, or None."""
    if (reason := why_not_to_write(project, org)) or org is None:
        return reason
    if plan.held and approve is None:
        return "held_by_breaker"
    if org.organization.organization_id != plan.organization_id:
        raise StalePlanError("the plan was made for another org. Make it again: memsync plan.")
    return None


def _is_empty(mart: Mart) -> bool:
    return not mart.fetch("SELECT COUNT(*) AS n FROM sync_plan")["n"][0].as_py()
