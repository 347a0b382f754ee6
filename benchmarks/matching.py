"""How well and how fast contacts are matched: the sample's contacts with their truth, at any amount, and FEBRL.

    python benchmarks/matching.py [--contacts 1000000] [--misses 20] [--without-febrl]

Edges are counted before closure: a link is right when its two contacts are one true person. Goals: certain rules at
precision 0.999 and recall 0.65, the review queue at precision 0.85, both together at recall 0.90, candidate pairs
that cover 0.95 of the true ones; 1 million contacts matched in 40 s within 2 GB on two cores.

A process of its own makes the contacts, and each of the two steps, parsing and matching, runs in a process of its own
on the mart's file, so that its memory is its own. Some true pairs have no mailbox, no telephone and no place of work
in common: nobody can tell them from namesakes. They are counted apart.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from febrl import print_febrl

from memsync_assets.contacts.identity import resolve_persons
from memsync_assets.contacts.legal_entities import roll_up_legal_entities
from memsync_assets.contacts.normalize import contacts_lost, normalize_contacts
from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.mart.schema import migrate
from memsync_assets.sample.contact_cases import CONTACTS_OF_A_GROUP
from memsync_assets.sample.contact_rows import Contacts
from memsync_assets.sample.employer_rows import group_rows, org_unit_rows
from memsync_assets.sample.employers import make_employers
from memsync_assets.sample.schedule import LOAD_DATES, SOURCES
from memsync_assets.settings import Reconciliation, Scope, Settings, System

Result = TypeVar("Result")
_MEMBERS_OF_A_GROUP = 20
_PREPARED = """
CREATE TEMP TABLE numbered AS
SELECT e.contact_number, t.*
FROM truth AS t JOIN contact_evidence AS e ON (e.source_system, e.contact_id) = (t.system, t.contact_id);

CREATE TEMP TABLE true_pairs AS
SELECT l.contact_number AS left_number, r.contact_number AS right_number
FROM numbered AS l JOIN numbered AS r
ON l.true_person = r.true_person AND l.contact_number < r.contact_number;

CREATE TEMP TABLE links AS
SELECT k.rule_name, k.tier, k.left_number, k.right_number, k.reason, t.left_number IS NOT NULL AS is_true
FROM contact_links AS k LEFT JOIN true_pairs AS t USING (left_number, right_number);

CREATE TEMP TABLE queue AS
SELECT l.contact_number AS left_number, r.contact_number AS right_number, l.true_person = r.true_person AS is_true
FROM review_pairs AS v
JOIN numbered AS l ON (l.system, l.contact_id) = (v.left_system, v.left_contact_id)
JOIN numbered AS r ON (r.system, r.contact_id) = (v.right_system, v.right_contact_id);

CREATE TEMP TABLE merged AS
SELECT l.contact_number AS left_number, r.contact_number AS right_number, l.true_person = r.true_person AS is_true
FROM contact_persons AS a
JOIN contact_persons AS b ON a.person_id = b.person_id AND (a.system, a.contact_id) < (b.system, b.contact_id)
JOIN numbered AS l ON (l.system, l.contact_id) = (a.system, a.contact_id)
JOIN numbered AS r ON (r.system, r.contact_id) = (b.system, b.contact_id);

CREATE TEMP TABLE found_of_people AS
SELECT left_number, right_number FROM merged WHERE is_true
UNION SELECT left_number, right_number FROM links WHERE is_true
UNION SELECT left_number, right_number FROM queue WHERE is_true;

CREATE TEMP TABLE bare_pairs AS
SELECT p.* FROM true_pairs AS p
JOIN contact_evidence AS a ON a.contact_number = p.left_number
JOIN contact_evidence AS b ON b.contact_number = p.right_number
WHERE a.personal_email IS DISTINCT FROM b.personal_email OR a.personal_email IS NULL;

DELETE FROM bare_pairs USING contact_numbers AS a JOIN contact_numbers AS b USING (phone)
WHERE a.contact_number = bare_pairs.left_number AND b.contact_number = bare_pairs.right_number;

DELETE FROM bare_pairs USING contact_places AS a JOIN contact_places AS b USING (place_number)
WHERE a.contact_number = bare_pairs.left_number AND b.contact_number = bare_pairs.right_number;
"""


def in_a_process(name: str, work: Callable[..., Result], *given: object) -> Result:
    """Do a piece of work in a new process, and print what it took and the most memory that it had."""
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_report, args=(sending, work, given))
    process.start()
    sending.close()
    result, seconds, used = receiving.recv()
    process.join()
    cpu = used.ru_utime + used.ru_stime
    print(f"{name:42}{seconds:8.1f} s{cpu:8.1f} s of CPU{used.ru_maxrss / 2**20:8.2f} GB", flush=True)
    return result


def _report(sending: multiprocessing.connection.Connection, work: Callable[..., Result], given: tuple[object]) -> None:
    started = time.perf_counter()
    result = work(*given)
    seconds = time.perf_counter() - started
    sending.send((result, seconds, resource.getrusage(resource.RUSAGE_SELF)))


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


def make_contacts(path: Path, contacts: int, seed: int) -> None:
    """A mart with the sample's contacts, and the truth beside it."""
    mart = _open(path)
    migrate(mart)
    pq.write_table(fill(mart, contacts, seed), path.with_suffix(".parquet"))
    mart.close()


