"""The truth of the contacts holds of the files that were written."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import date
from pathlib import Path

import duckdb
import pytest

from memsync_assets.sample import Truth, generate
from memsync_assets.sample import contact_cases as cases
from memsync_assets.sample.org_records import org_records
from memsync_assets.sample.schedule import LOAD_DATES
from tests.sample.landed import SOURCES, applied, manifest, read_table

DATES = tuple(load_date.as_of for load_date in LOAD_DATES)
Row = dict[str, object]


def delivered(truth: Truth, number: int) -> duckdb.DuckDBPyConnection:
    """All source systems' contacts and roles after this many dates, and `truth`, each with `system`."""
    db = applied(truth.landing, DATES[:number])
    for table in ("contacts", "contact_roles", "groups"):
        parts = " UNION ALL BY NAME ".join(f"SELECT '{s}' AS system, * FROM {s}_{table}" for s in SOURCES)
        db.execute(f"CREATE TABLE {table} AS {parts}")
    db.register("truth", truth.contacts(DATES[number - 1]))
    return db


def rows(db: duckdb.DuckDBPyConnection, sql: str) -> list[Row]:
    return db.sql(sql).to_arrow_table().to_pylist()


@pytest.mark.parametrize("number", [1, 2, 3])
def test_every_contact_of_the_files_has_its_truth(truth: Truth, number: int) -> None:
    db = delivered(truth, number)
    keys = "SELECT system, contact_id FROM"
    assert db.sql(f"({keys} contacts EXCEPT ALL {keys} truth)").fetchall() == []
    assert db.sql(f"({keys} truth EXCEPT ALL {keys} contacts)").fetchall() == []
    assert rows(db, "FROM truth WHERE (true_person IS NULL) <> (quarantine_reason IS NOT NULL)") == []


def test_every_case_comes_up(truth: Truth) -> None:
    seen = {word for as_of in DATES for case in truth.contacts(as_of)["hard_case"].to_pylist() for word in case.split()}
    mailboxes = {f"email_{name}" for name in cases.FURTHER_EMAILS}
    catalogue = {*cases.TWO_PERSONS, *cases.PERSON_CASES, *cases.FURTHER_NAMES, *cases.TRAITS, *cases.CHANGES}
    # Removed contacts are in no later truth.
    assert (catalogue | mailboxes) - seen == {"removed"}


def test_roles_name_contacts_and_groups_that_are_there(truth: Truth) -> None:
    db = delivered(truth, 3)
    assert rows(db, "FROM contact_roles ANTI JOIN contacts USING (system, contact_id)") == []
    unknown = rows(db, "FROM contact_roles ANTI JOIN groups USING (system, group_id)")
    assert {row["group_id"] for row in unknown} == {"UNKNOWN-7"}
    assert rows(db, "FROM contacts ANTI JOIN contact_roles USING (system, contact_id)") != []
    primaries = rows(db, "SELECT count(*) AS n FROM contact_roles WHERE is_primary = 'Y' GROUP BY system, contact_id")
    assert {row["n"] for row in primaries} == {1}


