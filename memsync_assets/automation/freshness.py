"""Freshness: what should have been made anew by now. Set once over the graph, shown by Dagster, stops nothing.

Open-source Dagster alerts on no failing tick: a landing folder that has gone silent shows here.
"""

from collections.abc import Iterable
from datetime import timedelta

import dagster as dg

#: Parity runs each Monday at the latest, and each system is expected to deliver once a week.
_WEEKLY = dg.FreshnessPolicy.time_window(warn_window=timedelta(days=7, hours=12), fail_window=timedelta(days=9))
_WATCHED = ("loads", "parity")


def with_freshness(assets: Iterable[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """The same assets, those of loads and of parity expected once a week."""
    return [asset.map_asset_specs(_expected) for asset in assets]


def _expected(spec: dg.AssetSpec) -> dg.AssetSpec:
    return dg.apply_freshness_policy(spec, _WEEKLY) if spec.group_name in _WATCHED else spec