def _open(path: Path) -> DuckDBMart:
    mart = DuckDBMart(path)
    return mart


def parse_contacts(path: Path) -> None:
    """Legal entities and normalized contacts."""
    mart = _open(path)
    roll_up_legal_entities(mart)
    normalize_contacts(mart)
    mart.close()


def match_contacts(path: Path) -> None:
    """Persons of normalized contacts: pairs, links, scores, ids, golden records, roles."""
    settings = Settings(
        systems={source.name: System(role="source", priority=n) for n, source in enumerate(SOURCES, 1)},
        reconciliations={"ihm": Reconciliation(scope=Scope(flagged=True))},
    )
    mart = _open(path)
    resolve_persons(mart, settings, ())
    assert contacts_lost(mart) == 0
    mart.close()


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
    bare, bare_found = count(
        db,
        "SELECT count(*), count(f.left_number) FROM bare_pairs AS b"
        " LEFT JOIN found_of_people AS f USING (left_number, right_number)",
    )
    print(f"\n{true:,} true pairs; {pairs:,} candidate pairs cover {covered / true:.4f}")
    print(f"{'certain rule':32}{'links':>10}{'wrong':>8}{'precision':>11}{'recall':>9}")
    rules = "SELECT rule_name, count(*), count_if(NOT is_true) FROM links GROUP BY ALL ORDER BY min(tier)"
    every = [*db.execute(rules).fetchall(), ("all", *count(db, "SELECT count(*), count_if(NOT is_true) FROM links"))]
    every += [
        (name, *count(db, f"SELECT count(*), count_if(NOT is_true) FROM {table}"))
        for name, table in (("review queue", "queue"), ("merged, after closure", "merged"))
    ]
    for what, links, wrong in every:
        print(f"{what:32}{links:>10,}{wrong:>8,}{1 - wrong / links:>11.5f}{(links - wrong) / true:>9.4f}")
    (found,) = count(db, "SELECT count(*) FROM found_of_people")
    shared = (found - bare_found) / (true - bare)
    print(f"{'merged or in the review queue':61}{found / true:>9.4f}")
    print(
        f"true pairs without a mailbox, a telephone or a place in common: {bare / true:.4f}; of the others {shared:.4f}"
    )


def print_misses(db: duckdb.DuckDBPyConnection, most: int) -> None:
    """The commonest cases among wrong links and among true pairs that neither a rule nor the queue has."""
    cases = (
        "JOIN numbered AS l ON l.contact_number = m.left_number JOIN numbered AS r ON r.contact_number = m.right_number"
    )
    wrong = f"SELECT m.rule_name, l.hard_case, r.hard_case, m.reason, count(*) AS n FROM links AS m {cases}"
    print("\nwrong links")
    for row in db.execute(f"{wrong} WHERE NOT is_true GROUP BY ALL ORDER BY n DESC, 1, 2 LIMIT {most}").fetchall():
        print("  ", *row, sep=" | ")
    missed = f"""
        SELECT l.hard_case, r.hard_case, c.left_number IS NOT NULL AS is_candidate, count(*) AS n
        FROM true_pairs AS m ANTI JOIN found_of_people USING (left_number, right_number) {cases}
        LEFT JOIN candidate_pairs AS c ON (c.left_number, c.right_number) = (m.left_number, m.right_number)
        GROUP BY ALL ORDER BY n DESC, 1, 2 LIMIT {most}"""
    print("\ntrue pairs that are neither merged nor in the queue")
    for row in db.execute(missed).fetchall():
        print("  ", *row, sep=" | ")


def main() -> None:
    """Match and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--misses", type=int, default=0, help="print so many cases that go wrong")
    parser.add_argument("--without-febrl", action="store_true", help="leave out FEBRL, which is fetched with pip")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mart.duckdb"
        in_a_process("contacts made", make_contacts, path, asked.contacts, asked.seed)
        in_a_process("values parsed, never seen before", parse_contacts, path)
        in_a_process("values parsed, all seen before", parse_contacts, path)
        in_a_process("matched: pairs, scores, persons, golden", match_contacts, path)
        in_a_process("matched again, nothing changed", match_contacts, path)
        with duckdb.connect(str(path), read_only=True) as db:
            db.register("truth", pq.read_table(path.with_suffix(".parquet")))
            db.execute(_PREPARED)
            print_quality(db)
            if asked.misses:
                print_misses(db, asked.misses)
    if not asked.without_febrl:
        print_febrl()


if __name__ == "__main__":
    main()
