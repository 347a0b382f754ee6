"""Business days: when a discrepancy is due, and how many days are left.

The rule, after `numpy.busday_offset` with roll='forward': a discrepancy that opens on a weekend or a holiday counts as
opened on the next business day, and is due as many business days after that as its reconciliation allows. Holidays
are those of the `holidays` package for the configured country (federal days for the US) and the configured extra ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache

import holidays
import numpy as np

from memsync_assets.settings import Calendar

#: The calendar is worked out this far around the year that is asked for.
_YEARS_AROUND = 2


@dataclass(frozen=True)
class BusinessCalendar:
    """Counts business days, Monday to Friday without holidays."""

    country: str
    extra_holidays: tuple[date, ...]

    @classmethod
    def of(cls, settings: Calendar) -> BusinessCalendar:
        """The calendar of the configuration."""
        return cls(settings.holidays, settings.extra_holidays)

    def due_on(self, opened_on: date, business_days: int) -> date:
        """The last business day of those allowed to work off what opened on a date."""
        due = np.busday_offset(opened_on, business_days, roll="forward", holidays=self._holidays(opened_on.year))
        return date.fromisoformat(str(due))

    def days_left(self, on: date, due_on: date) -> int:
        """Business days from a date to the due date; negative when it has passed."""
        return int(np.busday_count(on, due_on, holidays=self._holidays(on.year)))

    def _holidays(self, year: int) -> list[str]:
        return _holidays_around(self.country, self.extra_holidays, year)


@cache
def _holidays_around(country: str, extra: tuple[date, ...], year: int) -> list[str]:
    years = range(year - _YEARS_AROUND, year + _YEARS_AROUND + 1)
    return [day.isoformat() for day in (*holidays.country_holidays(country, years=years), *extra)]
