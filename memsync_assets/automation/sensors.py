"""Sensors: a complete load starts one run, once; a revision of it starts another."""

import dagster as dg

from memsync_assets.landing.assets import load_key, loads_partitions, partition_key
from memsync_assets.landing.discovery import FoundLoad, survey
from memsync_assets.landing.manifest import MANIFEST
from memsync_assets.settings import Project

#: A tick has 60 s and a backlog may be long: what is left waits for the next tick.
LOADS_A_TICK = 20


def new_loads(found: list[FoundLoad], known: dict[str, set[str]]) -> list[FoundLoad]:
    """The loads whose partition is not known yet, in the order in which they apply."""
    return [load for load in found if partition_key(load) not in known.get(load.system, set())]


def build_landing_sensor(systems: list[str]) -> dg.SensorDefinition:
    """Watches the landing folder. A load of a system that the graph does not know is reported, not run."""

    @dg.sensor(
        name="landed_loads",
        asset_selection=dg.AssetSelection.all(),
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts one run for each complete load that lands: it, then all that is downstream of it.",
    )
    def landed_loads(
        context: dg.SensorEvaluationContext, project: dg.ResourceParam[Project]
    ) -> dg.SensorResult | dg.SkipReason:
        found, left_out = survey(project.landing)
        known = {s: set(context.instance.get_dynamic_partitions(f"loads_{s}")) for s in systems}
        unknown = sorted({load.system for load in found} - set(systems))
        new = [load for load in new_loads(found, known) if load.system in systems][:LOADS_A_TICK]
        for one in left_out:
            context.log.warning(f"{one.name} is left out: {one.reason}")
        if unknown:
            context.log.warning(
                f"{len(unknown)} systems have loads and are not in the graph yet: {', '.join(unknown)}. "
                "Reload the code location, or name them in config/memsync.yaml."
            )
        if not new:
            return dg.SkipReason(f"no new load among the {len(found)} in {project.landing.name}/")
        return dg.SensorResult(
            run_requests=[_request(context, load) for load in new],
            dynamic_partitions_requests=[
                loads_partitions(load.system).build_add_request([partition_key(load)]) for load in new
            ],
        )

    return landed_loads


def _request(context: dg.SensorEvaluationContext, load: FoundLoad) -> dg.RunRequest:
    assert context.repository_def is not None
    graph = context.repository_def.asset_graph
    # A step that makes several tables runs whole, also where the load is upstream of one of them only.
    selection = dg.AssetSelection.assets(load_key(load.system)).downstream().required_multi_asset_neighbors()
    return dg.RunRequest(
        # A load that was refused may land again as it was: that is another run.
        run_key=f"{load.system}/{partition_key(load)}/{(load.folder / MANIFEST).stat().st_mtime_ns}",
        partition_key=partition_key(load),
        asset_selection=sorted(selection.resolve(graph)),
        # The partition is new with this tick: Dagster takes the tag as it is, and would look the key up otherwise.
        tags={
            "dagster/partition": partition_key(load),
            "memsync/system": load.system,
            "memsync/load": load.load_id,
        },
    )
