"""How long a comparison of members takes, beside what it cannot be faster than and what others take.

    python benchmarks/parity.py [--members 10000000] [--differences 0.002] [--memory 220MB] [--exact] [--peer PYTHON]

Makes a source and three downstream systems of that many members (5,000 groups of Zipf sizes, rows shuffled), changes a
share of the downstream members in known ways, and measures in one run, each in a process of its own: scanning the
compared columns of the same rows in Parquet, `compare_membership` twice (the first time it also loads libraries and
translates SQL, which takes about half a second), the same with one downstream system, the same where nothing differs,
and, with --peer, datacompy (polars) for one downstream system, by a Python that has them (pip install datacompy
polars). The findings are held against what was changed. Prints seconds, ratios to the Parquet scan and to datacompy,
and the peak memory of each.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path
from typing import TypeVar

from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.mart.schema import migrate
from memsync_assets.parity.comparison import compare_membership
from memsync_assets.quiet_duckdb import connect
from memsync_assets.settings import Reconciliation, Scope, Settings

Result = TypeVar("Result")
AS_OF = date(2026, 11, 20)
SYSTEMS = ("billing", "care_management", "claims")
COLUMNS = "source_system, member_id, group_id, state_code, plan_code, effective_date, termination_date"

_SOURCE = """
CREATE TABLE source AS
SELECT
    'foundation_ca' AS source_system,
    'M' || lpad(i::VARCHAR, 9, '0') AS member_id,
    'G' || lpad(((5000 * power((hash(i, 1) % 1000000) / 1e6, 3))::INTEGER)::VARCHAR, 5, '0') AS group_id,
    ['CA', 'TX', 'IL', 'NY', 'WA'][(1 + hash(i, 2) % 5)::INTEGER] AS state_code,
    'P' || (hash(i, 3) % 12)::VARCHAR AS plan_code,
    DATE '2020-01-01' + (hash(i, 4) % 2000)::INTEGER AS effective_date,
    CASE WHEN hash(i, 5) % 50 = 0 THEN DATE '2027-01-01' END AS termination_date
FROM range({members}) AS t (i)
ORDER BY hash(i, 6)
"""
#: The kind of a changed member follows from its hash: five kinds in turn.
_DOWNSTREAM = """
CREATE TABLE {system} AS
WITH marked AS (
    SELECT *, CASE WHEN hash(member_id, '{system}') % 1000000 < {share} * 1000000
        THEN (hash(member_id, '{system}', 7) % 5)::INTEGER ELSE -1 END AS change
    FROM source
)
SELECT
    source_system,
    CASE WHEN change = 1 THEN member_id || 'X' ELSE member_id END AS member_id,
    CASE WHEN change = 2 THEN 'G99999' ELSE group_id END AS group_id,
    state_code,
    CASE WHEN change = 3 THEN 'P99' ELSE plan_code END AS plan_code,
    CASE WHEN change = 4 THEN effective_date - 1 ELSE effective_date END AS effective_date,
    termination_date
