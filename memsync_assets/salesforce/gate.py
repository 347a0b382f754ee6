"""The gate before every write to Salesforce, however the write was started."""

from __future__ import annotations

from memsync_assets.contacts.normalize import contacts_lost
from memsync_assets.landing.parity import landed_tables
from memsync_assets.mart.engine import Mart
from memsync_assets.settings import MemsyncError


class GateError(MemsyncError):
    """Something upstream is lost: nothing may be written."""


def refuse_after_loss(mart: Mart) -> None:
    """Refuse where the mart does not hold what landed, or contacts are lost.

    Raises:
        GateError: with the tables that are off, and counts.
    """
    off = [f"{one.system} {one.table}" for one in landed_tables(mart) if one.expected != one.mart]
    lost = contacts_lost(mart)
    if off or lost:
        raise GateError(
            "nothing is written to Salesforce: the mart does not hold what landed "
            f"({', '.join(off) or 'no table is off'}), or contacts are lost ({lost}). "
            "Materialize what is upstream again."
        )
