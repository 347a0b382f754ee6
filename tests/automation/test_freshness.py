"""Loads and parity are expected once a week; the rest follows from them."""

from memsync_assets.definitions import build_definitions
from tests.landing.landed import Landing


def test_loads_and_parity_are_watched(landing: Landing) -> None:
    specs = build_definitions(landing.project, {"a": "source", "claims": "downstream"}).resolve_all_asset_specs()
    watched = {spec.key.to_user_string() for spec in specs if spec.freshness_policy}
    assert watched == {spec.key.to_user_string() for spec in specs if spec.group_name in ("loads", "parity")}
    assert {"loads/a", "loads/claims", "ihm_discrepancy_report"} <= watched
