"""From the mart to the org and back: what is planned, what is sent, what stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from memsync_assets.salesforce.apply import apply_plan
from memsync_assets.salesforce.plan import make_plan
from memsync_assets.salesforce.results import SyncCounts
from memsync_assets.settings import MemsyncError
from tests.salesforce.scene import Scene


def all_went_well(counts: SyncCounts) -> bool:
    return counts.planned == counts.succeeded and not counts.codes


def small(scene: Scene) -> Scene:
    """Two groups of one legal entity; P1 at both, P2 at the second."""
    scene.group("001", phone="+13125550100", address_line1="1 MAIN ST", city="CHICAGO", ihm_indicator="Y")
    scene.group("002")
    scene.person("P1", ["001", "002"], title="HR Director", phone="+13125550101", phone_ext="12")
    scene.person("P2", ["002"])
    return scene


def test_a_first_sync_makes_accounts_contacts_and_relations(scene: Scene) -> None:
    counts = small(scene).sync()
    assert all_went_well(counts), counts
    groups = scene.rows(
        "SELECT Name, Membership_Key__c, Parent.Membership_Key__c, Phone, BillingStreet, IHM__c FROM Account"
        " WHERE ParentId != null ORDER BY Membership_Key__c"
    )
    assert groups[0] == {
        "Name": "Group 001",
        "Membership_Key__c": "GR:a:001",
        "Parent": groups[0]["Parent"],
        "Phone": "+13125550100",
        "BillingStreet": "1 MAIN ST",
        "IHM__c": True,
    }
    assert groups[0]["Parent"]["Membership_Key__c"] == "LE:E1"
    contacts = scene.rows(
        "SELECT Person_Id__c, Account.Membership_Key__c, Title, Email FROM Contact ORDER BY Person_Id__c"
    )
    assert [(one["Person_Id__c"], one["Account"]["Membership_Key__c"]) for one in contacts] == [
        ("P1", "GR:a:001"),
        ("P2", "GR:a:002"),
    ]
    relations = scene.rows(
        "SELECT Relation_Key__c, IsDirect, Roles, IsActive, StartDate, Is_Primary__c FROM AccountContactRelation"
        " ORDER BY Relation_Key__c"
    )
    assert [(one["Relation_Key__c"], one["IsDirect"]) for one in relations] == [
        ("P1:GR:a:001", True),
        ("P1:GR:a:002", False),
        ("P2:GR:a:002", True),
    ]
    assert {(one["Roles"], one["IsActive"], one["StartDate"]) for one in relations} == {("Broker", True, "2026-01-01")}


def test_a_second_run_finds_nothing_and_writes_nothing(scene: Scene) -> None:
    small(scene).sync()
    plan = scene.plan()
    assert (plan.changes, plan.records) == (0, {})
    assert plan.api_calls <= 4  # which org it is, and one query an object
    counts = scene.apply()
    assert (counts.planned, counts.write_calls, counts.api_calls) == (0, 0, 0)


def test_a_run_without_a_change_makes_no_more_calls_than_the_snapshot_needs(scene: Scene) -> None:
    small(scene).sync()
    scene.log_out()
    assert scene.plan().api_calls == 1 + 3 + 3  # which org it is; describe and changes of each object
    scene.log_out()
    assert (scene.apply().api_calls, scene.org.calls) == (0, 0)


def test_only_what_changed_is_read_again(scene: Scene) -> None:
    small(scene).sync()
    scene.do("UPDATE salesforce_snapshots SET read_up_to = '2100-01-01' WHERE object_name <> 'Contact'")
    ((contact,)) = scene.rows("SELECT Id FROM Contact WHERE Person_Id__c = 'P1'")
    scene.change("Contact", contact["Id"], Title="Boss")
    plan = scene.plan()
    assert (plan.read["Account"], plan.read["AccountContactRelation"]) == (0, 0)
    assert plan.records == {"Contact update": 1}


def test_applying_again_sends_nothing_and_gives_the_same_results(scene: Scene) -> None:
    first = small(scene).sync()
    again = scene.apply()
    assert (again.planned, again.succeeded, again.write_calls) == (first.planned, first.succeeded, 0)


def test_a_change_in_the_source_is_the_only_thing_sent(scene: Scene) -> None:
    small(scene).sync()
    scene.do("UPDATE persons SET title = 'Chief of HR' WHERE person_id = 'P1'")
    scene.plan()
    assert scene.fetch(
        "SELECT object_name, external_id, field_name, before_value, after_value, reason FROM sync_plan"
    ) == [
        {
            "object_name": "Contact",
            "external_id": "P1",
            "field_name": "Title",
            "before_value": "HR Director",
            "after_value": "Chief of HR",
            "reason": "source changed",
        }
    ]
    assert scene.apply().write_calls == 1
    assert scene.plan().changes == 0


def test_a_field_that_a_user_changed_is_set_right_and_counted_as_drift(scene: Scene) -> None:
    small(scene).sync()
    ((contact,)) = scene.rows("SELECT Id FROM Contact WHERE Person_Id__c = 'P1'")
    scene.change("Contact", contact["Id"], Title="Boss", Description="met at the fair")
    plan = scene.plan()
    assert plan.reasons == {"drift: changed in Salesforce": 1}
    assert all_went_well(scene.apply())
    ((contact,)) = scene.rows("SELECT Title, Description FROM Contact WHERE Person_Id__c = 'P1'")
    assert contact == {"Title": "HR Director", "Description": "met at the fair"}
    assert scene.plan().changes == 0


def test_what_the_source_no_longer_says_is_cleared(scene: Scene) -> None:
    small(scene).sync()
    scene.do("UPDATE persons SET title = NULL, email = NULL, email_status = 'invalid' WHERE person_id = 'P1'")
    assert all_went_well(scene.sync())
    assert scene.rows("SELECT Title, Email, Email_Status__c FROM Contact WHERE Person_Id__c = 'P1'") == [
        {"Title": None, "Email": None, "Email_Status__c": "invalid"}
    ]


def test_a_bad_email_is_never_sent_even_if_the_person_still_carries_it(scene: Scene) -> None:
    scene.group("001")
    scene.person("P1", ["001"], email="none@none.com", email_status="placeholder")
    scene.sync()
    assert scene.rows("SELECT Email, Email_Status__c FROM Contact") == [
        {"Email": None, "Email_Status__c": "placeholder"}
    ]


def test_a_contact_that_the_org_has_already_is_adopted(scene: Scene) -> None:
    there = scene.make("Contact", FirstName="ANN", LastName="last p1", Email="P1@ACME.com", Description="old friend")
    other = scene.make("Contact", FirstName="Bob", LastName="last p1", Email="P1@ACME.com")
    plan = small(scene).plan()
    assert plan.records["Contact update"] == 1
    assert plan.reasons["adopted"] > 1
    assert all_went_well(scene.apply())
    found = {one["Id"]: one for one in scene.rows("SELECT Id, Person_Id__c, FirstName, Description FROM Contact")}
    assert len(found) == 3
    assert found[there] == {"Id": there, "Person_Id__c": "P1", "FirstName": "Ann", "Description": "old friend"}
    assert found[other]["Person_Id__c"] is None
    assert scene.plan().changes == 0


def test_an_account_that_the_org_has_already_is_adopted(scene: Scene) -> None:
    there = scene.make("Account", Name="GROUP 001", BillingState="IL", Fax="1")
    elsewhere = scene.make("Account", Name="Group 002", BillingState="TX")
    scene.group("001", state_code="IL")
    scene.group("002", state_code="IL")
    assert all_went_well(scene.sync())
    keys = {row["Id"]: row["Membership_Key__c"] for row in scene.rows("SELECT Id, Membership_Key__c FROM Account")}
    assert len(keys) == 4
    assert (keys[there], keys[elsewhere]) == ("GR:a:001", None)


def test_of_two_contacts_that_are_the_person_the_first_is_adopted(scene: Scene) -> None:
    first, _ = (scene.make("Contact", FirstName="Ann", LastName="Last P1", Email="p1@acme.com") for _ in range(2))
    assert small(scene).plan().records["Contact insert"] == 1
    assert all_went_well(scene.apply())
    assert scene.rows("SELECT Id FROM Contact WHERE Person_Id__c = 'P1'") == [{"Id": first}]


def test_a_contact_that_two_persons_could_be_is_left_alone(scene: Scene) -> None:
    scene.make("Contact", FirstName="Ann", LastName="Last", Email="ann@acme.com")
    scene.group("001")
    for person in ("P1", "P2"):
        scene.person(person, ["001"], last_name="Last", email="ann@acme.com")
    assert scene.plan().records["Contact insert"] == 2


def test_a_role_that_ends_takes_its_relation_along(scene: Scene) -> None:
    small(scene).sync()
    scene.do("DELETE FROM person_roles WHERE person_id = 'P1' AND group_id = '002'")
    plan = scene.plan()
    assert plan.records == {"AccountContactRelation delete": 1}
    assert all_went_well(scene.apply())
    assert len(scene.rows("SELECT Id FROM AccountContactRelation WHERE Contact.Person_Id__c = 'P1'")) == 1
    assert scene.plan().changes == 0


def test_a_person_who_changes_groups_moves_and_leaves_no_relation_behind(scene: Scene) -> None:
    small(scene).group("003")
    scene.sync()
    scene.do("DELETE FROM person_roles WHERE person_id = 'P2'")
    scene.role("P2", "003", is_primary="Y")
    assert all_went_well(scene.sync())
    assert [
        (one["Relation_Key__c"], one["IsDirect"])
        for one in scene.rows(
            "SELECT Relation_Key__c, IsDirect FROM AccountContactRelation WHERE Contact.Person_Id__c = 'P2'"
        )
    ] == [("P2:GR:a:003", True)]
    assert scene.plan().changes == 0


def test_a_person_without_any_role_stays_where_it_was_with_an_inactive_relation(scene: Scene) -> None:
    small(scene).sync()
    scene.do("DELETE FROM person_roles WHERE person_id = 'P2'")
    assert all_went_well(scene.sync())
    ((relation,)) = scene.rows(
        "SELECT IsActive, IsDirect FROM AccountContactRelation WHERE Contact.Person_Id__c = 'P2'"
    )
    assert relation == {"IsActive": False, "IsDirect": True}
    assert scene.plan().changes == 0


def test_a_person_and_a_group_that_are_gone_are_deactivated(scene: Scene) -> None:
    small(scene).sync()
    for table in ("persons", "person_roles"):
        scene.do(f"DELETE FROM {table} WHERE person_id = 'P2'")
    scene.do("DELETE FROM person_roles WHERE group_id = '002'")
    for table in ("employer_groups", "normalized_groups", "group_legal_entities"):
        scene.do(f"DELETE FROM {table} WHERE group_id = '002'")
    assert all_went_well(scene.sync())
    assert scene.rows("SELECT Membership_Status__c FROM Contact WHERE Person_Id__c = 'P2'") == [
        {"Membership_Status__c": "Inactive"}
    ]
    assert scene.rows("SELECT Membership_Status__c FROM Account WHERE Membership_Key__c = 'GR:a:002'") == [
        {"Membership_Status__c": "Inactive"}
    ]
    assert scene.plan().changes == 0


def test_roles_at_one_group_are_one_relation_and_former_ones_do_not_count(scene: Scene) -> None:
    small(scene)
    scene.role("P1", "001", "BENEFITS")
    scene.role("P1", "001", "something else")
    scene.role("P1", "001", "BILLING", termination_date=date(2020, 1, 1))
    scene.sync()
    ((relation,)) = scene.rows("SELECT Roles FROM AccountContactRelation WHERE Relation_Key__c = 'P1:GR:a:001'")
    assert set(relation["Roles"].split(";")) == {"Benefits Administrator", "Broker", "Other"}
    assert scene.plan().changes == 0


def test_a_record_that_a_user_deleted_is_made_again(scene: Scene) -> None:
    small(scene).sync()
    ((contact,)) = scene.rows("SELECT Id FROM Contact WHERE Person_Id__c = 'P2'")
    scene.delete("Contact", contact["Id"])
    plan = scene.plan()
    assert plan.records == {"AccountContactRelation insert": 1, "Contact insert": 1}
    assert all_went_well(scene.apply())
    assert scene.plan().changes == 0


def test_without_an_org_everything_is_new_and_skipped(scene: Scene) -> None:
    small(scene)
    plan = make_plan(scene.mart, scene.project, None)
    counts = apply_plan(scene.mart, scene.project, None)
    assert plan.records == {"Account insert": 3, "AccountContactRelation insert": 3, "Contact insert": 2}
    assert (counts.planned, counts.skipped, counts.codes) == (plan.changes, plan.changes, {"plan_only": plan.changes})


def test_plan_only_reads_the_org_and_leaves_it_as_it_is(scene: Scene) -> None:
    small(scene)
    scene.project = replace(scene.project, plan_only=True)
    counts = scene.sync()
    assert (counts.skipped, counts.skipped_because) == (counts.planned, "plan_only")
    assert scene.rows("SELECT Id FROM Account") == []
    scene.project = replace(scene.project, plan_only=False)
    assert all_went_well(scene.sync())


def test_n_changed_records_take_as_few_calls_as_fit_200_each(scene: Scene) -> None:
    scene.group("001")
    for number in range(450):
        scene.person(f"P{number:03}", ["001"])
    scene.sync()
    scene.do("UPDATE persons SET title = 'changed'")
    scene.set(breaker={"default": {"changed_share": 1.0}})
    counts = scene.sync()
    assert (counts.succeeded, counts.write_calls) == (450, 3)


def test_groups_that_differ_only_in_case_are_two_accounts(scene: Scene) -> None:
    scene.group("a1")
    scene.group("A1")
    scene.person("P1", ["a1", "A1"])
    assert all_went_well(scene.sync())
    keys = {row["Membership_Key__c"] for row in scene.rows("SELECT Membership_Key__c FROM Account")}
    assert keys == {"LE:E1", "GR:a:a1", "GR:a:A1"}
    assert scene.plan().changes == 0


def test_an_org_that_takes_them_for_one_is_said_so(scene: Scene) -> None:
    scene.group("a1")
    scene.group("A1")
    key = scene.org.describe("Account").by_name["Membership_Key__c"]
    scene.org.describe("Account").by_name["Membership_Key__c"] = key.model_copy(update={"caseSensitive": False})
    with pytest.raises(MemsyncError, match="1 keys differ only in upper and lower case"):
        scene.plan()


def test_a_relation_is_active_while_a_role_of_it_is_in_force(scene: Scene) -> None:
    scene.project = replace(scene.project, as_of=date(2026, 11, 20))
    for group in ("001", "002", "003"):
        scene.group(group)
    scene.person("P1")
    scene.role("P1", "001", is_primary="Y", termination_date=date(2027, 1, 1))
    scene.role("P1", "002", effective_date=date(2027, 6, 1))
    scene.role("P1", "003", termination_date=date(2026, 11, 20))
    assert all_went_well(scene.sync())
    assert active_relations(scene) == {"P1:GR:a:001"}
    scene.project = replace(scene.project, as_of=date(2027, 6, 1))
    assert all_went_well(scene.sync())
    assert active_relations(scene) == {"P1:GR:a:002"}


def test_a_contact_that_was_moved_by_hand_comes_back_and_the_relation_made_thereby_is_left_to_people(
    scene: Scene,
) -> None:
    small(scene).sync()
    elsewhere = scene.make("Account", Name="Elsewhere")
    ((contact,)) = scene.rows("SELECT Id FROM Contact WHERE Person_Id__c = 'P2'")
    scene.change("Contact", contact["Id"], AccountId=elsewhere)
    assert all_went_well(scene.sync())
    assert scene.plan().changes == 0
    direct = "SELECT Relation_Key__c FROM AccountContactRelation WHERE Contact.Person_Id__c = 'P2' AND IsDirect = true"
    assert scene.rows(direct) == [{"Relation_Key__c": "P2:GR:a:002"}]
    left = f"SELECT Relation_Key__c, IsActive FROM AccountContactRelation WHERE AccountId = '{elsewhere}'"
    assert scene.rows(left) == [{"Relation_Key__c": None, "IsActive": True}]


def test_an_inactive_persons_relations_are_inactive(scene: Scene) -> None:
    small(scene).sync()
    scene.do("UPDATE persons SET is_active = 'N' WHERE person_id = 'P1'")
    assert all_went_well(scene.sync())
    assert active_relations(scene) == {"P2:GR:a:002"}
    assert scene.plan().changes == 0


def active_relations(scene: Scene) -> set[str]:
    rows = scene.rows("SELECT Relation_Key__c FROM AccountContactRelation WHERE IsActive = true")
    return {row["Relation_Key__c"] for row in rows}
