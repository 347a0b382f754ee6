"""Which systems deliver what and when: the calendar of the sample. Computes no data.

The first week brings full loads. The second brings deltas on two days, so that a discrepancy can close on the first
and be found again on the second. On each date the sources are extracted at 05:30 UTC; a downstream system has taken
in what changed before its own cut-off, some hours earlier.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import IntEnum
from typing import Literal

Kind = Literal["full", "delta"]
Ending = Literal["parquet", "csv", "csv.gz"]


class Slot(IntEnum):
    """When, before a load's extraction, something changed in a source system."""

    DAY = 0
    EVENING = 1
    NIGHT = 2


#: Hours before midnight (UTC) of the as-of date; negative: after it.
_HOURS_BEFORE = {Slot.DAY: 9.0, Slot.EVENING: -1.5, Slot.NIGHT: -5.0}


@dataclass(frozen=True)
class LoadDate:
    """A date on which every system lands a load.

    Attributes:
        number: 1 for the first; what happens in the sample happens at such a number.
        week: 1 or 2.
    """

    number: int
    week: int
    as_of: date

    @property
    def load_id(self) -> str:
        """The loads' id: they land at 06:00 UTC."""
        return f"{self.as_of.isoformat()}T0600"

    def moment(self, slot: Slot) -> datetime:
        """When a change of this slot was made (UTC)."""
        return datetime.combine(self.as_of, time(), UTC) - timedelta(hours=_HOURS_BEFORE[slot])

    @property
    def event_date(self) -> date:
        """From when a change that this date's loads bring is effective: two days before."""
        return self.as_of - timedelta(days=2)


LOAD_DATES = (
    LoadDate(1, 1, date(2026, 11, 13)),
    LoadDate(2, 2, date(2026, 11, 17)),
    LoadDate(3, 2, date(2026, 11, 20)),
)


@dataclass(frozen=True)
class SourceSystem:
    """A source system and how it writes its ids.

    Attributes:
        share: of all employer groups.
        parts: files that the members of a full load are spread over.
    """

    name: str
    home_state: str
    share: float
    ending: Ending
    parts: int
    member_prefix: str
    group_form: str
    contact_form: str


@dataclass(frozen=True)
class DownstreamSystem:
    """A downstream system.

    Attributes:
        cutoff_hours: hours before midnight (UTC) of the as-of date; negative: after it.
        later_loads: the kind of its loads after the first.
    """

    name: str
    ending: Ending
    parts: int
    cutoff_hours: float
    later_loads: Kind

    def cutoff_at(self, load_date: LoadDate) -> datetime:
        """Up to when it has taken in its sources' changes."""
        return datetime.combine(load_date.as_of, time(), UTC) - timedelta(hours=self.cutoff_hours)

    def sees(self, slot: Slot) -> bool:
        """Whether a change of this slot is in the load of the same date."""
        return _HOURS_BEFORE[slot] >= self.cutoff_hours


# foundation_ca and legacy_il use the same numbers for different members and groups: only with the system are they keys.
SOURCES = (
    SourceSystem("foundation_ca", "CA", 0.4, "parquet", 3, "", "{:05d}", "C{:07d}"),
    SourceSystem("heritage_tx", "TX", 0.35, "csv.gz", 1, "H", "HT-{:04d}", "{:08d}"),
    SourceSystem("legacy_il", "IL", 0.25, "csv", 1, "", "{:05d}", "{:08d}"),
)
DOWNSTREAMS = (
    DownstreamSystem("claims", "parquet", 4, -2.0, "full"),
    DownstreamSystem("care_management", "csv.gz", 1, 2.0, "delta"),
    DownstreamSystem("billing", "parquet", 1, -4.0, "delta"),
)


def load_dates(weeks: tuple[int, ...]) -> tuple[LoadDate, ...]:
    """The dates of these weeks, in order.

    Raises:
        ValueError: a week is neither 1 nor 2.
    """
    if unknown := set(weeks) - {load_date.week for load_date in LOAD_DATES}:
        raise ValueError(f"the sample has weeks 1 and 2, not {sorted(unknown)}")
    return tuple(load_date for load_date in LOAD_DATES if load_date.week in weeks)
