"""Bulk 2.0 above the limit: the same sync as by Collections, and what only a job can do wrong."""

from __future__ import annotations

import csv
import io
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsync_assets.salesforce import bulk
from memsync_assets.salesforce.bulk import write_files
from memsync_assets.salesforce.changes import CLEARED, Change
from memsync_assets.salesforce.sending import Target
from memsync_assets.salesforce.specifications import read_specifications
from memsync_assets.settings import DEFAULT_CONFIG, Home, Project, load_settings
from tests.salesforce.scene import Scene
from tests.salesforce.test_failures import adds_up
from tests.salesforce.test_sync import all_went_well

PEOPLE = 240


def name(number: int) -> str:
    """A name with all that breaks a line or a cell somewhere."""
    return f'Last,\n\u2028\u0085 "{number}"'


@pytest.fixture
def crowd(scene: Scene) -> Scene:
    scene.set(bulk_above=100, breaker={"default": {"changed_share": 1.0, "removals": 1000}})
    scene.group("001")
    scene.group("002")
    scene.put(
        "persons",
        *(
            {
                "person_id": f"P{number:03}",
                "first_name": "Ann",
                "last_name": name(number),
                "title": "Boss",
                "email_status": "none",
                "is_active": "Y",
                "contact_count": 1,
            }
            for number in range(PEOPLE)
        ),
    )
    scene.do("""INSERT INTO person_roles (person_id, source_system, group_id, role_code, is_primary)
        SELECT person_id, 'a', '001', 'BROKER', 'Y' FROM persons""")
    return scene


def test_a_job_does_what_collections_do(crowd: Scene) -> None:
    counts = crowd.sync()
    assert all_went_well(counts), counts
    assert counts.write_calls == 2 + 2  # accounts in two waves by Collections; one job each for the other objects
    names = {row["LastName"] for row in crowd.rows("SELECT LastName FROM Contact")}
    assert names == {name(number) for number in range(PEOPLE)}
    assert len(crowd.rows("SELECT Id FROM AccountContactRelation WHERE Relation_Key__c != null")) == PEOPLE
    assert crowd.plan().changes == 0


def test_a_job_clears_fields_and_leaves_others_alone(crowd: Scene) -> None:
    crowd.sync()
    crowd.do("UPDATE persons SET title = NULL WHERE person_id < 'P150'")
    crowd.do("UPDATE persons SET phone = '+13125550100' WHERE person_id >= 'P100'")
    assert all_went_well(crowd.sync())
    titles = {row["Person_Id__c"]: row["Title"] for row in crowd.rows("SELECT Person_Id__c, Title FROM Contact")}
    assert titles == {f"P{number:03}": None if number < 150 else "Boss" for number in range(PEOPLE)}
    assert crowd.plan().changes == 0


@pytest.mark.parametrize("bulk_above", [100, 1000])
def test_a_text_that_clears_a_field_in_a_job_is_no_value_either_way(crowd: Scene, bulk_above: int) -> None:
    crowd.set(bulk_above=bulk_above)
    crowd.do("UPDATE persons SET title = '#N/A' WHERE person_id < 'P200'")
    assert all_went_well(crowd.sync())
    crowd.do("UPDATE persons SET title = '#N/A'")
    assert all_went_well(crowd.sync())
    assert len(crowd.rows("SELECT Id FROM Contact WHERE Title = null")) == PEOPLE
    assert crowd.plan().changes == 0


def test_a_job_deletes(crowd: Scene) -> None:
    crowd.do("""INSERT INTO person_roles (person_id, source_system, group_id, role_code, is_primary)
        SELECT person_id, 'a', '002', 'BROKER', 'N' FROM persons""")
    crowd.sync()
    crowd.do("DELETE FROM person_roles WHERE group_id = '002'")
    counts = crowd.sync()
    assert all_went_well(counts)
    assert counts.write_calls == 1
    assert len(crowd.rows("SELECT Id FROM AccountContactRelation")) == PEOPLE


def test_a_job_that_fails_half_way_is_made_up_for(crowd: Scene) -> None:
    crowd.fault(kind="job_fails", rows=200)
    assert all_went_well(crowd.sync())
    assert len(crowd.rows("SELECT Id FROM Contact")) == PEOPLE
    assert crowd.plan().changes == 0


def test_rows_that_a_job_refuses_fail_with_code_and_message(crowd: Scene) -> None:
    crowd.do("UPDATE persons SET last_name = REPEAT('x', 100) WHERE person_id = 'P007'")
    crowd.do("UPDATE persons SET title = REPEAT('x', 200) WHERE person_id = 'P008'")
    counts = crowd.sync()
    assert adds_up(counts)
    assert set(counts.codes) == {"STRING_TOO_LONG", "REQUIRED_FIELD_MISSING", "parent_failed"}
    assert len(crowd.rows("SELECT Id FROM Contact")) == PEOPLE - 1
    assert crowd.plan().changes == 0


TEXT = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\x00"), min_size=1)


@given(st.lists(st.tuples(TEXT, st.none() | TEXT), min_size=1, max_size=20, unique_by=lambda row: row[0]))
@settings(max_examples=60, deadline=None)
def test_a_file_says_exactly_what_changes(rows: list[tuple[str, str | None]]) -> None:
    changes = [Change(key, "insert", {"Title": value}) for key, value in rows]
    files = list(write_files(_target(), changes))
    read = [row for data, _ in files for row in csv.DictReader(io.StringIO(data.decode("utf-8"), newline=""))]
    assert [(row["Person_Id__c"], row["Title"]) for row in read] == [
        (key, CLEARED if value is None else value) for key, value in rows
    ]


def test_a_file_that_would_be_too_large_is_cut_between_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MAX_BYTES", 200)
    changes = [Change(f"P{number}", "insert", {"Title": "long\n" * 5}) for number in range(20)]
    files = list(write_files(_target(), changes))
    assert len(files) > 1
    assert all(len(data) <= 200 for data, _ in files)
    assert [change for _, held in files for change in held] == changes


@cache
def _target() -> Target:
    project = Project(load_settings(DEFAULT_CONFIG), Home(DEFAULT_CONFIG), DEFAULT_CONFIG)
    specifications = read_specifications(project)
    # No org is asked for fields that are no references.
    return Target(None, specifications, specifications.of("Contact"))  # type: ignore[arg-type]
