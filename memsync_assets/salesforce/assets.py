"""Salesforce in the graph: the sync plan, what became of it, and the merges of what the org holds twice."""

from dataclasses import asdict

import dagster as dg

from memsync_assets.mart.asset_metadata import table_metadata
from memsync_assets.mart.connect import open_mart
from memsync_assets.salesforce.apply import apply_plan
from memsync_assets.salesforce.client import connect
from memsync_assets.salesforce.gate import refuse_after_loss
from memsync_assets.salesforce.merge import merge_duplicates
from memsync_assets.salesforce.plan import make_plan
from memsync_assets.settings import Project

_GROUP = "salesforce"


@dg.asset(
    deps=[
        "persons",
        "person_roles",
        "legal_entities",
        "group_legal_entities",
        "employer_groups",
        "normalized_contacts",
    ],
    group_name=_GROUP,
    kinds={"salesforce", "table"},
    description="The smallest set of changes that makes Salesforce agree with the mart: one row for each record and "
    "field, with before, after and the reason. Reads the org, writes nothing to it.",
)
def sync_plan(context: dg.AssetExecutionContext, project: dg.ResourceParam[Project]) -> dg.MaterializeResult[None]:
    """Plan the sync."""
    with open_mart(project) as mart:
        counts = make_plan(mart, project, connect(project), tell=context.log.info)
        return dg.MaterializeResult(metadata={**table_metadata(mart, "sync_plan"), **asdict(counts)})


@dg.asset(
    deps=[sync_plan],
    group_name=_GROUP,
    kinds={"salesforce", "table"},
    description="What became of each planned change: succeeded, failed or skipped, with Salesforce's code and message.",
)
def salesforce_sync_results(
    context: dg.AssetExecutionContext, project: dg.ResourceParam[Project]
) -> dg.MaterializeResult[None]:
    """Carry the plan out, unless something upstream is lost."""
    with open_mart(project) as mart:
        refuse_after_loss(mart)
        counts = apply_plan(mart, project, connect(project), tell=context.log.info)
        return dg.MaterializeResult(metadata={**table_metadata(mart, "salesforce_sync_results"), **asdict(counts)})


@dg.asset(
    deps=[salesforce_sync_results],
    group_name=_GROUP,
    kinds={"salesforce", "table"},
    description="Contacts that the org held twice, merged by certain rules or by a person's decision, each with what "
    "an undo needs. Doubtful pairs wait in `memsync review`; `memsync merge --undo` takes a merge back.",
)
def contact_merges(context: dg.AssetExecutionContext, project: dg.ResourceParam[Project]) -> dg.MaterializeResult[None]:
    """Merge what the snapshot of the plan holds twice, as far as the breaker lets."""
    with open_mart(project) as mart:
        refuse_after_loss(mart)
        counts = merge_duplicates(mart, project, connect(project))
        context.log.info("%d of %d merges made, %d wait for a person", counts.merged, counts.found, counts.review)
        return dg.MaterializeResult(metadata={**table_metadata(mart, "contact_merges"), **asdict(counts)})


ASSETS = (sync_plan, salesforce_sync_results, contact_merges)
