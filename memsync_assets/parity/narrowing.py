"""Where to look: finds the few rows that may hold a finding, so that only those are compared one by one.

For the embedded mart. Rows are dealt into buckets by a hash of their member, about two each, and a bucket is summed up
as the sum of its rows' hashes, in one scan of each system. A bucket is looked at where the two sides' sums differ, or
where the source has a member in several rows, since a repeated member is a finding even where both sides repeat it
alike. Row ids are kept from the scan, in temporary files of 8 bytes a row; the rows of such buckets, on both sides,
become `compared_rows`.
Whether rows differ in one segment or all over costs the same, so nothing is gained by joining whole segments.

Buckets that agree hold the same rows on both sides. So the segments of the source alone are counted; those of a
downstream system are the same less the source's rows that are looked at, plus its own. That their sum is what the scan
of the downstream system met is checked each time.

A hash never decides a finding; it can only hide a bucket. The hashes have 64 bits, their sums are taken modulo 2^64,
and they are DuckDB's own, used within one run only: with a million differing buckets, the chance that one of them is
overlooked is about 1e6 / 2^64 = 5e-14. `memsync run --exact` compares every row.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from tempfile import TemporaryFile

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.parity.reconciliations import Comparison

_ROWS_A_BUCKET = 2
#: The sums of a system take 8 bytes a bucket: 32 MB at most.
_MOST_BITS = 22
#: Few enough to stay in the processor's cache.
_BATCH_ROWS = 100_000
_SOURCE = "source_members"
_DOWNSTREAM = "(SELECT rowid, * FROM downstream_members WHERE downstream_system = $system)"
_ACTIVE = "m.effective_date <= $as_of AND (m.termination_date > $as_of) IS NOT FALSE"
_COLUMNS = "source_system, member_id, group_id, state_code, plan_code, effective_date, termination_date"
#: Row ids take 4 bytes: the embedded mart is not for tables of 4 billion rows. The scope is joined by hash, which is
#: cheaper than by two texts; rows that are compared are held against the scope itself.
_SCAN = f"""
SELECT member_hash, hash(member_hash, group_hash, rest) AS row_hash, row_id
FROM (
    SELECT
        hash(m.source_system, m.member_id) AS member_hash,
        hash(m.source_system, m.group_id) AS group_hash,
        hash(m.state_code, m.plan_code, m.effective_date, m.termination_date) AS rest,
        m.rowid::UINTEGER AS row_id
    FROM {{members}} AS m
    WHERE {_ACTIVE}
)
WHERE group_hash IN (SELECT group_hash FROM scope)
"""
_SCOPE = """
SELECT source_system, group_id, hash(source_system, group_id) AS group_hash
FROM reconciliation_scope
WHERE reconciliation = $reconciliation AND as_of = $as_of
"""
_SOURCE_SEGMENTS = f"""
FROM (
    SELECT m.source_system, m.group_id, m.state_code, {{plan}} AS plan_code, COUNT(*) AS row_count
    FROM source_members AS m
    WHERE {_ACTIVE}
    GROUP BY ALL
)
SEMI JOIN scope USING (source_system, group_id)
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
#: Rows that any comparison looks at; to find rows by their ids is to read most of a table.
_SOURCE_ROWS = f"""
SELECT bucket, {_COLUMNS}
FROM source_members AS m
INNER JOIN wanted AS w ON m.rowid = w.row_id
SEMI JOIN scope USING (source_system, group_id)
"""
#: A bucket that differs also holds members that do not: all but those with one and the same row on both sides.
_COMPARED_ROWS = f"""
INSERT INTO compared_rows (side, {_COLUMNS})
WITH looked_at AS (
    SELECT 'source' AS side, {_COLUMNS} FROM source_rows WHERE bucket IN (SELECT bucket FROM looked_at_buckets)
    UNION ALL
    SELECT 'downstream' AS side, {_COLUMNS}
    FROM downstream_members
    SEMI JOIN scope USING (source_system, group_id)
    WHERE rowid IN (SELECT row_id FROM wanted_downstream)
),

hashed AS MATERIALIZED (
    SELECT *, hash(source_system, member_id) AS member_hash, hash({_COLUMNS}) AS row_hash FROM looked_at
)

SELECT side, {_COLUMNS}
FROM hashed
WHERE member_hash IN (
    SELECT member_hash
    FROM hashed
    GROUP BY member_hash
    HAVING COUNT(*) <> 2 OR MIN(side) = MAX(side) OR MIN(row_hash) <> MAX(row_hash)
)
"""


class _Rows:
    """The bucket and the row id of each row of a system; in a temporary file, since they are 8 bytes a row."""

    _DTYPE = np.dtype([("bucket", np.uint32), ("row_id", np.uint32)])

    def __init__(self) -> None:
        self.count = 0
        self._file = TemporaryFile()  # noqa: SIM115 - see close

    def append(self, buckets: npt.NDArray[np.intp], row_ids: npt.NDArray[np.uint32]) -> None:
        """Add rows in the order of a scan."""
        rows = np.empty(len(row_ids), self._DTYPE)
        rows["bucket"], rows["row_id"] = buckets, row_ids
        self._file.write(rows.data)
        self.count += len(rows)

    def within(self, looked_at: npt.NDArray[np.bool_]) -> pa.Table:
        """The rows in buckets that are looked at."""
        self._file.seek(0)
        batches = [np.empty(0, self._DTYPE)]
        while batch := self._file.read(_BATCH_ROWS * self._DTYPE.itemsize):
            rows = np.frombuffer(batch, self._DTYPE)
            batches.append(rows[looked_at.take(rows["bucket"])])
        found = np.concatenate(batches)
        return pa.table({name: np.ascontiguousarray(found[name]) for name in ("bucket", "row_id")})

    def close(self) -> None:
        """The file is gone."""
        self._file.close()


