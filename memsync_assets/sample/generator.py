"""Writes the sample: loads below `landing`, and beside it, below `truth`, what memsync has to make of them.

Each date can be written alone, in any process: it depends on the arguments only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from memsync_assets.quiet_duckdb import connect
from memsync_assets.sample.contact_cases import CONTACTS_OF_A_GROUP
from memsync_assets.sample.contact_rows import CONTACT_KEY, ROLE_KEY, Contacts
from memsync_assets.sample.draws import Ints
from memsync_assets.sample.employer_rows import (
    group_rows,
    org_unit_rows,
    true_legal_entities,
    true_org_unit_problems,
)
from memsync_assets.sample.employers import Employers, make_employers
from memsync_assets.sample.fates import Fates
from memsync_assets.sample.load_files import LoadWriter
from memsync_assets.sample.membership import MemberRows, Membership
from memsync_assets.sample.parity_truth import CellCounts, expected_counts, expected_findings
from memsync_assets.sample.schedule import DOWNSTREAMS, LOAD_DATES, SOURCES, LoadDate, load_dates

#: Members made at a time.
_CHUNK = 500_000
_SOURCE_KEY = ("member_id", "effective_date")
_DOWNSTREAM_KEY = ("source_system", "member_id", "effective_date")


@dataclass(frozen=True)
class Truth:
    """Where a sample is, and what is true of it. Tables of members' and contacts' ids are Parquet files.

    Attributes:
        landing: the folder of loads.
        folder: the folder of the truth's tables, never inside `landing`.
        as_of_dates: those that were written, in order: memsync runs after each.
    """

    landing: Path
    folder: Path
    as_of_dates: tuple[date, ...]

    def findings(self, as_of: date) -> pa.Table:
        """Expected discrepancies of `ihm`, each with its cause in the sample. Columns: `parity_truth.FINDINGS`."""
        return self._read("findings", as_of)

    def counts(self, as_of: date) -> pa.Table:
        """Expected counts of `ihm` by level and cell with members on either side."""
        return self._read("counts", as_of)

    def legal_entities(self, as_of: date) -> pa.Table:
        """source_system, group_id, legal_entity: the true one's number, null where the tree is broken."""
        return self._read("legal_entities", as_of)

    def org_unit_problems(self, as_of: date) -> pa.Table:
        """Organizational units to be reported: source_system, org_unit_id, problem (cycle, orphan, two_roots)."""
        return self._read("org_unit_problems", as_of)

    def contacts(self, as_of: date) -> pa.Table:
        """Every contact that some source system holds.

        Columns: system, contact_id, true_person (null: not one person, to be put in quarantine), hard_case (what is
        special about it, words of `contact_cases`), email_status (valid, invalid, placeholder, role, shared, none),
        quarantine_reason.
        """
        return self._read("contacts", as_of)

    def _read(self, table: str, as_of: date) -> pa.Table:
        return pq.read_table(self.folder / f"{table}-{as_of.isoformat()}.parquet")