@pytest.mark.parametrize(
    ("case", "shared"),
    [
        ("father_and_son", ("last", "first", "phone")),
        ("namesakes_at_one_office", ("last", "first", "phone", "street")),
        ("namesakes_elsewhere", ("last", "first")),
        ("alike_first_names", ("last", "phone", "street")),
        ("spouses_with_one_mailbox", ("last", "phone", "email")),
        ("one_mailbox_for_two", ("email",)),
        ("siblings_on_one_line", ("last", "phone")),
        ("successor_on_one_line", ("phone", "street")),
    ],
)
def test_two_persons_share_what_makes_them_hard_to_tell_apart(truth: Truth, case: str, shared: tuple[str, ...]) -> None:
    values = {
        "last": r"regexp_replace(CASE WHEN system = 'foundation_ca' THEN last_name WHEN system = 'heritage_tx' THEN"
        r" split_part(full_name, ',', 1) ELSE regexp_extract(full_name, '(\S+)( [SJ]R)?$', 1) END, '(?i) [sj]r$', '')",
        "first": "split_part(CASE WHEN system = 'foundation_ca' THEN first_name WHEN system = 'heritage_tx' THEN"
        " split_part(full_name, ', ', 2) ELSE full_name END, ' ', 1)",
        "phone": r"right(regexp_replace(phone, '(\s(x|ext|#).*)|\D', '', 'g'), 10)",
        "email": "email",
        "street": "regexp_extract(address_line1, '^[0-9]+')",
    }
    db = delivered(truth, 1)
    found = rows(
        db,
        f"SELECT count(*) AS n, count(DISTINCT true_person) AS persons,"
        f" {', '.join(f'count(DISTINCT lower({values[name]})) AS {name}' for name in shared)}"
        f" FROM contacts JOIN truth USING (system, contact_id) WHERE hard_case LIKE '{case}%'"
        f" GROUP BY true_person // 2",
    )
    assert len(found) >= 3
    assert all(row == {"n": 2, "persons": 2, **dict.fromkeys(shared, 1)} for row in found)


@pytest.mark.parametrize("number", [2, 3])
def test_changes_come_as_deltas(truth: Truth, number: int) -> None:
    changes: Counter[str] = Counter()
    for system in SOURCES:
        assert manifest(truth.landing, system, DATES[number - 1])["kind"] == "delta"
        db = duckdb.connect()
        for table in ("contacts", "contact_roles"):
            name = read_table(db, truth.landing, system, table, DATES[number - 1])
            changes.update(f"{table} {row['change']}" for row in rows(db, f"FROM {name}"))
    assert changes.keys() == {"contacts upsert", "contacts delete", "contact_roles upsert", "contact_roles delete"}
    assert changes["contacts upsert"] < truth.contacts(DATES[0]).num_rows / 5


def test_hostile_text_arrives(truth: Truth) -> None:
    db = delivered(truth, 1)
    titles = {row["title"] for row in rows(db, "SELECT title FROM contacts WHERE title IS NOT NULL")}
    assert any(title.startswith("=cmd") for title in titles)
    assert any(len(title) == 5_000 for title in titles)
    assert any("\u202e" in title for title in titles)
    assert rows(db, "FROM contacts WHERE coalesce(first_name, full_name) LIKE '%' || chr(7) || '%'") != []


def test_the_same_arguments_write_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        generate(tmp_path / name, members=2_000, seed=7)
    assert _digests(tmp_path / "one") == _digests(tmp_path / "other")
    generate(tmp_path / "third", members=2_000, seed=8, weeks=(1,))
    assert _digests(tmp_path / "third").values() != _digests(tmp_path / "one").values()


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_an_amount_of_contacts_can_be_asked_for(tmp_path: Path) -> None:
    few, many = (
        generate(tmp_path / str(n), members=2_000, weeks=(1,), contacts=n).contacts(date(2026, 11, 13)).num_rows
        for n in (500, 5_000)
    )
    assert 400 < few < 600
    assert 4_500 < many < 5_500


def test_the_org_knows_some_true_persons_already(truth: Truth) -> None:
    records = org_records(members=6_000)
    assert records == org_records(members=6_000)
    counts = Counter(record.object_name for record in records)
    assert counts["Account"] == 43
    assert counts["Contact"] == 170
    references = [record.reference for record in records]
    assert len(set(references)) == len(references)
    assert all(r.account is None or r.account in references[: counts["Account"]] for r in records)
    persons = Counter(r.true_person for r in records if r.object_name == "Contact")
    assert persons.pop(None) == 10
    assert Counter(persons.values()) == {1: 140, 2: 10}
    known = set(truth.contacts(DATES[0])["true_person"].to_pylist())
    assert persons.keys() <= known
