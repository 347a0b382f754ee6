"""The loads of each system, and the tables they fill, as Dagster shows them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from memsync_assets.landing.discovery import FoundLoad, scan
from memsync_assets.landing.take_in import Applied, Refused, Unchanged, take_in
from memsync_assets.mart.asset_metadata import dagster_name, table_results
from memsync_assets.mart.connect import open_mart
from memsync_assets.settings import Project, Role, Settings, System

SOURCE_TABLES = ("source_members", "employer_groups", "org_units", "source_contacts", "source_contact_roles")
_ABOUT = {
    "source_members": "Members as the source systems hold them: one row for each member and effective date.",
    "employer_groups": "Employer groups of the source systems, with the indicator that makes a group IHM.",
    "org_units": "Organizational units and their parents: the trees that roll up to legal entities.",
    "source_contacts": "Contacts as the source systems hold them, before any value is parsed.",
    "source_contact_roles": "Which contact has which role at which employer group.",
}


def load_key(system: str) -> dg.AssetKey:
    """The asset of a system's loads."""
    return dg.AssetKey(["loads", dagster_name(system)])


def loads_partitions(system: str) -> dg.DynamicPartitionsDefinition:
    """A partition for each load of a system, and for each revision of one."""
    return dg.DynamicPartitionsDefinition(name=f"loads_{system}")


def partition_key(load: FoundLoad) -> str:
    """The load's id and the beginning of its content hash: another revision is another partition."""
    return f"{load.load_id}.{load.content_hash[:8]}"


def build_loads_asset(system: str, role: Role, settings: Settings) -> dg.AssetsDefinition:
    """The asset of one system's loads: a partition a load, validated and applied whole, or refused whole."""
    owner = settings.systems[system].owner if system in settings.systems else System(role=role).owner

    @dg.multi_asset(
        name=f"loads_{dagster_name(system)}",
        partitions_def=loads_partitions(system),
        specs=[
            dg.AssetSpec(
                load_key(system),
                group_name="loads",
                kinds={"parquet", "csv"},
                owners=[f"team:{owner}"],
                tags={"memsync/role": role},
                description=f"Loads of the {role} system `{system}`, as they landed. A load is accepted whole or "
                "refused whole; a refused one is in the home's quarantine with its reason.json.",
            )
        ],
    )
    def loads(context: dg.AssetExecutionContext, project: dg.ResourceParam[Project]) -> dg.MaterializeResult[None]:
        wanted = context.partition_key
        found = next((load for load in scan(project.landing, system) if partition_key(load) == wanted), None)
        if found is None:
            raise dg.Failure(f"{system}: the load {wanted} is not in the landing folder; land it again.")
        with open_mart(project) as mart:
            outcome = take_in(project, mart, found, datetime.now(UTC))
        if isinstance(outcome, Refused):
            # The same load may land again: the sensor then sees a new one.
            context.instance.delete_dynamic_partition(loads_partitions(system).name or "", wanted)
            raise dg.Failure(
                f"{found.name} is refused and in quarantine; its reason.json lists every finding.",
                metadata={"findings": outcome.counts, "quarantined at": str(outcome.quarantined_at)},
                allow_retries=False,
            )
        return dg.MaterializeResult(metadata=_about(outcome), data_version=dg.DataVersion(found.content_hash))

    return loads


def _about(outcome: Applied | Unchanged) -> dict[str, Any]:
    if isinstance(outcome, Unchanged):
        return {"unchanged": "applied before with the same content"}
    return {
        "dagster/row_count": sum(outcome.rows.values()),
        "kind": outcome.kind,
        "revision": outcome.revision,
        "rows of the load": outcome.rows,
        "rows in the mart": outcome.mart_rows,
        "unknown columns, kept out": {name: list(columns) for name, columns in outcome.unknown_columns.items()},
        "later loads applied again": outcome.replayed,
    }


def build_source_tables(sources: list[str]) -> dg.AssetsDefinition:
    """The tables that the source systems' loads fill."""

    @dg.multi_asset(
        name="source_tables",
        specs=[
            dg.AssetSpec(
                table,
                deps=[load_key(system) for system in sources],
                group_name="source",
                kinds={"table"},
                description=_ABOUT[table],
            )
            for table in SOURCE_TABLES
        ],
    )
    def source_tables(project: dg.ResourceParam[Project]) -> Iterator[dg.MaterializeResult[None]]:
        with open_mart(project) as mart:
            yield from table_results(mart, SOURCE_TABLES)

    return source_tables


def build_downstream_members(downstream: list[str]) -> dg.AssetsDefinition:
    """The table that the downstream systems' loads fill."""

    @dg.asset(
        deps=[load_key(system) for system in downstream],
        group_name="downstream",
        kinds={"table"},
        description="Members as the downstream systems hold them; a repeated member is a finding, no error.",
    )
    def downstream_members(project: dg.ResourceParam[Project]) -> Iterator[dg.MaterializeResult[None]]:
        with open_mart(project) as mart:
            yield from table_results(mart, ["downstream_members"])

    return downstream_members
