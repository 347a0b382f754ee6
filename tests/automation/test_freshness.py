"""Loads and parity are expected once a week; the rest follows from them."""

import warnings

import dagster as dg

from memsync_assets.definitions import build_definitions
from tests.landing.landed import Landing


def test_loads_and_parity_are_watched(landing: Landing) -> None:
    specs = build_definitions(landing.project, {"a": "source", "claims": "downstream"}).resolve_all_asset_specs()
    watched = {spec.key.to_user_string() for spec in specs if spec.freshness_policy}
    assert watched == {spec.key.to_user_string() for spec in specs if spec.group_name in ("loads", "parity")}
    assert {"loads/a", "loads/claims", "ihm_discrepancy_report"} <= watched


def test_the_graph_is_built_of_what_dagster_supports(landing: Landing) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", dg.PreviewWarning)
        warnings.simplefilter("error", dg.BetaWarning)
        build_definitions(landing.project, {"a": "source", "claims": "downstream"}).resolve_all_asset_specs()
