"""What is configured and was not compared on a date, and why: so that no check is silent about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from memsync_assets.mart.engine import Mart
from memsync_assets.parity.reconciliations import Deliveries, date_compared, read_deliveries
from memsync_assets.settings import Level, Reconciliation, Settings


@dataclass(frozen=True)
class Gap:
    """A level of a reconciliation with a downstream system that was not compared.

    Attributes:
        warns: whether another run would compare it; else it is as configured, or as the system delivers.
    """

    reconciliation: str
    downstream_system: str
    level: Level
    why: str
    warns: bool = False


def find_gaps(mart: Mart, settings: Settings, as_of: date | None) -> list[Gap]:
    """All that is configured and not compared on an as-of date; None: the latest of the loads."""
    delivered, compared = read_deliveries(mart), date_compared(mart, as_of)
    return [
        gap
        for name, block in settings.reconciliations.items()
        for system in (block.downstream_systems or _downstream_systems(settings, delivered))
        for gap in _gaps(name, block, system, delivered, compared)
    ]


def _downstream_systems(settings: Settings, delivered: Deliveries) -> list[str]:
    configured = {name for name, system in settings.systems.items() if system.role == "downstream"}
    return sorted(configured | delivered.cutoffs.keys())


def _gaps(name: str, block: Reconciliation, system: str, delivered: Deliveries, compared: date | None) -> Iterator[Gap]:
    counted_on = delivered.counted_on.get(system)
    for level in block.levels:
        if system not in delivered.cutoffs:
            yield Gap(name, system, level, "no load of it has been applied")
        elif counted_on and block.counted != "members":
            yield Gap(name, system, level, f"it delivers counts of members, and {block.counted} are counted here")
        elif counted_on and level == "plan":
            yield Gap(name, system, level, "its counts have no plans")
        elif counted_on and counted_on != compared:
            why = f"its counts are of {counted_on}; `memsync run --as-of {counted_on}` compares them"
            yield Gap(name, system, level, why, warns=True)