@dataclass(frozen=True)
class _Downstream:
    """What the scan of a downstream system found.

    Attributes:
        buckets: are looked at.
        rows: the downstream system's rows in them.
        row_count: all its active rows in scope.
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
        self._scope = self._fetch(_SCOPE, {"reconciliation": reconciliation, "as_of": as_of})
        with _registered(self._connection, scope=self._scope), closing(_Rows()) as rows:
            self._segments = self._fetch(_SOURCE_SEGMENTS.format(plan=self._plan), {"as_of": as_of})
            hashes = np.empty(sum(self._segments["row_count"].to_pylist()), np.uint64)
            self._bits = min(_MOST_BITS, max(1, math.ceil(math.log2(max(2, len(hashes)) / _ROWS_A_BUCKET + 1))))
            sums = self._scan(_SOURCE, {}, rows, hashes)
            repeated = self._repeated(hashes)
            del hashes
            self._downstream = {system: self._look_at(system, sums, repeated) for system in downstream_systems}
            looked_at = np.logical_or.reduce([one.buckets for one in self._downstream.values()])
            with _registered(self._connection, wanted=rows.within(looked_at)):
                self._source_rows = self._fetch(_SOURCE_ROWS)

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
            source_rows=self._source_rows,
            looked_at_buckets=pa.table({"bucket": np.flatnonzero(downstream.buckets).astype(np.uint32)}),
            wanted_downstream=downstream.rows,
        ):
            mart.connection.execute(_COMPARED_ROWS)
            mart.connection.execute(_SEGMENTS.format(plan=self._plan))
        counted = mart.fetch("SELECT SUM(row_count) AS row_count FROM segments WHERE side = 'downstream'")
        if (counted["row_count"][0].as_py() or 0) != downstream.row_count:
            raise RuntimeError(
                f"{comparison.downstream_system}: {downstream.row_count} rows were met, and not as many are in"
                " segments. Please report this, and use `memsync run --exact` meanwhile."
            )

    def _look_at(self, system: str, source_sums: npt.NDArray[np.uint64], repeated: npt.NDArray[np.intp]) -> _Downstream:
        with closing(_Rows()) as rows:
            looked_at = self._scan(_DOWNSTREAM, {"system": system}, rows) != source_sums
            looked_at[repeated] = True
            return _Downstream(looked_at, rows.within(looked_at), rows.count)

    def _scan(
        self,
        members: str,
        parameters: dict[str, object],
        rows: _Rows,
        hashes: npt.NDArray[np.uint64] | None = None,
    ) -> npt.NDArray[np.uint64]:
        """Sum up the buckets of a system.

        Args:
            members: its table.
            parameters: of the table.
            rows: are filled with its active rows in scope.
            hashes: are filled with the hashes of these rows' members.

        Returns:
            The sum of the hashes of each bucket's rows, modulo 2^64.
        """
        sums = np.zeros(1 << self._bits, np.uint64)
        batches = self._connection.sql(_SCAN.format(members=members), params={"as_of": self._as_of} | parameters)
        for batch in batches.to_arrow_reader(_BATCH_ROWS):
            member_hashes, row_hashes, row_ids = (column.to_numpy() for column in batch.columns)
            buckets = self._bucket(member_hashes)
            np.add.at(sums, buckets, row_hashes)
            if hashes is not None:
                hashes[rows.count : rows.count + len(row_ids)] = member_hashes
            rows.append(buckets, row_ids)
        return sums

    def _repeated(self, hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.intp]:
        """The buckets in which a member has several rows."""
        hashes.sort()
        return self._bucket(hashes[1:][hashes[1:] == hashes[:-1]])

    def _bucket(self, member_hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.intp]:
        # Numpy adds up fast where it need not convert the indices.
        return (member_hashes >> np.uint64(64 - self._bits)).view(np.intp)

    def _counts_by_plan(self, reconciliation: str) -> bool:
        by_plan = "SELECT 1 FROM reconciliation_levels WHERE reconciliation = $reconciliation AND by_plan = 'Y'"
        return len(self._fetch(by_plan, {"reconciliation": reconciliation})) > 0

    def _fetch(self, sql: str, parameters: dict[str, object] | None = None) -> pa.Table:
        return self._connection.sql(sql, params=parameters).to_arrow_table()


@contextmanager
def _registered(connection: duckdb.DuckDBPyConnection, **tables: pa.Table) -> Iterator[None]:
    for name, table in tables.items():
        connection.register(name, table)
    try:
        yield
    finally:
        for name in tables:
            connection.unregister(name)
