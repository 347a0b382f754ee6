"""What is wrong with a load, in words that hold no member's value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

#: Findings of one kind that are listed one by one; the rest is counted.
LISTED = 100


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        kind: e.g. wrong_checksum, null_key, unknown_state.
        message: what is wrong and what to do.
        file: the file's name, where it is about one.
        row: the data row in the file, from 1, where it is about one.
        column: where it is about one.
        count: how many rows it stands for.
    """

    kind: str
    message: str
    file: str | None = None
    row: int | None = None
    column: str | None = None
    count: int = 1


def counts(findings: Sequence[Finding]) -> dict[str, int]:
    """How many of each kind."""
    counted: Counter[str] = Counter()
    for finding in findings:
        counted[finding.kind] += finding.count
    return dict(sorted(counted.items()))


def as_json(findings: Sequence[Finding]) -> list[dict[str, object]]:
    """The findings to be listed: at most `LISTED` of each kind."""
    listed: Counter[str] = Counter()
    rows = []
    for finding in findings:
        listed[finding.kind] += 1
        if listed[finding.kind] <= LISTED:
            rows.append({key: value for key, value in asdict(finding).items() if value is not None})
    return rows
