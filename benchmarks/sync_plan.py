"""How long a sync plan takes: N persons of the mart against as many live Contacts, a share of them changed.

    python benchmarks/sync_plan.py --persons 1000000

The live values are put into the mart as a snapshot would leave them; reading them over HTTP is not measured. Prints
seconds for the upload tables, the differences and the hash, CPU seconds, and the greatest memory in use.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.mart.schema import migrate
from memsync_assets.salesforce.plan import fill_upload_tables, find_differences, hash_changes
from memsync_assets.salesforce.snapshot import ensure_tables
from memsync_assets.salesforce.specifications import Specifications, UploadSpecification, quoted, read_specifications
from memsync_assets.settings import DEFAULT_CONFIG, Home, Project, load_settings


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--persons", type=int, default=1_000_000)
    parser.add_argument("--changed", type=float, default=0.02, help="share of persons whose title or phone changed")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = Project(load_settings(DEFAULT_CONFIG), Home(Path(folder)), Path(folder))
        specifications = read_specifications(project)
        mart = DuckDBMart(Path(folder) / "mart.duckdb", "2GB")
        migrate(mart)
        fill_mart(mart, given.persons)
        fill_upload_tables(mart, specifications, None)
        for one in specifications:
            pretend_live(mart, specifications, one)
        mart.connection.execute(
            "UPDATE persons SET title = 'Changed', phone = '+13125559999' WHERE hash(person_id) % 10000 < ?",
            [given.changed * 1e4],
        )
        started, cpu = time.perf_counter(), time.process_time()
        fill_upload_tables(mart, specifications, None)
        filled = time.perf_counter()
        with mart.transaction():
            find_differences(mart, specifications)
        found = time.perf_counter()
        plan_hash = hash_changes(mart)
        hashed, cpu = time.perf_counter(), time.process_time() - cpu
        changes = mart.fetch("SELECT COUNT(*) AS n FROM planned_changes")["n"][0].as_py()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{given.persons:,} persons against as many live Contacts: {changes:,} changes, plan {plan_hash[:12]}\n"
            f"upload tables {filled - started:.1f} s, differences {found - filled:.1f} s, hash {hashed - found:.1f} s, "
            f"together {hashed - started:.1f} s ({cpu:.0f} CPU s); peak {peak:,.0f} MB"
        )


def fill_mart(mart: DuckDBMart, persons: int) -> None:
    """Persons with every value given, at one to two groups of 100 persons each."""
    groups = max(1, persons // 100)
    run = mart.connection.execute
    run(f"INSERT INTO legal_entities SELECT 'a:' || i, 'Entity ' || i, NULL FROM range({groups // 4 + 1}) t(i)")
    run(f"""INSERT INTO employer_groups (source_system, group_id, group_name, ihm_indicator)
        SELECT 'a', 'G' || i, 'Group ' || i, 'N' FROM range({groups}) t(i)""")
    run("""INSERT INTO normalized_groups (source_system, group_id, group_name, phone, address_line1, city)
        SELECT source_system, group_id, group_name, '+13125550100', '1 MAIN ST', 'CHICAGO' FROM employer_groups""")
    run(f"""INSERT INTO group_legal_entities (source_system, group_id, legal_entity_id)
        SELECT 'a', 'G' || i, 'a:' || (i // 4) FROM range({groups}) t(i)""")
    run(f"""INSERT INTO persons
        SELECT 'P' || i, 'First' || i % 1000, NULL, 'Last' || i % 100000, NULL, 'HR Director ' || i % 50,
            'p' || i || '@acme' || i % 1000 || '.com', 'valid', '+1312555' || i % 10000, NULL, NULL,
            i || ' MAIN ST', NULL, 'CHICAGO', 'IL', '60601', 'Y', 1
        FROM range({persons}) t(i)""")
    run(f"""INSERT INTO person_roles
        SELECT 'P' || i, 'a', 'G' || i % {groups}, 'BROKER', 'Y', DATE '2026-01-01', NULL FROM range({persons}) t(i)
        UNION ALL
        SELECT 'P' || i, 'a', 'G' || (i + 1) % {groups}, 'BILLING', 'N', DATE '2026-01-01', NULL
        FROM range(0, {persons}, 4) t(i)""")


def pretend_live(mart: DuckDBMart, specifications: Specifications, one: UploadSpecification) -> None:
    """The org as it is after a sync: the same values, references by record id."""
    ensure_tables(mart, one)
    key = quoted(one.external_id.column).strip("[]")
    columns = {
        name: f"md5(u.{one.fields[name].column})[:18]" if name in one.references else f"u.{one.fields[name].column}"
        for name in one.fields
    }
    more = [name for name in one.live_fields if name not in columns]
    names = ", ".join(["record_id", "external_id", *columns, *more])
    values = ", ".join([f"md5(u.{key})[:18]", f"u.{key}", *columns.values(), *("NULL" for _ in more)])
    mart.connection.execute(f"INSERT INTO {one.live_table} ({names}) SELECT {values} FROM {one.table} AS u")


if __name__ == "__main__":
    main()
