"""Checks on loads: what landed is what the mart holds."""

import dagster as dg

from memsync_assets.landing.parity import landed_tables
from memsync_assets.mart.connect import open_mart
from memsync_assets.settings import Project, Role


def _build_landed_equals_mart(asset: str, role: Role) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        name="landed_equals_mart",
        asset=asset,
        blocking=True,
        description=f"The mart holds as many rows of each table as the loads of the {role} systems leave.",
    )
    def landed_equals_mart(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
        with open_mart(project) as mart:
            tables = [table for table in landed_tables(mart) if table.role == role]
        return dg.AssetCheckResult(
            passed=all(table.expected == table.mart for table in tables),
            metadata={
                f"{table.system} {table.table}": f"{table.expected} landed, {table.mart} held" for table in tables
            },
        )

    return landed_equals_mart


CHECKS = (
    _build_landed_equals_mart("source_members", "source"),
    _build_landed_equals_mart("downstream_members", "downstream"),
)
