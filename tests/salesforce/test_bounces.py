"""Addresses that bounced in the org: from the snapshot to the golden record and back."""

from __future__ import annotations

import pytest

from memsync_assets.contacts.decisions import decision
from memsync_assets.contacts.identity import resolve_persons
from memsync_assets.contacts.normalize import normalize_contacts
from tests.contacts.rows import contact, role, write
from tests.salesforce.scene import Scene
from tests.salesforce.test_sync import all_went_well

BOUNCE = {"EmailBouncedReason": "550 no such user", "EmailBouncedDate": "2026-11-19T08:00:00.000+0000"}
NO_BOUNCE = {"EmailBouncedReason": None, "EmailBouncedDate": None}
#: The contacts of `delivered`.
ONE_PERSON = decision("always_link", ("a", "0"), ("a", "1"))


def run(scene: Scene) -> None:
    """What a run does with contacts, without loads."""
    normalize_contacts(scene.mart)
    resolve_persons(scene.mart, scene.project.settings, [ONE_PERSON])
    assert all_went_well(scene.sync())


def delivered(scene: Scene, *emails: str) -> None:
    """One person, with a contact for each address; the first goes first."""
    contacts = [contact(f"a:{n}", "Ann Lee", email=email, phone="213-555-0147") for n, email in enumerate(emails)]
    write(scene.mart, "source_contacts", *contacts)
    write(scene.mart, "source_contact_roles", *(role(f"a:{n}", "G1") for n in range(len(emails))))
    write(scene.mart, "employer_groups", {"source_system": "a", "group_id": "G1", "group_name": "Acme"})


def held(scene: Scene) -> tuple[str | None, str]:
    """The address and its status in the org."""
    ((row,)) = scene.rows("SELECT Email, Email_Status__c FROM Contact")
    return row["Email"], row["Email_Status__c"]


@pytest.fixture
def bounced(scene: Scene) -> Scene:
    """A Contact whose address bounced, as the org says and memsync has read."""
    delivered(scene, "Ann@acme.com")
    run(scene)
    assert held(scene) == ("ann@acme.com", "valid")
    say(scene, **BOUNCE, Email="ANN@acme.com")
    run(scene)
    return scene


def say(scene: Scene, **values: str | None) -> None:
    ((row,)) = scene.rows("SELECT Id FROM Contact")
    scene.change("Contact", row["Id"], **values)


def test_an_address_that_bounced_is_not_sent_again(bounced: Scene) -> None:
    for _ in range(2):
        run(bounced)
        assert held(bounced) == (None, "bounced")
    assert bounced.plan().changes == 0
    assert bounced.fetch("SELECT email, reason FROM bounced_emails") == [
        {"email": "ann@acme.com", "reason": BOUNCE["EmailBouncedReason"]}
    ]


def test_it_ends_when_the_org_no_longer_says_so(bounced: Scene) -> None:
    run(bounced)
    say(bounced, **NO_BOUNCE)
    run(bounced)
    run(bounced)
    assert held(bounced) == ("ann@acme.com", "valid")


def test_another_address_is_sent_though_the_org_still_says_that_one_bounced(bounced: Scene) -> None:
    run(bounced)
    delivered(bounced, "lee@acme.com")
    for _ in range(3):
        run(bounced)
        assert held(bounced) == ("lee@acme.com", "valid")
    say(bounced, EmailBouncedDate="2026-11-20T08:00:00.000+0000")
    run(bounced)
    run(bounced)
    assert held(bounced) == (None, "bounced")


def test_an_address_that_bounced_does_not_survive_another(scene: Scene) -> None:
    delivered(scene, "ann@acme.com", "lee@acme.com")
    run(scene)
    assert held(scene) == ("ann@acme.com", "valid")
    say(scene, **BOUNCE)
    for _ in range(3):
        run(scene)
    assert held(scene) == ("lee@acme.com", "valid")
