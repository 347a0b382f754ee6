"""Schedules: IHM is reported weekly even when nothing lands."""

from __future__ import annotations

import dagster as dg

weekly_ihm = dg.ScheduleDefinition(
    name="weekly_ihm",
    target=dg.AssetSelection.keys("downstream_members", "source_members").downstream()
    & dg.AssetSelection.groups("parity"),
    cron_schedule="0 6 * * 1",
    execution_timezone="America/Chicago",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Monday 06:00: membership counts, discrepancies, ledger and report, whether or not a load came.",
)
