"""The sensor that tells people: of breaches of the SLA, and of count_parity checks that fail.

Dagster's own run_failure_sensor sees neither. What is told comes from the events of the runs and not from the mart,
which has one writer: the sensor never takes it from a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from memsync_assets.automation.channels import Alert, alert_id, deliver
from memsync_assets.settings import Project


def breach_alert(breach: Mapping[str, Any]) -> Alert:
    """The alert of a breach; once for each reconciliation, downstream system, owner, kind and due date."""
    names = [breach[name] for name in ("reconciliation", "downstream_system", "owner", "kind", "due_on")]
    reconciliation, system, owner, kind, due_on = names
    what = f"{breach['discrepancies']:,} {kind} were due on {due_on}; owner {owner}"
    text = f"SLA breached: {reconciliation}, {system}: {what}"
    return Alert(alert_id("breach", *names), text)


def check_alert(name: str, figures: Mapping[str, object], told: str) -> Alert:
    """The alert of a failed check, in the check's own words; once for each set of figures."""
    return Alert(alert_id("check", name, sorted(figures.items())), f"{name} failed: {told}")


def current_alerts(instance: dg.DagsterInstance, checks: Sequence[dg.AssetCheckKey]) -> list[Alert]:
    """What the last events of ledger and checks give to tell, whether it was told or not."""
    found: list[Alert] = []
    event = instance.get_latest_materialization_event(dg.AssetKey("discrepancy_ledger"))
    if event and event.asset_materialization and (given := event.asset_materialization.metadata.get("breaches")):
        breaches: Any = given.value
        found += [breach_alert(breach) for breach in breaches]
    for key in checks:
        record = instance.get_latest_asset_check_evaluation_record(key)
        evaluation = record and record.event and record.event.asset_check_evaluation
        if evaluation and not evaluation.passed and evaluation.severity == dg.AssetCheckSeverity.ERROR:
            figures = {name: value.value for name, value in evaluation.metadata.items()}
            found.append(check_alert(key.name, figures, evaluation.description or "see the check"))
    return found


def build_alert_sensor(checks: Sequence[dg.AssetCheckKey]) -> dg.SensorDefinition:
    """Watches the ledger's breaches and these checks."""

    @dg.sensor(
        name="alerts",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells of breaches of the SLA and of failed count_parity checks, each once, on every channel.",
    )
    def alerts(context: dg.SensorEvaluationContext, project: dg.ResourceParam[Project]) -> dg.SkipReason:
        sent = deliver(project, current_alerts(context.instance, checks))
        return dg.SkipReason(f"{sent} alerts sent" if sent else "nothing new to tell")

    return alerts
