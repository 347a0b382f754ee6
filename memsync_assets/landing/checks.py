"""Checks on loads: what landed is what the mart holds."""

from collections.abc import Iterator

import dagster as dg

from memsync_assets.landing.parity import LandedTable, landed_tables
from memsync_assets.mart.connect import open_mart
from memsync_assets.settings import Project

_CHECK = "landed_equals_mart"


@dg.multi_asset_check(
    name=_CHECK,
    specs=[
        dg.AssetCheckSpec(
            _CHECK,
            asset=asset,
            blocking=True,
            description="The mart holds as many rows of each table as the system's loads leave.",
        )
        for asset in ("source_members", "downstream_members")
    ],
)
def landed_equals_mart(project: dg.ResourceParam[Project]) -> Iterator[dg.AssetCheckResult]:
    """Count both sides, for the source systems and for the downstream systems."""
    with open_mart(project) as mart:
        tables = landed_tables(mart)
        downstream = {
            row["system"] for row in mart.fetch("SELECT system FROM loads WHERE role = 'downstream'").to_pylist()
        }
    yield _result("source_members", [table for table in tables if table.system not in downstream])
    yield _result("downstream_members", [table for table in tables if table.system in downstream])


def _result(asset: str, tables: list[LandedTable]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=_CHECK,
        passed=all(table.expected == table.mart for table in tables),
        metadata={f"{table.system} {table.table}": f"{table.expected} landed, {table.mart} held" for table in tables},
    )


CHECKS = (landed_equals_mart,)
