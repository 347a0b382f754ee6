"""How well and how fast contacts are matched: the sample's contacts with their truth, at any amount.

    python benchmarks/matching.py [--contacts 1000000] [--misses 20]

Edges are counted before closure: a link is right when its two contacts are one true person. Goals: certain rules at
precision 0.999 and recall 0.65, the review queue at precision 0.85, both together at recall 0.90, candidate pairs
that cover 0.95 of the true ones; 1 million contacts matched in 40 s within 2 GB on two cores.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from typing import TypeVar

import duckdb
import pyarrow as pa

from memsync_assets.contacts.identity import LIMITS, find_candidates, resolve_persons
from memsync_assets.contacts.legal_entities import roll_up_legal_entities
from memsync_assets.contacts.normalize import contacts_lost, normalize_contacts
from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.mart.engine import Replace
from memsync_assets.mart.queries import read_query
from memsync_assets.mart.schema import migrate
from memsync_assets.sample.contact_cases import CONTACTS_OF_A_GROUP
from memsync_assets.sample.contact_rows import Contacts
from memsync_assets.sample.employer_rows import group_rows, org_unit_rows
from memsync_assets.sample.employers import make_employers
from memsync_assets.sample.schedule import LOAD_DATES, SOURCES
from memsync_assets.settings import Reconciliation, Scope, Settings, System

Result = TypeVar("Result")
_MEMBERS_OF_A_GROUP = 20
_TRUE_PAIRS = """
CREATE TEMP TABLE true_pairs AS
SELECT l.contact_number AS left_number, r.contact_number AS right_number
FROM numbered AS l JOIN numbered AS r
ON l.true_person = r.true_person AND l.contact_number < r.contact_number
"""
_NUMBERED = """
CREATE TEMP TABLE numbered AS
SELECT e.contact_number, t.*
FROM truth AS t JOIN contact_evidence AS e ON (e.source_system, e.contact_id) = (t.system, t.contact_id)
"""
_LINKS = """
CREATE TEMP TABLE links AS
SELECT k.rule_name, k.tier, l.contact_number AS left_number, r.contact_number AS right_number,
    l.true_person = r.true_person AS is_true, l.hard_case AS left_case, r.hard_case AS right_case, k.reason
