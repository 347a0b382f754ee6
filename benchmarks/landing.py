"""How long 10 million member rows take to be validated and loaded, beside DuckDB doing nothing but scan and insert.

    python benchmarks/landing.py [--members 10000000] [--sample FOLDER]

The loads are the sample's first full loads of its three source systems: Parquet, CSV and gzipped CSV. Goal on two
cores: under 60 s, within 3 GB; CPU seconds tell of a machine that has other work too. Each side runs in a process of
its own, on a mart on disk.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from memsync_assets.landing.discovery import scan
from memsync_assets.landing.take_in import Applied, take_in
from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.mart.schema import migrate
from memsync_assets.sample import generate
from memsync_assets.sample.schedule import SOURCES
from memsync_assets.settings import Home, Project, Reconciliation, Scope, Settings


def by_memsync(landing: Path, home: Path) -> int:
    """Take the loads in, as `memsync run` does. Returns the rows of members."""
    settings = Settings(reconciliations={"ihm": Reconciliation(scope=Scope(flagged=True))})
    project = Project(settings, Home(home), landing)
    mart = DuckDBMart(project.home.mart)
    migrate(mart)
    rows = 0
    for source in SOURCES:
        for load in scan(landing, source.name):
            outcome = take_in(project, mart, load, datetime.now(UTC))
            assert isinstance(outcome, Applied), outcome
            rows += outcome.rows["members"]
    mart.close()
    return rows


def by_plain_duckdb(landing: Path, home: Path) -> int:
    """Insert what the same files hold, unchecked: what no loader on DuckDB can beat by much."""
    with duckdb.connect(str(home / "plain.duckdb")) as db:
        for source in SOURCES:
            files = str(landing / source.name / "*" / f"members-*.{source.ending}")
            rows = f"read_parquet('{files}')" if source.ending == "parquet" else f"read_csv('{files}', header = true)"
            target = f"members_{source.name}"
            db.execute(f"CREATE TABLE {target} AS SELECT *, '{source.name}' AS source_system FROM {rows} LIMIT 0")
            db.execute(f"INSERT INTO {target} SELECT *, '{source.name}' FROM {rows}")
        counts = [db.execute(f"SELECT COUNT(*) FROM members_{s.name}").fetchall()[0][0] for s in SOURCES]
    return sum(counts)


SIDES: dict[str, Callable[[Path, Path], int]] = {"memsync": by_memsync, "plain DuckDB": by_plain_duckdb}


def measure(side: str, landing: Path) -> None:
    """Run one side in this process and print what it took as JSON."""
    with tempfile.TemporaryDirectory() as home:
        started = time.perf_counter()
        rows = SIDES[side](landing, Path(home))
        seconds = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_SELF)
    processor = used.ru_utime + used.ru_stime
    print(json.dumps({"rows": rows, "seconds": seconds, "processor": processor, "peak": used.ru_maxrss * 1024}))


def main() -> None:
    """Make the loads, measure each side in a child process, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=10_000_000)
    parser.add_argument("--sample", type=Path, help="where the loads are, or are to be written and kept")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.side:
        measure(asked.side, asked.sample / "landing")
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.sample or Path(temporary)
        if not (folder / "landing").is_dir():
            print(f"writing the sample of {asked.members:,} members ...", flush=True)
            generate(folder, members=asked.members, weeks=(1,))
        print(f"{'':14}{'rows':>12}{'seconds':>10}{'CPU s':>8}{'rows/s':>12}{'peak RSS':>12}")
        for side in SIDES:
            command = [sys.executable, __file__, "--side", side, "--sample", str(folder)]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            rows, seconds, peak = found["rows"], found["seconds"], found["peak"]
            timing = f"{seconds:>10.1f}{found['processor']:>8.1f}{rows / seconds:>12,.0f}"
            print(f"{side:14}{rows:>12,}{timing}{peak / 2**30:>9.2f} GB", flush=True)


if __name__ == "__main__":
    main()
