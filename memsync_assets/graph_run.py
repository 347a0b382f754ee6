"""One run of the whole graph in this process: what `memsync run` does.

Takes in every new load, materializes everything downstream once, sends alerts, and says what came of it. Dagster runs
the assets; nothing is computed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from memsync_assets.automation.alerts import current_alerts
from memsync_assets.automation.channels import AlertError, deliver
from memsync_assets.automation.instance import open_instance
from memsync_assets.automation.progress import step_logger
from memsync_assets.definitions import build_definitions
from memsync_assets.landing.assets import load_key, loads_partitions, partition_key
from memsync_assets.landing.discovery import FoundLoad, unreadable
from memsync_assets.landing.extraction import extract_new_loads
from memsync_assets.landing.systems import applied_systems, landed_systems
from memsync_assets.landing.take_in import pending_loads
from memsync_assets.mart.connect import open_mart
from memsync_assets.parity.checks import check_keys
from memsync_assets.settings import MemsyncError, Project

_RUN_CONFIG: dict[str, Any] = {"loggers": {"console": {"config": {}}}}


@dataclass(frozen=True)
class GraphRun:
    """What came of a run of the whole graph.

    Attributes:
        taken_in: loads that were applied, as `system/load_id`.
        refused: loads that were refused and moved to quarantine.
        failed_steps: steps that failed for another reason than a refused load, and loads that cannot be read, and why.
        untold: why an alert did not get out on some channel; empty: all did, or there was none.
    """

    taken_in: tuple[str, ...]
    refused: tuple[str, ...]
    failed_steps: tuple[str, ...]
    untold: str


def run_graph(project: Project, tell: Callable[[str, str], None]) -> GraphRun:
    """Take in every new load below the landing folder, then materialize the rest of the graph once.

    A load that is refused, or cannot be read, breaks nothing else. `tell(step, state)` is called as steps start and
    end.

    Raises:
        MartBusyError: another process writes to the mart.
    """
    project.home.make()
    for extracted in extract_new_loads(project):
        tell(f"{extracted.load.system}/{extracted.load.load_id}", "is extracted")
    with open_mart(project) as mart:
        pending = pending_loads(project.landing, mart)
        systems = {**landed_systems(project), **applied_systems(mart)}
    definitions = build_definitions(project, systems, loggers={"console": step_logger(tell)})
    job = definitions.resolve_implicit_global_asset_job_def()
    with open_instance(project.home) as instance:
        outcomes = [(load, _take_in(job, instance, load)) for load in pending]
        loads = {load_key(system) for system in systems}
        rest = [key for key in _materializable(definitions) if key not in loads]
        result = job.execute_in_process(
            run_config=_RUN_CONFIG, instance=instance, asset_selection=rest, raise_on_error=False
        )
        downstream = sorted(system for system, role in systems.items() if role == "downstream")
        untold = _tell_people(project, instance, check_keys(downstream, project.settings))
    left_out = [f"{found.name} cannot be read: {found.reason}" for found in unreadable(project.landing)]
    broken = [name for load, outcome in outcomes for name in outcome.failed_steps]
    return GraphRun(
        taken_in=tuple(load.name for load, outcome in outcomes if outcome.success),
        refused=tuple(load.name for load, outcome in outcomes if outcome.refused),
        failed_steps=(*left_out, *broken, *_failed_steps(result.all_events)),
        untold=untold,
    )


def _tell_people(project: Project, instance: dg.DagsterInstance, checks: Sequence[dg.AssetCheckKey]) -> str:
    """Send what the sensor would; where no daemon runs nobody else does. Returns why a channel failed."""
    try:
        deliver(project, current_alerts(instance, checks))
    except AlertError as error:
        return str(error)
    return ""


@dataclass(frozen=True)
class _LoadOutcome:
    success: bool
    refused: bool
    failed_steps: tuple[str, ...]


def _take_in(job: dg.JobDefinition, instance: dg.DagsterInstance, load: FoundLoad) -> _LoadOutcome:
    partition = partition_key(load)
    instance.add_dynamic_partitions(loads_partitions(load.system).name or "", [partition])
    result = job.execute_in_process(
        run_config=_RUN_CONFIG,
        instance=instance,
        partition_key=partition,
        asset_selection=[load_key(load.system)],
        raise_on_error=False,
    )
    failures = [event for event in result.all_events if event.is_step_failure]
    refused = any(event.step_failure_data.user_failure_data for event in failures)
    return _LoadOutcome(result.success, refused, () if refused else _failed_steps(result.all_events))


def _failed_steps(events: Iterable[dg.DagsterEvent]) -> tuple[str, ...]:
    return tuple(f"{event.step_key}: {_why(event)}" for event in events if event.is_step_failure)


def _why(event: dg.DagsterEvent) -> str:
    """The text of an error of ours, which quotes no member; of any other its class alone."""
    error = event.step_failure_data.error
    cause = (error.cause or error) if error else None
    if cause is None:
        return "stopped"
    ours = cause.cls_name in {kind.__name__ for kind in _all_kinds(MemsyncError)}
    return cause.message.strip().partition(": ")[2] if ours else f"{cause.cls_name}; `memsync dev` shows all of it"


def _all_kinds(kind: type[Exception]) -> set[type[Exception]]:
    return {kind}.union(*(_all_kinds(more) for more in kind.__subclasses__()))


def _materializable(definitions: dg.Definitions) -> list[dg.AssetKey]:
    return sorted(definitions.resolve_asset_graph().materializable_asset_keys)
