"""The forms in which dates and moments are written, as regular expressions that Python and DuckDB both know.

Only the form: whether the calendar has such a date is for those who parse it.
"""

from __future__ import annotations

DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
#: Z, or hours and minutes from UTC, at most 14 (as the earth has them).
ZONE = "(?:[Zz]|[+-](?:(?:0[0-9]|1[0-3])(?::?[0-5][0-9])?|14(?::?00)?))"
LOCAL_MOMENT = DATE + r"[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?"
MOMENT = f"{LOCAL_MOMENT}{ZONE}?"
