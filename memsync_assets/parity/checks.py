"""Checks on parity: counts agree in every downstream system; the findings add up to the variance."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import dagster as dg

from memsync_assets.mart.asset_metadata import dagster_name
from memsync_assets.mart.connect import open_mart
from memsync_assets.parity.drift import alarms, feed_drift
from memsync_assets.parity.gaps import Gap, find_gaps
from memsync_assets.parity.verdicts import Verdict, read_verdicts
from memsync_assets.settings import Project, Settings

_ASSET = "membership_counts"


def check_name(downstream_system: str, level: str) -> str:
    """The name of the check of one downstream system and level."""
    return f"count_parity_{dagster_name(downstream_system)}_{level}"


def check_keys(downstream_systems: Sequence[str], settings: Settings) -> list[dg.AssetCheckKey]:
    """The checks of `build_count_parity`."""
    pairs = _pairs(downstream_systems, settings)
    return [dg.AssetCheckKey(dg.AssetKey(_ASSET), check_name(system, level)) for system, level in pairs]


def _pairs(downstream_systems: Sequence[str], settings: Settings) -> list[tuple[str, str]]:
    levels = sorted({level for block in settings.reconciliations.values() for level in block.levels})
    return [(system, level) for system in downstream_systems for level in levels]


def build_count_parity(downstream_systems: Sequence[str], settings: Settings) -> dg.AssetChecksDefinition:
    """One step that checks every downstream system at every level of any reconciliation.

    Counts within a tolerance warn, counts beyond it fail. Counts that agree while members differ by more than the
    tolerance warn, too: what cancels out is not hidden. So do counts that only a run for another date compares. It
    blocks nothing: ledger and report follow from what it finds. What writes to another system has its own gate.
    """
    pairs = _pairs(downstream_systems, settings)

    @dg.multi_asset_check(
        name="count_parity",
        specs=[
            dg.AssetCheckSpec(
                check_name(system, level),
                asset=_ASSET,
                description=f"{system} counts the same members as the source systems, by {level}.",
            )
            for system, level in pairs
        ],
    )
    def count_parity(project: dg.ResourceParam[Project]) -> Iterator[dg.AssetCheckResult]:
        with open_mart(project) as mart:
            verdicts = read_verdicts(mart, project.as_of)
            gaps = find_gaps(mart, settings, project.as_of)
        for system, level in pairs:
            yield _result(
                system,
                level,
                [v for v in verdicts if (v.downstream_system, v.level) == (system, level)],
                [gap for gap in gaps if (gap.downstream_system, gap.level) == (system, level)],
            )

    return count_parity


def _result(system: str, level: str, verdicts: list[Verdict], gaps: list[Gap]) -> dg.AssetCheckResult:
    beyond = any(verdict.beyond_tolerance for verdict in verdicts)
    within = any(verdict.within_tolerance or verdict.findings_beyond_tolerance for verdict in verdicts)
    return dg.AssetCheckResult(
        asset_key=_ASSET,
        check_name=check_name(system, level),
        passed=not (beyond or within or any(gap.warns for gap in gaps)),
        severity=dg.AssetCheckSeverity.ERROR if beyond else dg.AssetCheckSeverity.WARN,
        description=_told(verdicts, gaps),
        metadata={key: value for verdict in verdicts for key, value in _about(verdict).items()},
    )


def _told(verdicts: list[Verdict], gaps: list[Gap]) -> str:
    """Net and gross of each reconciliation in words, and why one was not compared."""
    told = [
        f"{one.reconciliation}: {one.beyond_tolerance:,} of {one.cells:,} cells beyond tolerance,"
        f" {one.within_tolerance:,} within; net {one.variance:,}, gross {one.findings:,}"
        for one in verdicts
    ]
    told += [f"{gap.reconciliation}: not compared: {gap.why}" for gap in gaps]
    return "; ".join(told) or "not compared: no reconciliation covers it here, or nobody is in its scope on either side"


def _about(verdict: Verdict) -> dict[str, int]:
    """Numbers, each of which Dagster plots over time."""
    return {
        f"{verdict.reconciliation}: {name.replace('_', ' ')}": value
        for name, value in asdict(verdict).items()
        if isinstance(value, int)
    }


@dg.asset_check(
    asset=_ASSET,
    additional_deps=["discrepancies"],
    blocking=True,
    description="In every cell the findings add up to the variance: a check of memsync's own arithmetic.",
)
def findings_add_up(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    """Sum what the findings leave unexplained."""
    with open_mart(project) as mart:
        verdicts = read_verdicts(mart, project.as_of)
    unexplained = sum(verdict.unexplained for verdict in verdicts)
    return dg.AssetCheckResult(
        passed=unexplained == 0,
        metadata={"unexplained": unexplained, "cells": sum(verdict.cells for verdict in verdicts)},
    )


@dg.asset_check(
    asset="membership_drift",
    name="membership_drift",
    description="No group jumped, vanished, appeared, left the scope or crossed the size; no feed is late, partial or "
    "stale. Slow drifts are on the report's watch list and warn of nothing.",
)
def drift_check(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
    """Count what the drift guard stored."""
    with open_mart(project) as mart:
        counts = alarms(mart, project.as_of)
    return dg.AssetCheckResult(passed=not counts, severity=dg.AssetCheckSeverity.WARN, metadata=dict(counts))


def _build_feeds_in_order(asset: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        name="feeds_in_order",
        asset=asset,
        description="No system's last load is late or holds less than half of the one before. Known before comparing.",
    )
    def feeds_in_order(project: dg.ResourceParam[Project]) -> dg.AssetCheckResult:
        with open_mart(project) as mart:
            found = feed_drift(mart, project.as_of)
        return dg.AssetCheckResult(
            passed=not found,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={drift.system: drift.kind for drift in found},
        )

    return feeds_in_order


CHECKS = (
    findings_add_up,
    drift_check,
    _build_feeds_in_order("source_members"),
    _build_feeds_in_order("downstream_members"),
)
