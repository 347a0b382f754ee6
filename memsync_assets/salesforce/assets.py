"""Salesforce in the graph: the sync plan, and what became of it."""

from dataclasses import asdict

import dagster as dg

from memsync_assets.mart.asset_metadata import table_metadata
from memsync_assets.mart.connect import open_mart
from memsync_assets.salesforce.apply import apply_plan
from memsync_assets.salesforce.client import connect
from memsync_assets.salesforce.gate import refuse_after_loss
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


ASSETS = (sync_plan, salesforce_sync_results)
