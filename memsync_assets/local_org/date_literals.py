"""SOQL's date literals as half-open ranges of days. Weeks start on Sunday, the fiscal year is the calendar's."""

from __future__ import annotations

from datetime import date, timedelta

from memsync_assets.local_org.errors import OrgError

_UNITS = ("DAY", "WEEK", "MONTH", "QUARTER", "YEAR")


def days(name: str, number: int | None, today: date) -> tuple[date, date]:
    """First day of the range and the day after its last. Raises OrgError MALFORMED_QUERY if unknown."""
    try:
        return _days(name, number, today)
    except (ValueError, OverflowError):
        raise OrgError("MALFORMED_QUERY", f"{name}:{number} lies outside the calendar") from None


def _days(name: str, number: int | None, today: date) -> tuple[date, date]:
    name = name.replace("FISCAL_", "")
    if name in ("YESTERDAY", "TODAY", "TOMORROW"):
        first = today + timedelta(days=("YESTERDAY", "TODAY", "TOMORROW").index(name) - 1)
        return first, first + timedelta(days=1)
    if name == "LAST_90_DAYS":
        return today - timedelta(days=90), today + timedelta(days=1)
    if name == "NEXT_90_DAYS":
        return today + timedelta(days=1), today + timedelta(days=91)
    words = name.split("_")
    unit = words[-1].removesuffix("S")
    if unit in _UNITS:
        if len(words) == 2 and number is None and words[0] in ("THIS", "LAST", "NEXT"):
            step = {"THIS": 0, "LAST": -1, "NEXT": 1}[words[0]]
            return _start(today, unit, step), _start(today, unit, step + 1)
        if words[:2] == ["LAST", "N"] and number is not None:
            last = today + timedelta(days=1) if unit == "DAY" else _start(today, unit, 0)
            return _start(today, unit, -number), last
        if words[:2] == ["NEXT", "N"] and number is not None:
            return _start(today, unit, 1), _start(today, unit, number + 1)
        if words[0] == "N" and words[-1] == "AGO" and number is not None:
            return _start(today, unit, -number), _start(today, unit, 1 - number)
    if words[0] == "N" and words[-1] == "AGO" and number is not None and words[1].removesuffix("S") in _UNITS:
        unit = words[1].removesuffix("S")
        return _start(today, unit, -number), _start(today, unit, 1 - number)
    raise OrgError("MALFORMED_QUERY", f"unexpected token: '{name}'")


def _start(today: date, unit: str, step: int) -> date:
    """The first day of the unit that lies `step` units after the current one."""
    if unit == "DAY":
        return today + timedelta(days=step)
    if unit == "WEEK":
        return today - timedelta(days=(today.weekday() + 1) % 7) + timedelta(weeks=step)
    months = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}[unit]
    current = today.year * 12 + today.month - 1
    year, month = divmod(current - current % months + step * months, 12)
    return date(year, month + 1, 1)
