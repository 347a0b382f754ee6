"""Which of a person's groups is the primary account."""

from __future__ import annotations

from memsync_assets.contacts.identity import resolve_persons
from memsync_assets.contacts.normalize import normalize_contacts
from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.settings import Settings
from tests.contacts.rows import contact, role, write


def primary(mart: DuckDBMart, settings: Settings) -> list[str]:
    normalize_contacts(mart)
    resolve_persons(mart, settings, [])
    rows = mart.fetch("SELECT group_id FROM person_roles WHERE is_primary = 'Y' ORDER BY group_id")
    return rows["group_id"].to_pylist()


def test_a_group_that_nobody_knows_is_never_the_primary_one(mart: DuckDBMart, settings: Settings) -> None:
    """Salesforce has no account for it, and refuses relations of a contact that has no account."""
    write(mart, "employer_groups", {"source_system": "a", "group_id": "G1", "group_name": "Acme"})
    write(mart, "source_contacts", contact("a:1", "Ann Lee"))
    unknown = role("a:1", "UNKNOWN", is_primary="Y")
    write(mart, "source_contact_roles", unknown, role("a:1", "G1", "HR"))
    assert primary(mart, settings) == ["G1"]


def test_a_person_of_unknown_groups_only_has_no_primary_group(mart: DuckDBMart, settings: Settings) -> None:
    write(mart, "source_contacts", contact("a:1", "Ann Lee"))
    write(mart, "source_contact_roles", role("a:1", "UNKNOWN"))
    assert primary(mart, settings) == []
