"""What an apply that was cut short left open: what is known, what must be asked of the org, what was never sent."""

from __future__ import annotations

from memsync_assets.mart.engine import Mart
from memsync_assets.salesforce import bulk
from memsync_assets.salesforce.changes import Outcome, read_changes
from memsync_assets.salesforce.client import Org
from memsync_assets.salesforce.journal import Journal
from memsync_assets.salesforce.plan_state import find_plan, set_state
from memsync_assets.salesforce.results import store_results
from memsync_assets.salesforce.sending import Target, ask
from memsync_assets.salesforce.specifications import Specifications


def settle(mart: Mart, org: Org, specifications: Specifications, journal: Journal) -> None:
    """Give the records of batches that were under way their outcome; those without one are still to be sent."""
    for batch in journal.open_batches():
        one = specifications.of(batch.object_name)
        wanted = set(batch.external_ids)
        changes = [change for change in read_changes(mart, one) if change.external_id in wanted]
        target = Target(org, specifications, one)
        outcomes: list[Outcome] = []
        if batch.job_id:
            outcomes = bulk.finish(target, batch.job_id, changes)
        elif batch.method != "bulk":
            # A job is known before anything of it can be written.
            outcomes, _ = ask(target, changes)
        journal.finish(batch.number, one.object, outcomes)


def close_interrupted(mart: Mart, org: Org | None, specifications: Specifications) -> None:
    """End an apply that was cut short, before another plan takes its place: what was not sent is skipped."""
    plan = find_plan(mart)
    if plan is None or plan.state != "applying":
        return
    journal = Journal(mart, plan.plan_hash)
    if org and org.organization.organization_id == plan.organization_id:
        settle(mart, org, specifications, journal)
    with mart.transaction():
        journal.skip_rest("interrupted")
        store_results(mart, specifications, plan.plan_hash)
        set_state(mart, "applied")
