"""Parity in plain Python, from the text of the landing contract: what the SQL has to agree with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

Group = tuple[str, str]
Member = tuple[str, str]
LEVELS = {
    "source": lambda row: (row.source_system, None, None),
    "group": lambda row: (row.source_system, row.group_id, None),
    "state": lambda row: (row.source_system, row.group_id, row.state_code),
}


@dataclass(frozen=True)
class Row:
    """A row of members, of either side."""

    source_system: str
    member_id: str
    group_id: str
    state_code: str
    plan_code: str | None
    effective_date: date
    termination_date: date | None
    changed_at: datetime | None = None

    @property
    def member(self) -> Member:
        return self.source_system, self.member_id

    def active(self, as_of: date) -> bool:
        return self.effective_date <= as_of and (self.termination_date is None or self.termination_date > as_of)


@dataclass(frozen=True)
class World:
    """Both sides of one comparison."""

    source: tuple[Row, ...]
    downstream: tuple[Row, ...]
    flagged: frozenset[Group]
    named: frozenset[Group]
    more_than: int | None
    as_of: date
    cutoff_at: datetime | None

    def scope(self) -> frozenset[Group]:
        members = defaultdict(set)
        for row in self.source:
            if row.active(self.as_of):
                members[row.source_system, row.group_id].add(row.member_id)
        large = {g for g, of in members.items() if self.more_than is not None and len(of) > self.more_than}
        return self.flagged | self.named | large

    def counting(self, rows: Iterable[Row]) -> dict[Member, list[Row]]:
        """The active rows of groups in scope, by member."""
        scope = self.scope()
        found = defaultdict(list)
        for row in rows:
            if row.active(self.as_of) and (row.source_system, row.group_id) in scope:
                found[row.member].append(row)
        return found

    def findings(self) -> set[tuple[Member, str, bool]]:
        """(member, kind, in flight)."""
        source, downstream = self.counting(self.source), self.counting(self.downstream)
        found = set()
        for member in source.keys() | downstream.keys():
            s, t = source.get(member, []), downstream.get(member, [])
            flight = self.cutoff_at is not None and any(
                row.member == member and row.changed_at is not None and row.changed_at > self.cutoff_at
                for row in self.source
            )
            found |= {(member, kind, flight) for kind in kinds(s, t)}
        return found

    def counts(self) -> dict[tuple[str, tuple[str, str | None, str | None]], tuple[int, int]]:
        """By level and cell: members in the source, members downstream."""
        members = defaultdict(lambda: (set(), set()))
        for side, rows in enumerate((self.counting(self.source), self.counting(self.downstream))):
            for member, of_member in rows.items():
                for level, cell in LEVELS.items():
                    for row in of_member:
                        members[level, cell(row)][side].add(member)
        return {cell: (len(s), len(t)) for cell, (s, t) in members.items()}


def kinds(source: list[Row], downstream: list[Row]) -> set[str]:
    places = [(row.group_id, row.state_code) for row in downstream]
    found = {"duplicate"} if len(set(places)) < len(places) else set()
    rules = (
        ("wrong_group", lambda row: row.group_id),
        ("wrong_state", lambda row: (row.group_id, row.state_code)),
        ("wrong_plan", lambda row: (row.group_id, row.state_code, row.plan_code)),
        ("stale_dates", lambda row: (row.effective_date, row.termination_date)),
    )
    if not downstream:
        return found | {"missing"}
    if not source:
        return found | {"extra"}
    for kind, of in rules:
        if {of(row) for row in source} != {of(row) for row in downstream}:
            return found | {kind}
    return found
