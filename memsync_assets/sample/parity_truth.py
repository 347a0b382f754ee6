"""What parity has to find in the sample for the reconciliation `ihm`: from the fates, and by counting what was made."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from memsync_assets.sample.draws import Ints
from memsync_assets.sample.employers import Employers
from memsync_assets.sample.fates import Fates
from memsync_assets.sample.membership import MemberIds, Spans
from memsync_assets.sample.places import STATES
from memsync_assets.sample.schedule import DOWNSTREAMS, SOURCES, LoadDate

FINDINGS = pa.schema(
    [
        ("as_of", pa.date32()),
        ("downstream_system", pa.string()),
        ("source_system", pa.string()),
        ("member_id", pa.string()),
        ("kind", pa.string()),
        ("in_flight", pa.string()),
        ("cause", pa.string()),
    ]
)


def expected_findings(employers: Employers, fates: Fates, date: LoadDate) -> pa.Table:
    """One row for each finding that is due on a date. cause: what was done to the member, a name of `fates`."""
    ids = MemberIds(employers)
    parts = [FINDINGS.empty_table()]
    for population, fate, members in fates.with_fate():
        for downstream, system in enumerate(DOWNSTREAMS):
            finding = fate.finding(population, date, downstream)
            if finding is None or not len(members):
                continue
            kind, in_flight = finding
            groups = np.searchsorted(employers.starts, members, side="right") - 1
            sources = [SOURCES[employers.groups[g].system].name for g in groups.tolist()]
            same = {
                "as_of": date.as_of,
                "downstream_system": system.name,
                "kind": kind,
                "in_flight": "Y" if in_flight else "N",
                "cause": fate.what,
            }
            columns = {"source_system": pa.array(sources), "member_id": ids.of(members)}
            columns |= {
                name: pa.array([value] * len(members), FINDINGS.field(name).type) for name, value in same.items()
            }
            parts.append(pa.table([columns[name] for name in FINDINGS.names], FINDINGS))
    return pa.concat_tables(parts).sort_by([(name, "ascending") for name in FINDINGS.names])


class CellCounts:
    """Counts the distinct active members of the cells of groups in scope, as chunks of rows go by."""

    def __init__(self, employers: Employers, date: LoadDate) -> None:
        self._employers, self._date = employers, date
        self._in_scope = np.array([g.in_scope(date) for g in employers.groups])
        self._systems = np.array([g.system for g in employers.groups], dtype=np.int64)
        self._of_state: Ints = np.zeros(len(employers.groups) * len(STATES), dtype=np.int64)
        self._of_group: Ints = np.zeros(len(employers.groups), dtype=np.int64)
        self._of_source: Ints = np.zeros(len(SOURCES), dtype=np.int64)

    def add(self, spans: Spans) -> None:
        """Count a chunk; all rows of a member are in one."""
        rows = spans.take(np.flatnonzero(spans.active(self._date.as_of) & self._in_scope[spans.group]))
        cells = rows.group * len(STATES) + rows.state
        self._of_state += _distinct(rows.member, cells, len(self._of_state))
        self._of_group += _distinct(rows.member, rows.group, len(self._of_group))
        self._of_source += _distinct(rows.member, self._systems[rows.group], len(SOURCES))

    def cells(self) -> dict[tuple[str, str, str | None, str | None], int]:
        """The count of each cell that has members: (level, source_system, group_id, state_code)."""
        groups = self._employers.groups
        found: dict[tuple[str, str, str | None, str | None], int] = {}
        for system in np.flatnonzero(self._of_source).tolist():
            found["source", SOURCES[system].name, None, None] = int(self._of_source[system])
        for g in np.flatnonzero(self._of_group).tolist():
            found["group", SOURCES[groups[g].system].name, groups[g].group_id, None] = int(self._of_group[g])
        for cell in np.flatnonzero(self._of_state).tolist():
            g, state = divmod(cell, len(STATES))
            key = ("state", SOURCES[groups[g].system].name, groups[g].group_id, STATES[state])
            found[key] = int(self._of_state[cell])
        return found


def _distinct(members: Ints, cells: Ints, size: int) -> Ints:
    distinct = np.unique(members * size + cells)
    return np.bincount(distinct % size, minlength=size)


def expected_counts(date: LoadDate, source: CellCounts, downstreams: list[CellCounts]) -> pa.Table:
    """One row for each downstream system and cell that has members on either side."""
    rows = []
    of_source = source.cells()
    for system, counts in zip(DOWNSTREAMS, downstreams, strict=True):
        of_downstream = counts.cells()
        for cell in sorted(of_source.keys() | of_downstream.keys(), key=lambda c: tuple(x or "" for x in c)):
            level, source_system, group_id, state_code = cell
            rows.append(
                {
                    "as_of": date.as_of,
                    "downstream_system": system.name,
                    "level": level,
                    "source_system": source_system,
                    "group_id": group_id,
                    "state_code": state_code,
                    "source_count": of_source.get(cell, 0),
                    "downstream_count": of_downstream.get(cell, 0),
                }
            )
    return pa.Table.from_pylist(rows)