FROM contact_links AS k
JOIN numbered AS l ON (l.system, l.contact_id) = (k.left_system, k.left_contact_id)
JOIN numbered AS r ON (r.system, r.contact_id) = (k.right_system, k.right_contact_id)
"""
_REVIEW = """
SELECT count(*), count_if(l.true_person = r.true_person)
FROM review_pairs AS v
JOIN numbered AS l ON (l.system, l.contact_id) = (v.left_system, v.left_contact_id)
JOIN numbered AS r ON (r.system, r.contact_id) = (v.right_system, v.right_contact_id)
"""
_CLOSED = """
SELECT count(*), count_if(l.true_person = r.true_person)
FROM contact_persons AS a JOIN contact_persons AS b
ON a.person_id = b.person_id AND (a.system, a.contact_id) < (b.system, b.contact_id)
JOIN numbered AS l ON (l.system, l.contact_id) = (a.system, a.contact_id)
JOIN numbered AS r ON (r.system, r.contact_id) = (b.system, b.contact_id)
"""


class Stopwatch:
    """Prints what each step took and the most memory that this process had up to then."""

    def step(self, name: str, work: Callable[[], Result]) -> Result:
        """Do a piece of work."""
        started = time.perf_counter()
        result = work()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{name:42}{time.perf_counter() - started:8.1f} s{peak:8.2f} GB", flush=True)
        return result


def fill(mart: DuckDBMart, contacts: int, seed: int) -> pa.Table:
    """Write the sample's first date into the mart, past the landing. Returns the truth."""
    groups = max(66, contacts // CONTACTS_OF_A_GROUP)
    employers = make_employers(groups * _MEMBERS_OF_A_GROUP, seed, groups)
    everyone = Contacts(employers, contacts, seed)
    first = LOAD_DATES[0]
    for system, source in enumerate(SOURCES):
        tables = {
            "employer_groups": group_rows(employers, system, first),
            "org_units": org_unit_rows(employers, system),
            "source_contacts": everyone.contact_rows(system, first),
            "source_contact_roles": everyone.role_rows(system, first),
        }
        for name, rows in tables.items():
            owner = pa.array([source.name] * rows.num_rows, pa.string())
            mart.append(name, _naive(rows.append_column("source_system", owner)))
    return everyone.truth(first)


def _naive(rows: pa.Table) -> pa.Table:
    """The mart keeps UTC without a zone."""
    fields = [f.with_type(pa.timestamp("us")) if pa.types.is_timestamp(f.type) else f for f in rows.schema]
    return rows.cast(pa.schema(fields))


def count(db: duckdb.DuckDBPyConnection, sql: str) -> tuple[int, ...]:
    """The one row of a query."""
    return tuple(int(value or 0) for value in db.execute(sql).fetchall()[0])


def print_quality(db: duckdb.DuckDBPyConnection) -> None:
    """Precision and recall by rule, and what the candidate pairs cover."""
    (true,) = count(db, "SELECT count(*) FROM true_pairs")
    pairs, covered = count(
        db,
        "SELECT (SELECT count(*) FROM candidate_pairs), count(*)"
        " FROM candidate_pairs SEMI JOIN true_pairs USING (left_number, right_number)",
    )
    print(f"\n{true:,} true pairs; {pairs:,} candidate pairs cover {covered / true:.4f}")
    print(f"{'certain rule':32}{'links':>10}{'wrong':>8}{'precision':>11}{'recall':>9}")
    rules = "SELECT rule_name, count(*), count_if(NOT is_true) FROM links GROUP BY ALL ORDER BY min(tier)"
    every = [*db.execute(rules).fetchall(), ("all", *count(db, "SELECT count(*), count_if(NOT is_true) FROM links"))]
    for rule, links, wrong in every:
        print(f"{rule:32}{links:>10,}{wrong:>8,}{1 - wrong / links:>11.5f}{(links - wrong) / true:>9.4f}")
    queue, right = count(db, _REVIEW)
    print(f"{'review queue':32}{queue:>10,}{queue - right:>8,}{right / queue:>11.5f}{right / true:>9.4f}")
    merged, right = count(db, _CLOSED)
    print(f"{'after closure':32}{merged:>10,}{merged - right:>8,}{right / merged:>11.5f}{right / true:>9.4f}")


def print_misses(db: duckdb.DuckDBPyConnection, most: int) -> None:
    """The commonest cases among wrong links and among true pairs that no rule finds."""
    wrong = "SELECT rule_name, left_case, right_case, reason, count(*) AS n FROM links WHERE NOT is_true"
    print("\nwrong links")
    for row in db.execute(f"{wrong} GROUP BY ALL ORDER BY n DESC, 1, 2 LIMIT {most}").fetchall():
        print("  ", *row, sep=" | ")
    missed = f"""
        SELECT l.hard_case, r.hard_case, c.left_number IS NOT NULL AS is_candidate, count(*) AS n
        FROM true_pairs AS t ANTI JOIN links USING (left_number, right_number)
        JOIN numbered AS l ON l.contact_number = t.left_number
        JOIN numbered AS r ON r.contact_number = t.right_number
        LEFT JOIN candidate_pairs AS c ON (c.left_number, c.right_number) = (t.left_number, t.right_number)
        GROUP BY ALL ORDER BY n DESC, 1, 2 LIMIT {most}"""
    print("\ntrue pairs without a link")
    for row in db.execute(missed).fetchall():
        print("  ", *row, sep=" | ")


def main() -> None:
    """Match and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--misses", type=int, default=0, help="print so many cases that go wrong")
    asked = parser.parse_args()
    settings = Settings(
        systems={source.name: System(role="source", priority=n) for n, source in enumerate(SOURCES, 1)},
        reconciliations={"ihm": Reconciliation(scope=Scope(flagged=True))},
    )
    mart = DuckDBMart()
    migrate(mart)
    watch = Stopwatch()
    truth = watch.step("contacts made", lambda: fill(mart, asked.contacts, asked.seed))
    watch.step("legal entities", lambda: roll_up_legal_entities(mart))
    watch.step("values parsed, never seen before", lambda: normalize_contacts(mart))
    watch.step("values parsed, all seen before", lambda: normalize_contacts(mart))
    watch.step("  candidate pairs", lambda: find_candidates(mart))
    watch.step("  certain links", lambda: mart.store(read_query("contacts/contact_links"), Replace(), LIMITS))
    watch.step("matched: pairs, links, persons, golden", lambda: resolve_persons(mart, settings, ()))
    assert contacts_lost(mart) == 0
    db = mart.connection
    db.register("truth", truth)
    for statement in (_NUMBERED, _TRUE_PAIRS, _LINKS):
        db.execute(statement)
    print_quality(db)
    if asked.misses:
        print_misses(db, asked.misses)
    mart.close()


if __name__ == "__main__":
    main()
