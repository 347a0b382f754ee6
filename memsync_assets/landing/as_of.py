"""The as-of date that the applied loads have reached: the date of comparisons and of roles, where none is asked for."""

from __future__ import annotations

from datetime import date

from memsync_assets.mart.engine import Mart


def latest_as_of(mart: Mart) -> date | None:
    """The latest as-of date of the loads that were applied; None when there is none."""
    found: date | None = mart.fetch("SELECT MAX(l.as_of) AS as_of FROM loads AS l")["as_of"][0].as_py()
    return found
