"""The code location: everything is wired here, nothing is computed."""

from collections.abc import Mapping

import dagster as dg

from memsync_assets.automation.alerts import build_alert_sensor
from memsync_assets.automation.extraction import complete_loads, extraction
from memsync_assets.automation.freshness import with_freshness
from memsync_assets.automation.schedules import build_weekly_ihm
from memsync_assets.automation.sensors import build_landing_sensor
from memsync_assets.contacts import assets as contacts
from memsync_assets.contacts import checks as contact_checks
from memsync_assets.landing import checks as landing_checks
from memsync_assets.landing.assets import build_downstream_members, build_loads_asset, build_source_tables
from memsync_assets.landing.systems import landed_systems
from memsync_assets.parity import assets as parity
from memsync_assets.parity import checks as parity_checks
from memsync_assets.salesforce import assets as salesforce
from memsync_assets.salesforce import checks as salesforce_checks
from memsync_assets.settings import Project, Role, project_from_environment


def build_definitions(
    project: Project,
    systems: Mapping[str, Role],
    *,
    loggers: Mapping[str, dg.LoggerDefinition] | None = None,
) -> dg.Definitions:
    """The graph over these systems.

    Args:
        project: what the assets work on.
        systems: the systems that deliver loads, and the role of each.
        loggers: in place of Dagster's console logger.
    """
    sources = sorted(system for system, role in systems.items() if role == "source")
    downstream = sorted(system for system, role in systems.items() if role == "downstream")
    over_odbc = any(system.extraction for system in project.settings.systems.values())
    assets = [
        *(build_loads_asset(system, systems[system], project.settings) for system in (*sources, *downstream)),
        build_source_tables(sources),
        build_downstream_members(downstream),
        *contacts.ASSETS,
        *salesforce.ASSETS,
        *parity.ASSETS,
    ]
    return dg.Definitions(
        assets=with_freshness(assets),
        asset_checks=[
            *landing_checks.CHECKS,
            *contact_checks.CHECKS,
            *salesforce_checks.CHECKS,
            parity_checks.build_count_parity(downstream, project.settings),
            *parity_checks.CHECKS,
        ],
        schedules=[build_weekly_ihm(project.settings)],
        jobs=[extraction] if over_odbc else [],
        sensors=[
            build_landing_sensor([*sources, *downstream]),
            build_alert_sensor(parity_checks.check_keys(downstream, project.settings)),
            *([complete_loads] if over_odbc else []),
        ],
        resources={"project": project},
        # Steps are few and share one mart with one writer: a process for each would only cost time.
        executor=dg.in_process_executor,
        loggers=loggers,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What workspace.yaml names: the graph over the systems that are configured or have landed a load."""
    project = project_from_environment()
    return build_definitions(project, landed_systems(project))
