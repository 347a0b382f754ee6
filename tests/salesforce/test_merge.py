"""Contacts that the org has twice: merged once, whole, and taken back when a person says so."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from memsync_assets.contacts.review import decide
from memsync_assets.salesforce import merge as merging
from memsync_assets.salesforce import soap
from memsync_assets.salesforce.merge import MergeCounts, count_states, find_merges, merge_duplicates, undo_merge
from memsync_assets.salesforce.merge_candidates import refuse_unmergeable
from memsync_assets.settings import MemsyncError
from tests.salesforce.killing import killed_at
from tests.salesforce.scene import Scene
from tests.salesforce.test_sync import all_went_well, small

CONTACTS = (
    "SELECT Id, Person_Id__c, FirstName, LastName, Email, Title, AccountId, ReportsToId, Description FROM Contact"
    " ORDER BY Id"
)
RELATIONS = (
    "SELECT AccountId, ContactId, IsDirect, IsActive, Roles, Relation_Key__c, StartDate FROM AccountContactRelation"
    " ORDER BY AccountId, ContactId"
)


def twice(scene: Scene) -> tuple[str, str]:
    """P1 is in the org twice, both at group 001 and 002 and each with somebody below; gives master and loser."""
    small(scene).sync()
    ((master,)) = scene.rows("SELECT Id, AccountId FROM Contact WHERE Person_Id__c = 'P1'")
    accounts = {row["Membership_Key__c"]: row["Id"] for row in scene.rows("SELECT Id, Membership_Key__c FROM Account")}
    loser = scene.make(
        "Contact", FirstName="ANN", LastName="Last P1", Email="P1@acme.com", AccountId=accounts["GR:a:002"], Title="HR"
    )
    scene.make("AccountContactRelation", AccountId=accounts["GR:a:001"], ContactId=loser, Roles="Other")
    scene.make("Contact", LastName="Below", ReportsToId=loser)
    return master["Id"], loser


def merge(scene: Scene, *approve: str) -> MergeCounts:
    return merge_duplicates(scene.mart, scene.project, scene.org, approve)


def state(scene: Scene) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    return scene.rows(CONTACTS), scene.rows(RELATIONS)


def test_a_certain_duplicate_is_merged_with_all_that_hangs_on_it(scene: Scene) -> None:
    master, loser = twice(scene)
    scene.plan()
    counts = merge(scene)
    assert (counts.found, counts.merged, counts.failed) == (1, 1, 0), counts
    contacts = {row["Id"]: row for row in scene.rows(CONTACTS)}
    assert loser not in contacts
    assert contacts[master]["Title"] == "HR Director"
    assert [row["ReportsToId"] for row in contacts.values() if row["LastName"] == "Below"] == [master]
    assert merge(scene).found == 0
    assert all_went_well(scene.sync())
    assert scene.plan().changes == 0
    assert len(scene.rows("SELECT Id FROM AccountContactRelation WHERE Contact.Person_Id__c = 'P1'")) == 2


def test_an_undone_merge_leaves_the_org_as_it_was(scene: Scene) -> None:
    twice(scene)
    scene.plan()
    before = state(scene)
    merge(scene)
    assert state(scene) != before
    ((done,)) = scene.fetch("SELECT merge_id FROM contact_merges WHERE state = 'merged'")
    undo_merge(scene.mart, scene.project, scene.org, done["merge_id"])
    assert state(scene) == before
    scene.plan()
    assert merge(scene).found == 0, "what a person took back is not merged again"


def test_two_persons_that_became_one_in_the_mart_become_one_contact(scene: Scene) -> None:
    small(scene).sync()
    scene.put("person_ids", {"person_id": "P2", "sequence_number": 2, "alias_of": "P1"})
    for table in ("persons", "person_roles"):
        scene.do(f"DELETE FROM {table} WHERE person_id = 'P2'")
    scene.plan()
    assert (merge(scene).merged, len(scene.rows("SELECT Id FROM Contact"))) == (1, 1)
    assert all_went_well(scene.sync())
    assert scene.plan().changes == 0
    relations = scene.rows("SELECT Relation_Key__c, IsActive FROM AccountContactRelation ORDER BY Relation_Key__c")
    assert [row["Relation_Key__c"] for row in relations] == ["P1:GR:a:001", "P1:GR:a:002"]


def test_what_is_not_certain_waits_for_a_person(scene: Scene) -> None:
    small(scene).sync()
    ((account,)) = scene.rows("SELECT AccountId FROM Contact WHERE Person_Id__c = 'P1'")
    scene.make("Contact", FirstName="Ann", LastName="Last P1", Email="other@acme.com", AccountId=account["AccountId"])
    scene.plan()
    counts = merge(scene)
    assert (counts.found, counts.review, counts.merged) == (0, 1, 0)
    ((waiting,)) = find_merges(scene.mart, scene.project)
    assert waiting.rule_name == "same name at one account"
    assert merge(scene, waiting.merge_id).merged == 1
    with pytest.raises(MemsyncError, match="no merge nobody waits"):
        merge(scene, "nobody")


def doubtful(scene: Scene) -> tuple[str, str]:
    """Another Contact of P1's name at P1's account; gives both."""
    small(scene).sync()
    ((master,)) = scene.rows("SELECT Id, AccountId FROM Contact WHERE Person_Id__c = 'P1'")
    loser = scene.make(
        "Contact", FirstName="Ann", LastName="Last P1", Email="other@acme.com", AccountId=master["AccountId"]
    )
    scene.plan()
    return master["Id"], loser


@pytest.mark.parametrize("same", [True, False])
def test_what_is_not_certain_is_decided_by_review(scene: Scene, same: bool) -> None:
    pair = doubtful(scene)
    assert merge(scene).review == 1
    decide(scene.mart, scene.project, *(f"salesforce/{one}" for one in pair), same=same, by="jo")
    counts = merge(scene)
    assert (counts.found, counts.review, counts.merged) == (int(same), 0, int(same))
    assert (pair[1] in {row["Id"] for row in scene.rows(CONTACTS)}) is not same
    assert find_merges(scene.mart, scene.project) == []


def test_a_decision_takes_two_contacts_of_the_org_or_none(scene: Scene) -> None:
    with pytest.raises(MemsyncError, match="only be decided with another one"):
        decide(scene.mart, scene.project, "salesforce/003", "a/1", same=True, by="jo")


def test_one_contact_that_could_go_into_two_is_certain_of_none_until_a_person_says_so(scene: Scene) -> None:
    scene.group("001")
    for person in ("P1", "P2"):
        scene.person(person, ["001"], last_name="Last", email="ann@acme.com")
    scene.sync()
    loser = scene.make("Contact", FirstName="Ann", LastName="Last", Email="ann@acme.com")
    scene.plan()
    assert (merge(scene).review, merge(scene).merged) == (2, 0)
    ((master,)) = scene.rows("SELECT Id FROM Contact WHERE Person_Id__c = 'P2'")
    decide(scene.mart, scene.project, f"salesforce/{loser}", f"salesforce/{master['Id']}", same=True, by="jo")
    counts = merge(scene)
    assert (counts.review, counts.merged) == (0, 1)


def test_a_pair_that_no_rule_found_is_merged_when_a_person_says_so(scene: Scene) -> None:
    small(scene).sync()
    ((master,)) = scene.rows("SELECT Id FROM Contact WHERE Person_Id__c = 'P1'")
    loser = scene.make("Contact", FirstName="Nan", LastName="Former", Email="nan@home.net")
    scene.plan()
    assert merge(scene).review == 0
    decide(scene.mart, scene.project, f"salesforce/{loser}", f"salesforce/{master['Id']}", same=True, by="jo")
    assert (merge(scene).merged, merge(scene).found) == (1, 0)
    assert loser not in {row["Id"] for row in scene.rows(CONTACTS)}


def test_what_can_never_be_merged_cannot_be_decided(scene: Scene) -> None:
    refuse_unmergeable(scene.mart, "a/1", "a/2")
    with pytest.raises(MemsyncError, match="never read: make a plan"):
        decide(scene.mart, scene.project, "salesforce/003A", "salesforce/003B", same=True, by="jo")
    small(scene).sync()
    ours = [f"salesforce/{row['Id']}" for row in scene.rows(CONTACTS)]
    theirs = [f"salesforce/{scene.make('Contact', LastName=name)}" for name in ("One", "Other")]
    scene.plan()
    with pytest.raises(MemsyncError, match="salesforce/003X: no such contact is known in the last snapshot"):
        decide(scene.mart, scene.project, ours[0], "salesforce/003X", same=False, by="jo")
    with pytest.raises(MemsyncError, match="two persons of the source systems, P"):
        refuse_unmergeable(scene.mart, *ours)
    with pytest.raises(MemsyncError, match="neither is a Contact of a person"):
        refuse_unmergeable(scene.mart, *theirs)
    with pytest.raises(MemsyncError, match="a/1: no such contact is known in the source systems"):
        decide(scene.mart, scene.project, "a/1", "a/2", same=True, by="jo")


def test_what_waited_and_is_gone_waits_no_more(scene: Scene) -> None:
    _, loser = doubtful(scene)
    assert merge(scene).review == 1
    scene.delete("Contact", loser)
    scene.plan()
    assert find_merges(scene.mart, scene.project) == []


def test_persons_that_became_one_by_and_by_become_one_contact(scene: Scene) -> None:
    small(scene).person("P3", ["002"])
    scene.sync()
    for number, (person, other) in enumerate({"P3": "P2", "P2": "P1"}.items()):
        scene.put("person_ids", {"person_id": person, "sequence_number": number, "alias_of": other})
        for table in ("persons", "person_roles"):
            scene.do(f"DELETE FROM {table} WHERE person_id = '{person}'")
    scene.plan()
    assert (merge(scene).merged, len(scene.rows("SELECT Id FROM Contact"))) == (2, 1)


def test_what_only_the_loser_knows_and_salesforce_owns_is_kept(scene: Scene) -> None:
    master, loser = twice(scene)
    scene.change("Contact", loser, Description="met at the fair", Title="no business of theirs")
    scene.plan()
    before = state(scene)
    assert merge(scene).merged == 1
    ((kept,)) = scene.rows(f"SELECT Description, Title FROM Contact WHERE Id = '{master}'")
    assert kept == {"Description": "met at the fair", "Title": "HR Director"}
    ((done,)) = scene.fetch("SELECT merge_id FROM contact_merges")
    undo_merge(scene.mart, scene.project, scene.org, done["merge_id"])
    assert state(scene) == before


def test_an_undo_leaves_alone_what_somebody_has_taken_away_since(scene: Scene) -> None:
    twice(scene)
    scene.plan()
    merge(scene)
    ((below,)) = scene.rows("SELECT Id FROM Contact WHERE LastName = 'Below'")
    ((other,)) = scene.rows("SELECT Id FROM Contact WHERE Person_Id__c = 'P2'")
    scene.change("Contact", below["Id"], ReportsToId=other["Id"])
    ((done,)) = scene.fetch("SELECT merge_id FROM contact_merges")
    undo_merge(scene.mart, scene.project, scene.org, done["merge_id"])
    assert scene.rows("SELECT ReportsToId FROM Contact WHERE LastName = 'Below'") == [{"ReportsToId": other["Id"]}]


@pytest.mark.parametrize(("times", "merged"), [(2, 1), (1000, 0)])
def test_a_merge_that_meets_a_lock_is_tried_again(scene: Scene, times: int, merged: int) -> None:
    master, loser = twice(scene)
    scene.plan()
    scene.fault(kind="lock", ids=[master], times=times)
    counts = merge(scene)
    assert (counts.merged, counts.failed) == (merged, 1 - merged)
    scene.no_faults()
    assert merge(scene).merged == 1 - merged
    assert loser not in {row["Id"] for row in scene.rows(CONTACTS)}


def test_a_merge_that_salesforce_refuses_is_shown_and_made_when_it_is_approved(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    twice(scene)
    scene.plan()
    with monkeypatch.context() as forgetful:
        forgetful.setattr(merging, "_delete_redundant_relations", lambda *_: None)
        assert merge(scene).codes == {"MERGE_FAILED": 1}
    ((failed,)) = find_merges(scene.mart, scene.project)
    assert (failed.state, failed.error_code) == ("failed", "MERGE_FAILED")
    assert merge(scene).merged == 0
    assert count_states(scene.mart) == {"failed": 1}
    assert merge(scene, failed.merge_id).merged == 1
    assert count_states(scene.mart) == {"merged": 1}


def test_without_an_org_nothing_is_merged(scene: Scene) -> None:
    """The graph asks for merges also where `salesforce.target` is none, and no snapshot was ever taken."""
    assert merge_duplicates(scene.mart, scene.project, None) == MergeCounts(0, 0, 0, 0, skipped_because="plan_only")


def test_merges_leave_the_reserved_calls_alone(scene: Scene) -> None:
    twice(scene)
    scene.plan()
    scene.fault(kind="limit", remaining=1003)
    scene.rows("SELECT Id FROM Organization")
    counts = merge(scene)
    assert (counts.merged, counts.skipped_because) == (0, "api_budget")


def test_a_shared_mailbox_is_no_reason_to_merge(scene: Scene) -> None:
    scene.group("001")
    scene.person("P1", ["001"], email="benefits@acme.com", email_status="role")
    scene.sync()
    scene.make("Contact", FirstName="Ann", LastName="Last P1", Email="benefits@acme.com")
    scene.plan()
    assert (merge(scene).found, len(scene.rows("SELECT Id FROM Contact"))) == (0, 2)


def test_more_merges_than_the_breaker_allows_wait(scene: Scene) -> None:
    twice(scene)
    scene.set(breaker={"Contact": {"removals": 0}})
    scene.plan()
    counts = merge(scene)
    assert (counts.merged, counts.skipped_because) == (0, "held_by_breaker")
    ((held,)) = find_merges(scene.mart, scene.project)
    assert merge(scene, held.merge_id).merged == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "cut", "when": "after", "path": "/Soap/"},
        {"kind": "expire", "path": "/Soap/"},
        {"kind": "cut", "when": "after", "method": "DELETE", "path": "AccountContactRelation"},
    ],
    ids=lambda fault: "-".join(str(value) for value in fault.values()),
)
def test_a_merge_over_a_bad_line_is_made_once(scene: Scene, fault: dict[str, Any]) -> None:
    _, loser = twice(scene)
    scene.plan()
    scene.fault(**fault)
    counts = merge(scene)
    assert (counts.merged, counts.failed) == (1, 0), counts
    assert loser not in {row["Id"] for row in scene.rows(CONTACTS)}


def test_a_merge_or_an_undo_killed_at_any_step_goes_on_where_it_was(on_disk: Scene, tmp_path: Path) -> None:
    scene = on_disk
    steps = [(merging, "_store"), (soap, "merge"), (soap, "undelete")]
    twice(scene)
    scene.plan()
    before = state(scene)
    merge_id = find_merges(scene.mart, scene.project)[0].merge_id
    merged = None

    def do(undoing: bool) -> None:
        if undoing:
            undo_merge(scene.mart, scene.project, scene.org, merge_id)
        else:
            merge_duplicates(scene.mart, scene.project, scene.org, [merge_id])

    points = 0
    for undoing in (False, True):
        step, killed = 0, True
        while killed:
            step += 1
            scene.mart.close()
            shutil.copy(scene.project.home.mart, tmp_path / "begun")

            def work(undoing: bool = undoing) -> None:
                scene.reopen(tmp_path / "begun")
                do(undoing)

            killed = killed_at(step, work, steps)
            points += killed
            scene.reopen(tmp_path / "begun")
            if killed:
                do(undoing)
            if undoing:
                assert state(scene) == before, step
                # Merge again, so that the next step has something to undo.
                do(False)
            else:
                merged = merged or state(scene)
                assert state(scene) == merged, step
                do(True)
                assert state(scene) == before, step
            scene.mart.close()
            scene.reopen(scene.project.home.mart)
        if not undoing:
            do(False)
    assert points >= 14, points
