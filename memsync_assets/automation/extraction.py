"""Systems without files: a sensor asks their load-control queries, a job brings complete loads to the landing folder.

From there the landing sensor takes them on, as it does any load.
"""

import dagster as dg

from memsync_assets.landing.extraction import extract_new_loads, ready_loads
from memsync_assets.settings import MemsyncError, Project

_UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


@dg.op(
    description="Reads every complete load of every system that has an extraction; goes on where it was interrupted."
)
def extract_loads(context: dg.OpExecutionContext, project: dg.ResourceParam[Project]) -> None:
    """Extract what is ready; rows are told, by load and table."""
    for extracted in extract_new_loads(project):
        rows = ", ".join(f"{count:,} {table}" for table, count in extracted.rows.items())
        context.log.info(f"{extracted.load.system}/{extracted.load.load_id} ({extracted.kind}): {rows}")


@dg.job(description="Loads over ODBC into the landing folder.")
def extraction() -> None:
    """The job of the sensor below."""
    extract_loads()


@dg.sensor(
    job=extraction,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts an extraction when a system's load-control query names a complete load that is new.",
)
def complete_loads(
    context: dg.SensorEvaluationContext, project: dg.ResourceParam[Project]
) -> dg.RunRequest | dg.SkipReason:
    """One extraction at a time; one that failed is begun again, since its loads are still new.

    A system that does not answer fails the tick, unless another has a load to be extracted.
    """
    filters = dg.RunsFilter(job_name=extraction.name, statuses=_UNDER_WAY)
    if context.instance.get_runs_count(filters):
        return dg.SkipReason("an extraction is under way")
    systems = [name for name, system in project.settings.systems.items() if system.extraction]
    ready, failures = 0, []
    for system in sorted(systems):
        try:
            ready += len(ready_loads(project, system))
        except MemsyncError as error:
            failures.append(str(error))
    if ready:
        return dg.RunRequest(tags={"memsync/loads": str(ready)})
    if failures:
        raise MemsyncError("\n".join(failures))
    return dg.SkipReason(f"no new complete load among {len(systems)} systems that are read over ODBC")
