"""The date on which roles are in force, the same for a person's primary account and for its relations."""

from __future__ import annotations

from datetime import UTC, date, datetime

from memsync_assets.landing.as_of import latest_as_of
from memsync_assets.mart.engine import Mart


def date_of_roles(mart: Mart, asked: date | None) -> date:
    """The as-of date that was asked for, or else the latest of the loads; today where there is none."""
    return asked or latest_as_of(mart) or datetime.now(UTC).date()
