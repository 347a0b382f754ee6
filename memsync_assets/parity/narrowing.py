"""Where to look: finds the few rows that may hold a finding, so that only those are compared one by one.

For the embedded mart. Rows are dealt into buckets by a hash of their member, about `_ROWS_A_BUCKET` each, and each
bucket is summed up as the count of its rows and the sum of their hashes, in one scan a table. A bucket is looked at
where the two sides' sums differ, or where a member may have several rows, since a repeated member is a finding even
where both sides repeat it alike. All rows of such buckets, on both sides, become `compared_rows`.

A hash never decides a finding; it can only hide a bucket. The hashes have 64 bits and are DuckDB's own, used within one
run only: with a million differing buckets, the chance that one of them is overlooked is about 1e6 / 2^64 = 5e-14.
`memsync run --exact` compares every row.
"""

from __future__ import annotations

import math
from datetime import date

from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.parity.reconciliations import Comparison

_ROWS_A_BUCKET = 8
_MOST_BITS = 21
_ACTIVE = """
    FROM {table} AS m SEMI JOIN parity_scope AS s USING (source_system, group_id)
    WHERE m.effective_date <= $as_of AND (m.termination_date IS NULL OR m.termination_date > $as_of)
"""
_MEMBER = "hash(m.source_system, m.member_id)"
_ROW = "hash(m.source_system, m.member_id, m.group_id, m.state_code, m.plan_code, m.effective_date, m.termination_date)"
_COLUMNS = "source_system, member_id, group_id, state_code, plan_code, effective_date, termination_date"


class Narrowing:
    """The source side of a reconciliation, summed up once for the comparisons with all downstream systems."""

    def __init__(self, mart: DuckDBMart, reconciliation: str, as_of: date) -> None:
        self._run = mart.connection.execute
        self._as_of = as_of
        by_plan = "SELECT COUNT(*) FROM reconciliation_levels WHERE reconciliation = $reconciliation AND by_plan = 'Y'"
        # Few reconciliations count by plan, and plans multiply the segments.
        plan = (
            "m.plan_code" if self._count(by_plan, {"reconciliation": reconciliation}) else "NULL::VARCHAR AS plan_code"
        )
        self._segment = f"m.source_system, m.group_id, m.state_code, {plan}"
        scope = "FROM reconciliation_scope WHERE reconciliation = $reconciliation AND as_of = $as_of"
        self._run(
            f"CREATE OR REPLACE TEMP TABLE parity_scope AS SELECT source_system, group_id {scope}",
            {"reconciliation": reconciliation, "as_of": as_of},
        )
        self._sum_up_segments("source", "source_members", "")
        rows = self._count("SELECT COALESCE(SUM(row_count), 0) FROM parity_segments_source")
        self._shift = 64 - min(_MOST_BITS, max(1, math.ceil(math.log2(max(2, rows) / _ROWS_A_BUCKET + 1))))
        self._sum_up_source()

    def look(self, comparison: Comparison) -> None:
        """Fill `segments` and `compared_rows` for one downstream system."""
        given = {"as_of": self._as_of, "system": comparison.downstream_system}
        of_system = "AND m.downstream_system = $system"
        active = _ACTIVE.format(table="downstream_members") + of_system
        self._run(
            f"""
            CREATE OR REPLACE TEMP TABLE parity_buckets AS
            SELECT {_MEMBER} >> {self._shift} AS bucket, COUNT(*) AS row_count, SUM({_ROW}) AS hash_sum
            {active} GROUP BY ALL
            """,
            given,
        )
        self._run(
            """
            CREATE OR REPLACE TEMP TABLE parity_looked_at AS
            SELECT COALESCE(s.bucket, d.bucket) AS bucket
            FROM parity_source_buckets AS s FULL JOIN parity_buckets AS d USING (bucket)
            WHERE s.row_count IS DISTINCT FROM d.row_count OR s.hash_sum IS DISTINCT FROM d.hash_sum OR s.has_repeats
            """
        )
        self._sum_up_segments("downstream", "downstream_members", of_system, given)
        self._run("DELETE FROM segments")
        for side in ("source", "downstream"):
            names = "source_system, group_id, state_code, plan_code, row_count"
            self._run(f"INSERT INTO segments (side, {names}) SELECT '{side}', {names} FROM parity_segments_{side}")
        self._run("DELETE FROM compared_rows")
        self._take_rows("source", _ACTIVE.format(table="source_members"), {"as_of": self._as_of})
        self._take_rows("downstream", active, given)

    def _sum_up_source(self) -> None:
        """Buckets of the source, and which of them hold a member with several rows.

        Two rows of 64 marks a bucket say that its members are all different when they fall on different marks of
        either row; only the other buckets' rows are counted by member.
        """
        active = _ACTIVE.format(table="source_members")
        given = {"as_of": self._as_of}
        self._run(
            f"""
            CREATE OR REPLACE TEMP TABLE parity_source_buckets AS
            SELECT
                {_MEMBER} >> {self._shift} AS bucket, COUNT(*) AS row_count, SUM({_ROW}) AS hash_sum,
                bit_count(bit_or(1::UBIGINT << ({_MEMBER} & 63)::INTEGER)) < COUNT(*)
                AND bit_count(bit_or(1::UBIGINT << (({_MEMBER} >> 6) & 63)::INTEGER)) < COUNT(*) AS has_repeats
            {active} GROUP BY ALL
            """,
            given,
        )
        self._run(
            f"""
            CREATE OR REPLACE TEMP TABLE parity_repeats AS
            SELECT DISTINCT bucket FROM (
                SELECT {_MEMBER} >> {self._shift} AS bucket, m.source_system, m.member_id {active}
                AND {_MEMBER} >> {self._shift} IN (SELECT bucket FROM parity_source_buckets WHERE has_repeats)
                GROUP BY ALL HAVING COUNT(*) > 1
            )
            """,
            given,
        )
        self._run("UPDATE parity_source_buckets SET has_repeats = bucket IN (FROM parity_repeats) WHERE has_repeats")

    def _sum_up_segments(self, side: str, table: str, more: str, parameters: dict[str, object] | None = None) -> None:
        self._run(
            f"CREATE OR REPLACE TEMP TABLE parity_segments_{side} AS"
            f" SELECT {self._segment}, COUNT(*) AS row_count {_ACTIVE.format(table=table)} {more} GROUP BY ALL",
            parameters or {"as_of": self._as_of},
        )

    def _take_rows(self, side: str, active: str, parameters: dict[str, object]) -> None:
        self._run(
            f"INSERT INTO compared_rows (side, {_COLUMNS}) SELECT '{side}', {_COLUMNS} {active}"
            f" AND {_MEMBER} >> {self._shift} IN (FROM parity_looked_at)",
            parameters,
        )

    def _count(self, sql: str, parameters: dict[str, object] | None = None) -> int:
        return int(self._run(sql, parameters).fetchall()[0][0])