class Sample:
    """A sample of a size and seed; nothing is written before it is asked for."""

    def __init__(self, folder: Path, members: int = 50_000, seed: int = 2026, contacts: int | None = None) -> None:
        self.landing, self.truth = folder / "landing", folder / "truth"
        self._size = members
        self._employers: Employers = make_employers(members, seed)
        self._contacts = Contacts(self._employers, contacts or CONTACTS_OF_A_GROUP * len(self._employers.groups), seed)
        self._fates = Fates(self._employers, seed)
        self._membership = Membership(self._employers, self._fates, seed)
        self._rows = MemberRows(self._employers)

    def write(self, load_date: LoadDate) -> None:
        """Write every system's load of a date, and its truth."""
        self.truth.mkdir(parents=True, exist_ok=True)
        for system in range(len(SOURCES)):
            self._write_source(system, load_date)
        for system in range(len(DOWNSTREAMS)):
            self._write_downstream(system, load_date)
        self._write_truth("findings", load_date, expected_findings(self._employers, self._fates, load_date))
        self._write_truth("counts", load_date, self._counts(load_date))
        self._write_truth("legal_entities", load_date, true_legal_entities(self._employers))
        self._write_truth("org_unit_problems", load_date, true_org_unit_problems(self._employers))
        self._write_truth("contacts", load_date, self._contacts.truth(load_date))

    def _write_truth(self, table: str, load_date: LoadDate, rows: pa.Table) -> None:
        pq.write_table(rows, self.truth / f"{table}-{load_date.as_of.isoformat()}.parquet")

    def _write_source(self, system: int, load_date: LoadDate) -> None:
        source = SOURCES[system]
        full = load_date.number == 1
        load = LoadWriter(self.landing, source.name, load_date, "full" if full else "delta")
        first, end = self._employers.system_range(system)
        if full:
            load.write("members", self._members(first, end, source.parts, load_date, None), source.ending)
        else:
            load.write("members", [[self._member_changes(first, end, load_date, None)]], source.ending)
        load.write("groups", [[group_rows(self._employers, system, load_date)]], source.ending)
        if full:
            load.write("org_units", [[org_unit_rows(self._employers, system)]], source.ending)
        for table, rows, key in (
            ("contacts", self._contacts.contact_rows, CONTACT_KEY),
            ("contact_roles", self._contacts.role_rows, ROLE_KEY),
        ):
            now = rows(system, load_date)
            if not full:
                now = delta(rows(system, LOAD_DATES[load_date.number - 2]), now, key)
            load.write(table, [[now]], source.ending)
        load.finish()

    def _write_downstream(self, system: int, load_date: LoadDate) -> None:
        downstream = DOWNSTREAMS[system]
        kind = "full" if load_date.number == 1 else downstream.later_loads
        load = LoadWriter(self.landing, downstream.name, load_date, kind)
        if kind == "full":
            parts = self._members(0, self._size, downstream.parts, load_date, system)
            load.write("members", parts, downstream.ending)
        else:
            changes = self._member_changes(0, self._size, load_date, system)
            load.write("members", [[changes]], downstream.ending)
        load.finish(downstream.cutoff_at(load_date))

    def _members(
        self, first: int, end: int, parts: int, load_date: LoadDate, downstream: int | None
    ) -> Iterator[Iterator[pa.Table]]:
        bounds = np.linspace(first, end, parts + 1).astype(int).tolist()
        for start, stop in pairwise(bounds):
            yield (
                self._rows.table(
                    self._membership.spans(chunk, load_date, downstream), downstream=downstream is not None
                )
                for chunk in _chunks(start, stop)
            )

    def _member_changes(self, first: int, end: int, load_date: LoadDate, downstream: int | None) -> pa.Table:
        """The rows of a delta."""
        fated = [members for _, fate, members in self._fates.with_fate() if fate.changes_over_time]
        members: Ints = np.sort(np.concatenate(fated))
        members = members[(members >= first) & (members < end)]
        before, now = (
            self._rows.table(self._membership.spans(members, at, downstream), downstream=downstream is not None)
            for at in (LOAD_DATES[load_date.number - 2], load_date)
        )
        return delta(before, now, _SOURCE_KEY if downstream is None else _DOWNSTREAM_KEY)

    def _counts(self, load_date: LoadDate) -> pa.Table:
        source = CellCounts(self._employers, load_date)
        downstreams = [CellCounts(self._employers, load_date) for _ in DOWNSTREAMS]
        for chunk in _chunks(0, self._size):
            source.add(self._membership.spans(chunk, load_date))
            for system, counts in enumerate(downstreams):
                counts.add(self._membership.spans(chunk, load_date, system))
        return expected_counts(load_date, source, downstreams)


def _chunks(start: int, stop: int) -> Iterator[Ints]:
    for first in range(start, stop, _CHUNK):
        yield np.arange(first, min(first + _CHUNK, stop), dtype=np.int64)


def delta(before: pa.Table, now: pa.Table, key: tuple[str, ...]) -> pa.Table:
    """What turns one state of a table into the next, with `change` first.

    A key may have several rows: when one is new or other, all of them are upserts.
    """
    names = ", ".join(key)
    with connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("before", before)
        connection.register("now", now)
        return connection.sql(
            f"""
            WITH changed AS (
                SELECT {names} FROM (FROM now EXCEPT ALL FROM before)
                UNION
                SELECT {names} FROM (FROM before EXCEPT ALL FROM now)
            )
            SELECT 'upsert' AS change, * FROM now SEMI JOIN changed USING ({names})
            UNION ALL
            SELECT DISTINCT 'delete' AS change, * FROM before ANTI JOIN now USING ({names})
            ORDER BY ALL
            """  # noqa: S608 - the keys are constants
        ).to_arrow_table()


def generate(
    folder: Path, members: int = 50_000, seed: int = 2026, weeks: tuple[int, ...] = (1, 2), contacts: int | None = None
) -> Truth:
    """Write the loads of these weeks below `folder`/landing and what is true of them below `folder`/truth.

    Args:
        contacts: about how many contacts the source systems hold; None: six for each employer group.

    Raises:
        ValueError: too few members to show every case, or an unknown week.
    """
    dates = load_dates(weeks)
    sample = Sample(folder, members, seed, contacts)
    for load_date in dates:
        sample.write(load_date)
    return Truth(sample.landing, sample.truth, tuple(load_date.as_of for load_date in dates))
