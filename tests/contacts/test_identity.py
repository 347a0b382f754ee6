from __future__ import annotations

import duckdb
import pytest

from memsync_assets.contacts.decisions import decision
from memsync_assets.contacts.explanation import explain
from memsync_assets.contacts.identity import PersonCounts, PersonsHeldError, resolve_persons
from memsync_assets.contacts.legal_entities import roll_up_legal_entities
from memsync_assets.contacts.normalize import contacts_lost, normalize_contacts
from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.settings import Identity, MemsyncError, Settings
from tests.contacts.rows import contact, role, write


def run(mart: DuckDBMart, settings: Settings, *contacts: dict[str, object], decisions=(), roles=()) -> PersonCounts:
    write(mart, "source_contacts", *contacts)
    write(mart, "source_contact_roles", *roles)
    roll_up_legal_entities(mart)
    normalize_contacts(mart)
    counts = resolve_persons(mart, settings, decisions)
    assert contacts_lost(mart) == 0
    return counts


def persons(mart: DuckDBMart) -> list[set[str]]:
    """The contacts of each person, as sets in order."""
    found: dict[str, set[str]] = {}
    for row in mart.fetch("SELECT system, contact_id, person_id FROM contact_persons").to_pylist():
        found.setdefault(row["person_id"], set()).add(f"{row['system']}:{row['contact_id']}")
    return sorted(found.values(), key=sorted)


MARY = {"email": "mary.smith@acme.com", "phone": "312-867-5309"}


def test_one_person_in_two_systems_is_one(mart: DuckDBMart, settings: Settings) -> None:
    run(mart, settings, contact("a:1", "Mary Smith", **MARY), contact("b:7", "SMITH, MARY", **MARY))
    assert persons(mart) == [{"a:1", "b:7"}]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(contact("b:1", "Mary Smith", email="hr@acme.com"), id="role mailbox"),
        pytest.param(contact("b:1", "Mary Smith", email="none@none.com"), id="placeholder"),
        pytest.param(contact("b:1", "John Smith", phone="312-867-5309"), id="colleague on one phone"),
        pytest.param(contact("b:1", "John Smith", email="mary.smith@acme.com"), id="shared mailbox"),
        pytest.param(contact("b:1", "Mary Smith"), id="name alone"),
    ],
)
def test_weak_evidence_leaves_two(mart: DuckDBMart, settings: Settings, other: dict[str, object]) -> None:
    first = contact("a:1", "Mary Smith", **MARY | {"email": other.get("email") or MARY["email"]})
    if "phone" not in other:
        first["phone"] = None
    run(mart, settings, first, other)
    assert persons(mart) == [{"a:1"}, {"b:1"}]


def test_a_decision_goes_before_every_rule(mart: DuckDBMart, settings: Settings) -> None:
    rows = [contact("a:1", "Mary Smith", **MARY), contact("b:1", "Mary Smith", **MARY), contact("b:2", "Maria Jones")]
    run(
        mart,
        settings,
        *rows,
        decisions=[
            decision("never_link", ("a", "1"), ("b", "1")),
            decision("always_link", ("a", "1"), ("b", "2")),
        ],
    )
    assert persons(mart) == [{"a:1", "b:2"}, {"b:1"}]


def test_golden_record_takes_each_attribute_from_the_best_contact(mart: DuckDBMart, settings: Settings) -> None:
    groups = [("a", "G1"), ("b", "G2")]
    known = [{"source_system": system, "group_id": group, "group_name": group} for system, group in groups]
    write(mart, "employer_groups", *known)
    run(
        mart,
        settings,
        contact("a:1", "M Smith", email="mary.smith@acme.com", phone="312-867-5309", title="HR Lead"),
        contact("b:1", "Mary Smith", email="mary.smith@acme.com", address_line1="12 Main Street", city="Chicago",
                state_code="IL", postal_code="60601-1234"),
        roles=[role("a:1", "G1"), role("b:1", "G2", is_primary="Y")],
    )  # fmt: skip
    (person,) = mart.fetch("SELECT * FROM persons").to_pylist()
    assert (person["first_name"], person["title"], person["phone"], person["address_line1"]) == (
        "Mary",
        "HR Lead",
        "+13128675309",
        "12 MAIN ST",
    )
    roles = mart.fetch("SELECT group_id, is_primary FROM person_roles").to_pylist()
    assert {row["group_id"]: row["is_primary"] for row in roles} == {"G1": "N", "G2": "Y"}


def test_the_same_run_again_changes_nothing(mart: DuckDBMart, settings: Settings) -> None:
    rows = [contact("a:1", "Mary Smith", **MARY), contact("b:1", "Mary Smith", **MARY), contact("b:2", "Al Jones")]
    tables = ("persons", "contact_persons", "person_ids", "person_roles", "golden_values", "contact_links")
    run(mart, settings, *rows)
    before = [sorted(map(repr, mart.fetch(f"SELECT * FROM {t}").to_pylist())) for t in tables]
    counts = run(mart, settings, *rows)
    assert before == [sorted(map(repr, mart.fetch(f"SELECT * FROM {t}").to_pylist())) for t in tables]
    assert (counts.created, counts.merged, counts.split, counts.retired, counts.revived) == (0, 0, 0, 0, 0)


