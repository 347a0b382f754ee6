"""Which of a person's groups is the primary account."""

from __future__ import annotations

from datetime import date

import pytest

from memsync_assets.contacts.identity import resolve_persons
from memsync_assets.contacts.normalize import normalize_contacts
from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.settings import Settings
from tests.contacts.rows import contact, role, write

AS_OF = date(2026, 11, 20)


def primary(mart: DuckDBMart, settings: Settings) -> list[str]:
    normalize_contacts(mart)
    resolve_persons(mart, settings, [], AS_OF)
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


def since(year: int, month: int = 1, **more: object) -> dict[str, object]:
    return {"effective_date": date(year, month, 1), **more}


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        (since(2020, is_primary="Y"), since(2027, 6), "G1"),
        (since(2027, 6, is_primary="Y"), since(2020), "G2"),
        (
            {"termination_date": date(2020, 1, 1), "is_primary": "Y"},
            since(2021, termination_date=date(2027, 12, 31)),
            "G2",
        ),
        ({"termination_date": AS_OF, "is_primary": "Y"}, since(2027), "G2"),
        (since(2020, termination_date=date(2027, 1, 1), is_primary="Y"), since(2020), "G1"),
        ({"effective_date": AS_OF, "is_primary": "Y"}, {}, "G1"),
    ],
    ids=["to come", "to come, though primary", "ended", "ended today", "ends later", "begins today"],
)
def test_a_role_in_force_goes_before_one_to_come_and_that_before_one_that_has_ended(
    mart: DuckDBMart, settings: Settings, first: dict[str, object], second: dict[str, object], wanted: str
) -> None:
    write(
        mart,
        "employer_groups",
        *({"source_system": "a", "group_id": group, "group_name": group} for group in ("G1", "G2")),
    )
    write(mart, "source_contacts", contact("a:1", "Ann Lee"))
    write(mart, "source_contact_roles", role("a:1", "G1", **first), role("a:1", "G2", **second))
    assert primary(mart, settings) == [wanted]
