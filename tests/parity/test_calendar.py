"""Ten business days."""

from __future__ import annotations

from datetime import date

import pytest

from memsync_assets.parity.calendar import BusinessCalendar
from memsync_assets.settings import Calendar

US = BusinessCalendar.of(Calendar())


@pytest.mark.parametrize(
    ("opened", "due"),
    [
        (date(2026, 12, 18), date(2027, 1, 5)),
        # Thanksgiving and nothing else.
        (date(2026, 11, 20), date(2026, 12, 7)),
        # Opened on a Saturday: as if on the Monday after.
        (date(2026, 6, 6), date(2026, 6, 23)),
        (date(2026, 6, 8), date(2026, 6, 23)),
    ],
)
def test_due_on(opened: date, due: date) -> None:
    assert US.due_on(opened, 10) == due


def test_days_left_count_down_to_nothing_and_below() -> None:
    due = US.due_on(date(2026, 11, 20), 10)
    assert [US.days_left(day, due) for day in (date(2026, 11, 20), due, date(2026, 12, 9))] == [10, 0, -2]


def test_an_extra_holiday_moves_the_due_date() -> None:
    calendar = BusinessCalendar.of(Calendar(extra_holidays=(date(2026, 11, 27),)))
    assert calendar.due_on(date(2026, 11, 20), 10) == date(2026, 12, 8)