FROM marked
WHERE change <> 0
ORDER BY hash(member_id, '{system}', 8)
"""


def timed(what: str, run: Callable[[], object], scan: float | None = None) -> float:
    """Run, print and return seconds."""
    begun = time.perf_counter()
    run()
    taken = time.perf_counter() - begun
    ratio = f"{taken / scan:7.1f} x scan" if scan else ""
    print(f"{what:<58}{taken:8.2f} s {ratio}", flush=True)
    return taken


def prepare(folder: Path, members: int, share: float) -> dict[str, dict[str, int]]:
    """Write Parquet files and the mart. Returns the findings that are due, by system and kind."""
    work = connect(str(folder / "work.duckdb"), memory_limit="4GB")
    work.execute(_SOURCE.format(members=members))
    work.execute(f"COPY source TO '{folder}/source.parquet'")
    due: dict[str, dict[str, int]] = {system: {} for system in SYSTEMS}
    kinds = {0: "missing", 2: "wrong_group", 3: "wrong_plan", 4: "stale_dates"}
    for system in SYSTEMS:
        work.execute(_DOWNSTREAM.format(system=system, share=share))
        work.execute(f"COPY {system} TO '{folder}/{system}.parquet'")
        changed = work.execute(
            f"SELECT (hash(member_id, '{system}', 7) % 5)::INTEGER AS change, COUNT(*) FROM source"
            f" WHERE hash(member_id, '{system}') % 1000000 < {share} * 1000000 GROUP BY ALL"
        ).fetchall()
        for change, count in changed:
            for kind in ("missing", "extra") if change == 1 else (kinds[change],):
                due[system][kind] = due[system].get(kind, 0) + count
    work.close()
    (folder / "work.duckdb").unlink()
    mart = DuckDBMart(folder / "mart.duckdb", "4GB")
    migrate(mart)
    run = mart.connection.execute
    run(f"INSERT INTO source_members ({COLUMNS}) FROM (SELECT {COLUMNS} FROM '{folder}/source.parquet')")
    run("INSERT INTO employer_groups (source_system, group_id, group_name, ihm_indicator)"
        " SELECT DISTINCT source_system, group_id, group_id, 'Y' FROM source_members"
        " UNION ALL SELECT 'foundation_ca', 'G99999', 'none', 'Y'")  # fmt: skip
    loads = [("foundation_ca", "source"), *((system, "downstream") for system in SYSTEMS)]
    for system, role in loads:
        run("INSERT INTO loads VALUES (?, '1', ?, 'full', ?, NULL, 1, '0', now()::TIMESTAMP)", [system, role, AS_OF])
    for system in SYSTEMS:
        run(f"INSERT INTO downstream_members (downstream_system, {COLUMNS})"
            f" SELECT '{system}', {COLUMNS} FROM '{folder}/{system}.parquet'")  # fmt: skip
    mart.close()
    return due


def scan(folder: Path, memory: str) -> float:
    """Read the compared columns of all systems, three times. Returns the seconds of the fastest."""
    files = ", ".join(f"'{folder}/{system}.parquet'" for system in ("source", *SYSTEMS))
    columns = ", ".join(f"max({column})" for column in COLUMNS.split(", "))
    reader = connect(memory_limit=memory)
    query = f"SELECT {columns} FROM read_parquet([{files}])"
    return min(
        timed("scan of the compared columns, Parquet", lambda: reader.execute(query).fetchall()) for _ in range(3)
    )


def compare(
    folder: Path,
    memory: str,
    due: dict[str, int],
    bound: float,
    *,
    systems: tuple[str, ...] = SYSTEMS,
    exact: bool = False,
) -> float:
    """Compare twice, and hold the findings against those that are due. Returns the seconds of the second time."""
    mart = DuckDBMart(folder / "mart.duckdb", memory)
    ihm = Reconciliation(scope=Scope(flagged=True), downstream_systems=systems)
    settings = Settings(reconciliations={"ihm": ihm})
    what = f"counts and all findings, {len(systems)} systems, {'every row' if exact else memory}"
    for _ in range(1 if exact else 2):
        taken = timed(what, lambda: compare_membership(mart, settings, AS_OF, exact=exact), bound)
    counted = "SELECT kind, COUNT(*) FROM discrepancies WHERE downstream_system IN (SELECT unnest($1)) GROUP BY kind"
    found = dict(mart.connection.execute(counted, [list(systems)]).fetchall())
    mart.close()
    print(f"    findings {'as changed' if found == due else f'WRONG: {found}, due {due}'}: {sum(found.values()):,}")
    return taken


_PEER = """
import sys, time, resource
import datacompy, polars
left, right = (polars.read_parquet(path) for path in sys.argv[1:3])
begun = time.perf_counter()
datacompy.PolarsCompare(left, right, join_columns=["source_system", "member_id"]).report()
print(time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def compare_by_datacompy(python: str, folder: Path, bound: float) -> float:
    """datacompy's comparison of one downstream system. Returns its seconds."""
    files = [str(folder / f"{system}.parquet") for system in ("source", SYSTEMS[0])]
    measured = subprocess.run([python, "-c", _PEER, *files], check=True, capture_output=True, text=True)
    taken, peak = (float(figure) for figure in measured.stdout.split())
    print(f"{'datacompy (polars), 1 system':<58}{taken:8.2f} s {taken / bound:7.1f} x scan")
    print(f"    peak RSS {peak / 1024:,.0f} MB", flush=True)
    return taken


def apart(run: Callable[..., Result], *given: object, **named: object) -> Result:
    """Run in a fresh process, and print its peak memory."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        result, peak = process.submit(_with_peak, run, given, named).result()
    print(f"    peak RSS {peak / 1024:,.0f} MB", flush=True)
    return result


def _with_peak(run: Callable[..., Result], given: tuple[object, ...], named: dict[str, object]) -> tuple[Result, int]:
    return run(*given, **named), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=10_000_000)
    parser.add_argument("--differences", type=float, default=0.002)
    parser.add_argument("--memory", default="220MB", help="DuckDB's limit; Python and the sums come on top")
    parser.add_argument("--exact", action="store_true", help="also compare every row, with 1GB")
    parser.add_argument("--peer", metavar="PYTHON", help="also measure datacompy, by this Python")
    asked = parser.parse_args()
    print(f"{asked.members:,} members, 3 downstream systems, {asked.differences:.1%} changed")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        due = apart(prepare, folder, asked.members, asked.differences)
        every = dict(sum((Counter(one) for one in due.values()), Counter()))
        bound = apart(scan, folder, asked.memory)
        taken = apart(compare, folder, asked.memory, every, bound)
        taken_by_one = apart(compare, folder, asked.memory, due[SYSTEMS[0]], bound, systems=SYSTEMS[:1])
        if asked.exact:
            apart(compare, folder, "1GB", every, bound, exact=True)
        if asked.peer:
            peer = compare_by_datacompy(asked.peer, folder, bound)
            print(f"    {peer * len(SYSTEMS) / taken:.1f} times faster a downstream system where all are compared,")
            print(f"    {peer / taken_by_one:.1f} times where one is, {peer / taken:.1f} times for all against its one")
    with tempfile.TemporaryDirectory() as name:
        print("nothing differs:")
        folder = Path(name)
        apart(prepare, folder, asked.members, 0.0)
        apart(compare, folder, asked.memory, {}, bound)


if __name__ == "__main__":
    main()
