"""Where to look: finds the few rows that may hold a finding, so that only those are compared one by one.

For the embedded mart. Rows are dealt into buckets by a hash of their member, about two each, and a bucket is summed up
as the sum of its rows' hashes, in one scan of each system. A bucket is looked at where the two sides' sums differ, or
where the source has a member in several rows, since a repeated member is a finding even where both sides repeat it
alike. The place of each row is kept from the scan, in temporary files of 8 bytes a row; the rows of such buckets, on
both sides, become `compared_rows`.
Whether rows differ in one segment or all over costs the same, so nothing is gained by joining whole segments.

Buckets that agree hold the same rows on both sides. So the segments of the source alone are counted; those of a
downstream system are the same less the source's rows that are looked at, plus its own. That their sum is what the scan
of the downstream system met is checked each time.

A hash never decides a finding; it can only hide a bucket. The hashes have 64 bits, their sums are taken modulo 2^64,
and they are DuckDB's own, used within one run only: with a million differing buckets, the chance that one of them is
overlooked is about 1e6 / 2^64 = 5e-14. `memsync run --exact` compares every row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.parity.buckets import BATCH_ROWS, Hashes, Layout, Scanned
from memsync_assets.parity.reconciliations import Comparison

_SOURCE = "source_members"
_DOWNSTREAM = "(SELECT rowid, * FROM downstream_members WHERE downstream_system = $system)"
_ACTIVE = "m.effective_date <= $as_of AND (m.termination_date > $as_of) IS NOT FALSE"
#: One text is cheaper to find than two. So scans meet the rows of groups in scope, and of groups of the same id in
#: other source systems; what is compared and counted is held against the scope itself.
_NEAR_SCOPE = "m.group_id IN (SELECT group_id FROM scope)"
_COLUMNS = "source_system, member_id, group_id, state_code, plan_code, effective_date, termination_date"
_SCAN = f"""
SELECT (member_hash & {{hash_mask}}::UBIGINT) | row_id AS place, hash(member_hash, rest) AS row_hash
FROM (
    SELECT
        hash(m.source_system, m.member_id) AS member_hash,
        hash(m.group_id, m.state_code, m.plan_code, m.effective_date, m.termination_date) AS rest,
        m.rowid::UBIGINT AS row_id
    FROM {{members}} AS m
    WHERE {_NEAR_SCOPE} AND {_ACTIVE}
)
"""
_SCOPE = """
SELECT source_system, group_id FROM reconciliation_scope WHERE reconciliation = $reconciliation AND as_of = $as_of
"""
_SOURCE_SEGMENTS = f"""
FROM (
    SELECT m.source_system, m.group_id, m.state_code, {{plan}} AS plan_code, COUNT(*) AS row_count
    FROM source_members AS m
    WHERE {_ACTIVE}
    GROUP BY ALL
)
SEMI JOIN scope USING (group_id)
"""
_SIZES = """
SELECT
    (SELECT COUNT(*) FROM source_members) AS source_rows,
    GREATEST((SELECT MAX(rowid) FROM source_members), (SELECT MAX(rowid) FROM downstream_members)) AS last_id
"""
#: Rows that any comparison looks at; to find rows by their ids is to read most of a table. They are in a database of
#: their own, in memory and on disk where they are many, which every connection sees.
_SOURCE_ROWS = f"""
CREATE OR REPLACE TABLE looked_at.source_rows AS
SELECT w.bucket, {_COLUMNS} FROM source_members AS m INNER JOIN wanted AS w ON m.rowid = w.row_id
"""
#: A bucket that differs also holds members that do not: all but those with one and the same row on both sides.
_COMPARED_ROWS = f"""
INSERT INTO compared_rows (side, {_COLUMNS})
WITH rows AS (
    SELECT 1 AS in_source, {_COLUMNS}
    FROM looked_at.source_rows
    WHERE bucket IN (SELECT bucket FROM wanted_buckets)
    UNION ALL
    SELECT 0 AS in_source, {_COLUMNS}
    FROM downstream_members
    WHERE rowid IN (SELECT row_id FROM wanted_rows)
),

hashed AS MATERIALIZED (
    SELECT *, hash(source_system, member_id) AS member_hash, hash({_COLUMNS}) AS row_hash FROM rows
)

