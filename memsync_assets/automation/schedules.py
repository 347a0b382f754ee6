"""Schedules: what runs by the calendar and not because something landed."""

import dagster as dg

from memsync_assets.settings import Settings

#: Monday before work begins.
_WEEKLY = "0 6 * * 1"


def build_weekly_ihm(settings: Settings) -> dg.ScheduleDefinition:
    """Compares, follows up and reports once a week, also when no load has landed."""
    return dg.ScheduleDefinition(
        name="weekly_ihm",
        target=dg.AssetSelection.groups("parity"),
        cron_schedule=_WEEKLY,
        execution_timezone=settings.calendar.time_zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Monday 06:00: membership parity, the discrepancy ledger and the IHM discrepancy report.",
    )
