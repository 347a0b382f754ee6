"""Contacts that the org spells otherwise are adopted where mailbox and name are certainly a person's."""

from __future__ import annotations

import pytest

from memsync_assets.salesforce.merge import find_merges
from tests.salesforce.scene import Scene
from tests.salesforce.test_sync import all_went_well, small


@pytest.mark.parametrize(
    ("person", "record"),
    [
        pytest.param(("Robert", "Smithers"), ("Bob", "Smithers"), id="nickname"),
        pytest.param(("José", "Núñez"), ("Jose", "Nunez"), id="accents"),
        pytest.param(("Mary", "Kowal"), ("Mary A.", "Kowal"), id="middle initial"),
    ],
)
def test_a_contact_of_another_spelling_is_adopted(
    scene: Scene, person: tuple[str, str], record: tuple[str, str]
) -> None:
    there = scene.make("Contact", FirstName=record[0], LastName=record[1], Email="the.one@acme.com")
    scene.group("001")
    scene.person("P1", ["001"], first_name=person[0], last_name=person[1], email="the.one@acme.com")
    assert all_went_well(scene.sync())
    assert scene.rows("SELECT Id, Person_Id__c FROM Contact") == [{"Id": there, "Person_Id__c": "P1"}]
    assert scene.plan().changes == 0


def other_mailbox(scene: Scene) -> None:
    """P1's contact b/1 has another personal mailbox and says Rob."""
    scene.put(
        "normalized_contacts",
        {"source_system": "b", "contact_id": "1", "first_name": "Rob", "last_name": "Last P1", "first_key": "rob",
         "middle_key": "", "last_key": "lastp", "email": "rob@home.net", "email_status": "valid", "is_active": "Y"},
    )  # fmt: skip
    scene.put("contact_persons", {"system": "b", "contact_id": "1", "person_id": "P1", "reason": "because"})


def test_the_mailboxes_of_all_contacts_of_a_person_count(scene: Scene) -> None:
    there = scene.make("Contact", FirstName="Bob", LastName="Last P1", Email="Rob@Home.net")
    small(scene)
    other_mailbox(scene)
    assert all_went_well(scene.sync())
    assert scene.rows("SELECT Id FROM Contact WHERE Person_Id__c = 'P1'") == [{"Id": there}]


def test_another_name_at_ones_mailbox_waits_for_a_person(scene: Scene) -> None:
    there = scene.make("Contact", FirstName="Bob", LastName="Last P1", Email="p1@acme.com")
    assert all_went_well(small(scene).sync())
    scene.plan()
    (waiting,) = find_merges(scene.mart, scene.project)
    assert (waiting.loser_id, waiting.rule_name, waiting.state) == (there, "same email, other name", "review")


def test_a_double_of_another_spelling_is_merged(scene: Scene) -> None:
    small(scene).sync()
    loser = scene.make("Contact", FirstName="Annie", LastName="Last P1", Email="p1@acme.com")
    scene.plan()
    (found,) = find_merges(scene.mart, scene.project)
    assert (found.loser_id, found.rule_name, found.state) == (loser, "same email and name", "found")


def test_the_contact_of_a_person_who_is_no_more_goes_into_the_new_one(scene: Scene) -> None:
    small(scene).sync()
    scene.do("DELETE FROM persons WHERE person_id = 'P1'")
    scene.do("DELETE FROM person_roles WHERE person_id = 'P1'")
    scene.person("P9", ["001"], last_name="Last P1", email="p1@acme.com")
    assert all_went_well(scene.sync())
    scene.plan()
    (found,) = find_merges(scene.mart, scene.project)
    assert (found.rule_name, found.state) == ("same email and name", "found")