SELECT CASE in_source WHEN 1 THEN 'source' ELSE 'downstream' END AS side, {_COLUMNS}
FROM hashed
WHERE member_hash IN (
    SELECT member_hash
    FROM hashed
    GROUP BY member_hash
    HAVING COUNT(*) <> 2 OR SUM(in_source) <> 1 OR MIN(row_hash) <> MAX(row_hash)
)
"""
_SEGMENTS = """
INSERT INTO segments (side, source_system, group_id, state_code, plan_code, row_count)
SELECT 'source', source_system, group_id, state_code, plan_code, row_count FROM source_segments
UNION ALL
SELECT 'downstream', source_system, group_id, state_code, plan_code, SUM(row_count)
FROM (
    SELECT source_system, group_id, state_code, plan_code, row_count FROM source_segments
    UNION ALL
    SELECT source_system, group_id, state_code, {plan}, CASE side WHEN 'source' THEN -1 ELSE 1 END FROM compared_rows
)
GROUP BY source_system, group_id, state_code, plan_code
HAVING SUM(row_count) > 0
"""
_LEAVE_SCOPE = """
DELETE FROM {table} AS t
WHERE NOT EXISTS (SELECT 1 FROM scope AS s WHERE s.source_system = t.source_system AND s.group_id = t.group_id)
"""


@dataclass(frozen=True)
class _Downstream:
    """What is looked at of a downstream system.

    Attributes:
        buckets: those that differ from the source's.
        rows: its rows in them.
        row_count: all its rows that were met.
    """

    buckets: npt.NDArray[np.bool_]
    rows: pa.Table
    row_count: int


class Narrowing:
    """The systems of a reconciliation: all are scanned before the first comparison."""

    def __init__(self, mart: DuckDBMart, reconciliation: str, as_of: date, downstream_systems: Iterable[str]) -> None:
        self._connection = mart.connection
        self._as_of = as_of
        # Few reconciliations count by plan, and plans multiply the segments.
        self._plan = "plan_code" if self._counts_by_plan(reconciliation) else "NULL::VARCHAR"
        self._scope = _fetch(self._connection, _SCOPE, {"reconciliation": reconciliation, "as_of": as_of})
        (sizes,) = _fetch(self._connection, _SIZES).to_pylist()
        self._layout = Layout.of(**sizes)
        # What numpy does goes on beside the next query.
        with (
            _registered(self._connection, scope=self._scope),
            closing(self._scan(_SOURCE)) as source,
            ThreadPoolExecutor(1) as beside,
        ):
            repeated = beside.submit(source.repeated)
            self._segments = _fetch(self._connection, _SOURCE_SEGMENTS.format(plan=self._plan), {"as_of": as_of})
            looked_at = {
                system: beside.submit(_look_at, self._scan(_DOWNSTREAM, system=system), source.sums, repeated)
                for system in downstream_systems
            }
            self._downstream = {system: found.result() for system, found in looked_at.items()}
            wanted = source.within(np.logical_or.reduce([one.buckets for one in self._downstream.values()]))
            with _registered(self._connection, wanted=wanted):
                self._connection.execute("ATTACH IF NOT EXISTS ':memory:' AS looked_at")
                self._connection.execute(_SOURCE_ROWS)

    def look(self, mart: DuckDBMart, comparison: Comparison) -> None:
        """Fill `segments` and `compared_rows`, which are empty, for one downstream system.

        Args:
            mart: the same mart, maybe by another connection.
            comparison: what is compared.

        Raises:
            RuntimeError: rows of the system are in no segment. That is a defect of memsync.
        """
        downstream = self._downstream[comparison.downstream_system]
        with _registered(
            mart.connection,
            scope=self._scope,
            source_segments=self._segments,
            wanted_buckets=pa.table({"bucket": np.flatnonzero(downstream.buckets)}),
            wanted_rows=downstream.rows,
        ):
            mart.connection.execute(_COMPARED_ROWS)
            mart.connection.execute(_SEGMENTS.format(plan=self._plan))
            self._hold(mart, comparison.downstream_system)
            for table in ("compared_rows", "segments"):
                mart.connection.execute(_LEAVE_SCOPE.format(table=table))

    def close(self) -> None:
        """What is looked at is forgotten."""
        self._connection.execute("DROP TABLE looked_at.source_rows")

    def _hold(self, mart: DuckDBMart, system: str) -> None:
        """Hold the rows that are in segments against those that were met."""
        (sums,) = mart.fetch("SELECT SUM(row_count) AS row_count FROM segments WHERE side = 'downstream'").to_pylist()
        met, counted = self._downstream[system].row_count, sums["row_count"] or 0
        if met != counted:
            raise RuntimeError(
                f"{system}: {met} rows were met, and {counted} are in segments. Please report this, and use"
                " `memsync run --exact` meanwhile."
            )

    def _scan(self, members: str, **parameters: object) -> Scanned:
        query = _SCAN.format(members=members, hash_mask=self._layout.hash_mask)
        rows = self._connection.sql(query, params={"as_of": self._as_of, **parameters})
        scanned = Scanned(self._layout)
        for batch in rows.to_arrow_reader(BATCH_ROWS):
            scanned.add(*(column.to_numpy() for column in batch.columns))
        return scanned

    def _counts_by_plan(self, reconciliation: str) -> bool:
        by_plan = "SELECT 1 FROM reconciliation_levels WHERE reconciliation = $reconciliation AND by_plan = 'Y'"
        return len(_fetch(self._connection, by_plan, {"reconciliation": reconciliation})) > 0


def _look_at(downstream: Scanned, source_sums: Hashes, repeated: Future[npt.NDArray[np.intp]]) -> _Downstream:
    with closing(downstream):
        looked_at = downstream.sums != source_sums
        looked_at[repeated.result()] = True
        return _Downstream(looked_at, downstream.within(looked_at), downstream.row_count)


def _fetch(connection: duckdb.DuckDBPyConnection, sql: str, parameters: dict[str, object] | None = None) -> pa.Table:
    return connection.sql(sql, params=parameters).to_arrow_table()


@contextmanager
def _registered(connection: duckdb.DuckDBPyConnection, **tables: pa.Table) -> Iterator[None]:
    for name, table in tables.items():
        connection.register(name, table)
    try:
        yield
    finally:
        for name in tables:
            connection.unregister(name)