def ids(mart: DuckDBMart) -> dict[str, str]:
    rows = mart.fetch("SELECT system, contact_id, person_id FROM contact_persons").to_pylist()
    return {f"{row['system']}:{row['contact_id']}": row["person_id"] for row in rows}


def test_merge_alias_unmerge_and_explanation(mart: DuckDBMart, settings: Settings) -> None:
    rows = [contact("a:1", "Mary Smith"), contact("b:1", "Mary Smith", **MARY)]
    run(mart, settings, *rows)
    apart = ids(mart)
    merged = [contact("a:1", "Mary Smith", **MARY), rows[1]]
    counts = run(mart, settings, *merged)
    assert (counts.merged, set(ids(mart).values())) == (1, {apart["a:1"]})

    explained = explain(mart, apart["b:1"])
    assert (explained.person_id, explained.aliases) == (apart["a:1"], (apart["b:1"],))
    assert [link.rule_name for link in explained.links] == ["email_and_name"]
    assert {c.rule_name for c in explained.contacts} == {"email_and_name"}
    assert {a.attribute: a.contact for a in explained.attributes}["phone"] == ("a", "1")

    counts = run(mart, settings, *merged, decisions=[decision("never_link", ("a", "1"), ("b", "1"))])
    assert (ids(mart), counts.refused_links, counts.revived) == (apart, 1, 1)
    assert explain(mart, apart["b:1"]).links[0].refused == "decided to be two persons"


def test_a_contact_that_goes_and_returns_keeps_its_person(mart: DuckDBMart, settings: Settings) -> None:
    rows = [contact("a:1", "Mary Smith"), contact("a:2", "Al Jones")]
    run(mart, settings, *rows)
    before = ids(mart)
    run(mart, settings, rows[1])
    with pytest.raises(MemsyncError, match="no contact any more"):
        explain(mart, before["a:1"])
    run(mart, settings, *rows)
    assert ids(mart) == before


def test_a_contact_with_another_key_keeps_its_person(mart: DuckDBMart, settings: Settings) -> None:
    jones = contact("a:2", "Al Jones", email="al.jones@acme.com")
    run(mart, settings, contact("a:1", "Mary Smith", **MARY), jones)
    before = ids(mart)
    counts = run(mart, settings, contact("a:1b", "Mary A. Smith", **MARY), jones)
    assert ids(mart) == {"a:1b": before["a:1"], "a:2": before["a:2"]}
    assert (counts.created, counts.retired) == (0, 0)


def test_another_persons_mailbox_is_no_claim_to_who_is_gone(mart: DuckDBMart, settings: Settings) -> None:
    run(mart, settings, contact("a:1", "Mary Smith", **MARY))
    before = ids(mart)
    counts = run(mart, settings, contact("a:1b", "Karen Smith", **MARY))
    assert set(ids(mart).values()).isdisjoint(before.values())
    assert (counts.created, counts.retired) == (1, 1)


def test_a_new_key_beside_a_living_contact_changes_nothing(mart: DuckDBMart, settings: Settings) -> None:
    rows = [contact("a:1", "Mary Smith", **MARY), contact("b:1", "Mary Smith", **MARY)]
    run(mart, settings, *rows)
    before = ids(mart)
    counts = run(mart, settings, contact("a:1b", "Mary Smith", **MARY), rows[1])
    assert (set(ids(mart).values()), counts.created, counts.retired) == ({before["b:1"]}, 0, 0)


def test_unknown_person(mart: DuckDBMart) -> None:
    with pytest.raises(MemsyncError, match="no person has or had"):
        explain(mart, "P0000000001")


def test_a_run_that_changes_too_many_persons_is_held(mart: DuckDBMart, settings: Settings) -> None:
    strict = settings.model_copy(update={"identity": Identity(changed_share=0.5, minimum_persons=0)})
    rows = [contact("a:1", "Mary Smith", **MARY), contact("a:2", "Al Jones"), contact("a:3", "Bo Lee")]
    run(mart, strict, *rows)
    before = ids(mart)
    with pytest.raises(PersonsHeldError, match="2 of 3"):
        run(mart, strict, rows[0])
    assert ids(mart) == before


def test_a_failure_half_way_leaves_persons_as_they_were(mart: DuckDBMart, settings: Settings) -> None:
    run(mart, settings, contact("a:1", "Mary Smith"))
    before = [mart.fetch(f"SELECT * FROM {t}") for t in ("persons", "contact_persons", "person_ids")]
    mart.execute("DROP TABLE person_roles")  # the last table that a run writes
    with pytest.raises(duckdb.CatalogException):
        run(mart, settings, contact("a:1", "Maria Smith"), contact("a:2", "Al Jones"))
    assert before == [mart.fetch(f"SELECT * FROM {t}") for t in ("persons", "contact_persons", "person_ids")]


def test_the_main_line_of_an_employer_is_no_evidence(mart: DuckDBMart, settings: Settings) -> None:
    write(
        mart,
        "employer_groups",
        {"source_system": "a", "group_id": "G1", "group_name": "Acme", "phone": "(312) 867-5309"},
    )
    run(
        mart,
        settings,
        contact("a:1", "Mary Smith", phone="312-867-5309"),
        contact("b:1", "Mary Smith", phone="312-867-5309"),
    )
    assert persons(mart) == [{"a:1"}, {"b:1"}]
    assert mart.fetch("SELECT phone FROM normalized_groups")["phone"].to_pylist() == ["+13128675309"]
