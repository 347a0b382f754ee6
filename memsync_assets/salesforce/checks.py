"""Checks on the sync: every planned change has one result, nothing waits, and every merge came to its end."""

import dagster as dg

from memsync_assets.mart.connect import open_mart
from memsync_assets.salesforce.merge import count_states
from memsync_assets.salesforce.results import count_current_results, find_unsent
from memsync_assets.settings import Project


@dg.asset_check(
    asset="salesforce_sync_results",
    blocking=True,
    description="planned = succeeded + failed + skipped: no planned change is without a result.",
)
def every_change_has_a_result(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    """Count the plan and its results."""
    with open_mart(project) as mart:
        counts = count_current_results(mart)
    return dg.AssetCheckResult(
        passed=counts.planned == counts.succeeded + counts.failed + counts.skipped,
        metadata={
            "planned": counts.planned,
            "succeeded": counts.succeeded,
            "failed": counts.failed,
            "skipped": counts.skipped,
        },
    )


@dg.asset_check(
    asset="salesforce_sync_results",
    description="What was sent is what Salesforce holds when it is read back.",
)
def read_back_agrees(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    """Count the values that are others than those that were sent."""
    with open_mart(project) as mart:
        counts = count_current_results(mart)
    return dg.AssetCheckResult(
        passed=counts.read_back_differences == 0,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"succeeded": counts.succeeded, "differences": counts.read_back_differences},
    )


@dg.asset_check(
    asset="salesforce_sync_results",
    description="Nothing that was to be sent waits: not for a person whom the breaker asks, not for API calls.",
)
def nothing_waits(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    """Count the changes that wait, and say what sends them."""
    with open_mart(project) as mart:
        unsent = find_unsent(mart)
    if unsent is None:
        return dg.AssetCheckResult(passed=True, metadata={"waiting": 0})
    return dg.AssetCheckResult(
        passed=False,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{unsent.reason}. {unsent.remedy}",
        metadata={"waiting": unsent.changes, "code": unsent.code},
    )


@dg.asset_check(
    asset="contact_merges",
    description="No merge was refused by Salesforce or cut short: `memsync merge` lists them, and goes on.",
)
def merges_came_to_their_end(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    """Count merges by what became of them."""
    with open_mart(project) as mart:
        states = count_states(mart)
    return dg.AssetCheckResult(
        passed=states.keys() <= {"merged", "undone"},
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"merged": 0, **states},
    )


CHECKS = (every_change_has_a_result, read_back_agrees, nothing_waits, merges_came_to_their_end)
