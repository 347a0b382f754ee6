"""Where to look: finds the few rows that may hold a finding, so that only those are compared one by one.

For the embedded mart. Rows are dealt into buckets by a hash of their member, about two each, and a bucket is summed up
as the sum of its rows' hashes, in one scan of each system. A bucket is looked at where the two sides' sums differ, or
where the source has a member in several rows, since a repeated member is a finding even where both sides repeat it
alike. The row ids of such buckets are remembered from the scan, and those rows, on both sides, become `compared_rows`.
Whether rows differ in one segment or all over costs the same, so nothing is gained by joining whole segments.

A hash never decides a finding; it can only hide a bucket. The hashes have 64 bits, their sums are taken modulo 2^64,
and they are DuckDB's own, used within one run only: with a million differing buckets, the chance that one of them is
overlooked is about 1e6 / 2^64 = 5e-14. `memsync run --exact` compares every row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.parity.reconciliations import Comparison

_ROWS_A_BUCKET = 2
#: The sums of a system take 8 bytes a bucket: 32 MB at most.
_MOST_BITS = 22
_BATCH_ROWS = 500_000
_SOURCE = "source_members"
#: Row ids take 4 bytes: the embedded mart is not for tables of 4 billion rows.
_DOWNSTREAM = "(SELECT rowid, * FROM downstream_members WHERE downstream_system = $system)"
_IN_SCOPE = "SEMI JOIN parity_scope AS s USING (source_system, group_id)"
_ACTIVE = "m.effective_date <= $as_of AND COALESCE(m.termination_date, DATE '9999-12-31') > $as_of"
_MEMBER = "hash(m.source_system, m.member_id)"
_ROW = "hash(m.source_system, m.member_id, m.group_id, m.state_code, m.plan_code, m.effective_date, m.termination_date)"
_COLUMNS = "source_system, member_id, group_id, state_code, plan_code, effective_date, termination_date"


@dataclass(frozen=True)
class _Scanned:
    """The active rows in scope of one system.

    Attributes:
        sums: of the hashes of each bucket's rows, modulo 2^64.
        buckets: the bucket of each row.
        row_ids: of each row, in the same order.
        repeated: buckets in which a member has several rows.
    """

    sums: npt.NDArray[np.uint64]
    buckets: npt.NDArray[np.uint32]
    row_ids: npt.NDArray[np.uint32]
    repeated: npt.NDArray[np.uint32]

    def rows_of(self, looked_at: npt.NDArray[np.bool_]) -> pa.Table:
        """The ids of the rows in buckets that are looked at."""
        return pa.table({"row_id": self.row_ids[looked_at.take(self.buckets)]})


class Narrowing:
    """The source side of a reconciliation, scanned once for the comparisons with all downstream systems."""

    def __init__(self, mart: DuckDBMart, reconciliation: str, as_of: date) -> None:
        self._connection = mart.connection
        self._as_of = as_of
        # Few reconciliations count by plan, and plans multiply the segments.
        plan = "m.plan_code" if self._counts_by_plan(reconciliation) else "NULL::VARCHAR AS plan_code"
        self._segment = f"m.source_system, m.group_id, m.state_code, {plan}"
        scope = "FROM reconciliation_scope WHERE reconciliation = $reconciliation AND as_of = $as_of"
        self._run(
            f"CREATE OR REPLACE TEMP TABLE parity_scope AS SELECT source_system, group_id {scope}",
            {"reconciliation": reconciliation, "as_of": as_of},
        )
        given: dict[str, object] = {"as_of": as_of}
        rows = self._sum_up_segments("source", _SOURCE, given)
        self._bits = min(_MOST_BITS, max(1, math.ceil(math.log2(max(2, rows) / _ROWS_A_BUCKET + 1))))
        self._source = self._scan(_SOURCE, given, rows, find_repeated=True)

    def look(self, comparison: Comparison) -> None:
        """Fill `segments` and `compared_rows` for one downstream system."""
        given: dict[str, object] = {"as_of": self._as_of, "system": comparison.downstream_system}
        rows = self._sum_up_segments("downstream", _DOWNSTREAM, given)
        self._run("DELETE FROM segments")
        for side in ("source", "downstream"):
            names = "source_system, group_id, state_code, plan_code, row_count"
            self._run(f"INSERT INTO segments (side, {names}) SELECT '{side}', {names} FROM parity_segments_{side}")
        downstream = self._scan(_DOWNSTREAM, given, rows)
        looked_at = self._source.sums != downstream.sums
        looked_at[self._source.repeated] = True
        self._run("DELETE FROM compared_rows")
        self._take_rows("source", self._source.rows_of(looked_at))
        self._take_rows("downstream", downstream.rows_of(looked_at))

    def _scan(
        self, members: str, parameters: dict[str, object], row_count: int, *, find_repeated: bool = False
    ) -> _Scanned:
        sums = np.zeros(1 << self._bits, np.uint64)
        buckets, row_ids = np.empty(row_count, np.uint32), np.empty(row_count, np.uint32)
        hashes = np.empty(row_count if find_repeated else 0, np.uint64)
        begin = 0
        query = (
            f"SELECT {_MEMBER} AS member_hash, {_ROW} AS row_hash, m.rowid::UINTEGER AS row_id"
            f" FROM {members} AS m {_IN_SCOPE} WHERE {_ACTIVE}"
        )
        for batch in self._connection.sql(query, params=parameters).to_arrow_reader(_BATCH_ROWS):
            member_hashes, row_hashes, ids = (column.to_numpy() for column in batch.columns)
            end = begin + len(ids)
            # Numpy adds up fast where it need not convert the indices.
            dealt = (member_hashes >> np.uint64(64 - self._bits)).view(np.intp)
            np.add.at(sums, dealt, row_hashes)
            buckets[begin:end] = dealt
            row_ids[begin:end] = ids
            if find_repeated:
                hashes[begin:end] = member_hashes
            begin = end
        hashes.sort()
        repeated = hashes[1:][hashes[1:] == hashes[:-1]] >> np.uint64(64 - self._bits)
        return _Scanned(sums, buckets, row_ids, repeated.astype(np.uint32))

    def _sum_up_segments(self, side: str, members: str, parameters: dict[str, object]) -> int:
        """Count the rows of each segment. Returns how many they are together."""
        self._run(
            f"""
            CREATE OR REPLACE TEMP TABLE parity_segments_{side} AS
            FROM (
                SELECT {self._segment}, COUNT(*) AS row_count FROM {members} AS m WHERE {_ACTIVE} GROUP BY ALL
            ) AS m {_IN_SCOPE}
            """,
            parameters,
        )
        return self._count(f"SELECT COALESCE(SUM(row_count), 0) FROM parity_segments_{side}")

    def _take_rows(self, side: str, wanted: pa.Table) -> None:
        self._connection.register("parity_wanted", wanted)
        self._run(
            f"INSERT INTO compared_rows (side, {_COLUMNS}) SELECT '{side}', {_COLUMNS}"
            f" FROM {side}_members WHERE rowid IN (SELECT row_id FROM parity_wanted)"
        )
        self._connection.unregister("parity_wanted")

    def _counts_by_plan(self, reconciliation: str) -> bool:
        by_plan = "SELECT COUNT(*) FROM reconciliation_levels WHERE reconciliation = $reconciliation AND by_plan = 'Y'"
        return self._count(by_plan, {"reconciliation": reconciliation}) > 0

    def _run(self, sql: str, parameters: dict[str, object] | None = None) -> None:
        self._connection.execute(sql, parameters)

    def _count(self, sql: str, parameters: dict[str, object] | None = None) -> int:
        return int(self._connection.execute(sql, parameters).fetchall()[0][0])
