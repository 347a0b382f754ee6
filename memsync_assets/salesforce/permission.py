"""Whether an org may be written to at all: production needs an opt-in that a sandbox does not."""

from __future__ import annotations

from memsync_assets.salesforce.client import Org
from memsync_assets.settings import Project


def why_not_to_write(project: Project, org: Org | None) -> str | None:
    """The code of the reason why nothing may be written, or None."""
    if org is None or project.plan_only:
        return "plan_only"
    if not (org.organization.is_sandbox or org.is_local or project.settings.salesforce.allow_production):
        return "production_not_allowed"
    return None
