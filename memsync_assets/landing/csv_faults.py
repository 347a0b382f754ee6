"""What DuckDB says of a CSV file that it cannot read: the kind of fault and the row, and nothing else of its text.

The text quotes the line, and with it members' values.
"""

from __future__ import annotations

import re

import duckdb

_ROW = re.compile(r"Invalid Input Error: CSV Error on Line: ([0-9]+)\n")
_NO_ROW = "Invalid Input Error: The CSV Parser state machine reached an invalid state."
_KINDS = {
    "Expected Number of Columns": "a row has more or fewer cells than the header",
    "Value with unterminated quote found": "a quote is not closed, or text goes on behind it",
    "Invalid unicode": "is not UTF-8",
    "Maximum line size": "a row is too long, or a quote is not closed",
}


def fault(error: duckdb.Error) -> tuple[str, int | None]:
    """The kind of fault, and the data row from 1 (an empty line counts as one) where it is told."""
    text = str(error)
    if text.startswith(_NO_ROW):
        return "its lines do not all end alike, or it is no CSV as RFC 4180 has it", None
    found = _ROW.match(text)
    # The kind comes behind the quoted line, which may hold anything.
    kind = max(_KINDS, key=text.rfind)
    if not found or kind not in text:
        return f"cannot be read ({type(error).__name__})", None
    return _KINDS[kind], int(found[1]) - 1
