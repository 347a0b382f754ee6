"""The breaker: a plan that changes more than the settings allow waits for a person."""

from __future__ import annotations

from memsync_assets.mart.engine import Mart
from memsync_assets.salesforce.specifications import Specifications, UploadSpecification
from memsync_assets.settings import Breaker, Salesforce


def why_held(mart: Mart, settings: Salesforce, specifications: Specifications) -> str | None:
    """Why the plan in planned_changes must be approved by a person; None: it need not be.

    New records are no reason: nothing that the org has is touched by them.
    """
    default = settings.breaker.get("default", Breaker())
    reasons = [_reason(mart, one, settings.breaker.get(one.object, default)) for one in specifications]
    return "; ".join(reason for reason in reasons if reason) or None


def _reason(mart: Mart, one: UploadSpecification, breaker: Breaker) -> str | None:
    counted = {
        row["operation"]: int(row["n"])
        for row in mart.fetch(
            "SELECT operation, COUNT(DISTINCT external_id) AS n FROM planned_changes"
            " WHERE object_name = @object GROUP BY operation",
            {"object": one.object},
        ).to_pylist()
    }
    live = int(
        mart.fetch(f"SELECT COUNT(*) AS n FROM {one.live_table} WHERE external_id IS NOT NULL")["n"][0].as_py()  # noqa: S608
    )
    removals = counted.get("delete", 0) + counted.get("deactivate", 0)
    changed = counted.get("update", 0) + removals
    if removals > breaker.removals:
        return f"{one.object}: {removals} deletes and deactivations, more than {breaker.removals}"
    if changed > breaker.minimum_records and changed > breaker.changed_share * live:
        return f"{one.object}: {changed} of {live} live records change, more than {breaker.changed_share:.0%}"
    return None
