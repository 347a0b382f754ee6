"""Checks on contacts: none is lost on the way to a person."""

import dagster as dg

from memsync_assets.contacts.normalize import contacts_lost
from memsync_assets.mart.connect import open_mart
from memsync_assets.settings import Project


@dg.asset_check(
    asset="contact_persons",
    additional_deps=["quarantined_contacts"],
    blocking=True,
    description="Every source contact is in exactly one person, or in quarantine with a reason.",
)
def no_contact_lost(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    """Count the contacts that are nowhere, or in both."""
    with open_mart(project) as mart:
        lost = contacts_lost(mart)
    return dg.AssetCheckResult(passed=lost == 0, metadata={"lost": lost})


CHECKS = (no_contact_lost,)
