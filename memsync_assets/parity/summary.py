"""Parity as a data frame, for notebooks and further assets: figures of comparisons, no members."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import get_type_hints

import pandas as pd

from memsync_assets.parity.verdicts import Verdict

#: The columns and their kinds: those of a verdict, and the verdict in a word.
COLUMNS: dict[str, type] = {field.name: get_type_hints(Verdict)[field.name] for field in fields(Verdict)} | {
    "status": str
}


def parity_summary_frame(verdicts: list[Verdict]) -> pd.DataFrame:
    """One row for each reconciliation, downstream system and level, with the worst status of its cells."""
    rows = [asdict(verdict) | {"status": verdict.status} for verdict in verdicts]
    kinds = {name: "int64" if kind is int else "object" for name, kind in COLUMNS.items()}
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(kinds)
