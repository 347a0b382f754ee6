"""What goes wrong on the way, and what is done about it. Every scriptable fault in turn is in test_every_fault."""

from __future__ import annotations

from dataclasses import replace

import pytest

from memsync_assets.salesforce.errors import StalePlanError
from memsync_assets.salesforce.results import SyncCounts
from memsync_assets.settings import MemsyncError
from tests.salesforce.scene import Scene
from tests.salesforce.test_sync import all_went_well, small

WRITES = "composite/sobjects"


def adds_up(counts: SyncCounts) -> bool:
    return counts.planned == counts.succeeded + counts.failed + counts.skipped


def ends_clean(scene: Scene) -> bool:
    """The next run, without any fault, brings the org into agreement, and the one after it has nothing to do."""
    scene.sync()
    return scene.plan().changes == 0 and len(scene.rows("SELECT Id FROM Contact")) == 2


def test_an_org_that_refuses_every_write_fails_the_records_and_the_next_run_makes_up_for_it(scene: Scene) -> None:
    small(scene)
    scene.fault(kind="status", status=429, method="PATCH", path=WRITES, times=1000)
    counts = scene.sync()
    assert adds_up(counts)
    assert counts.succeeded == 0
    assert set(counts.codes) == {"REQUEST_LIMIT_EXCEEDED", "parent_failed"}
    scene.no_faults()
    assert ends_clean(scene)


def test_locked_parents_are_tried_again_one_at_a_time(scene: Scene) -> None:
    small(scene).sync()
    accounts = [row["Id"] for row in scene.rows("SELECT Id FROM Account WHERE ParentId != null")]
    scene.fault(kind="lock", ids=accounts, times=2)
    scene.do("UPDATE persons SET title = 'new'")
    scene.plan()
    counts = scene.apply()
    assert all_went_well(counts)
    assert counts.write_calls > 2
    assert ends_clean(scene)


def test_a_lock_that_stays_fails_only_what_needs_it_and_is_no_dead_letter(scene: Scene) -> None:
    small(scene).sync()
    ((account,)) = scene.rows("SELECT Id FROM Account WHERE Membership_Key__c = 'GR:a:002'")
    scene.fault(kind="lock", ids=[account["Id"]], times=1000)
    scene.do("UPDATE persons SET title = 'new'")
    counts = scene.sync()
    assert (counts.succeeded, counts.failed, counts.codes) == (1, 1, {"UNABLE_TO_LOCK_ROW": 1})
    scene.no_faults()
    assert scene.plan().changes == 1
    assert ends_clean(scene)


def test_a_value_that_salesforce_refuses_holds_up_nothing_but_itself(scene: Scene) -> None:
    small(scene)
    scene.do("UPDATE persons SET title = REPEAT('x', 200) WHERE person_id = 'P2'")
    counts = scene.sync()
    assert adds_up(counts)
    assert (counts.failed, counts.codes) == (1, {"STRING_TOO_LONG": 1})
    assert scene.rows("SELECT Title, LastName FROM Contact WHERE Person_Id__c = 'P2'") == [
        {"Title": None, "LastName": "Last P2"}
    ]


def test_a_dead_letter_waits_until_its_value_changes(scene: Scene) -> None:
    small(scene)
    scene.do("UPDATE persons SET title = REPEAT('x', 200) WHERE person_id = 'P2'")
    scene.sync()
    plan = scene.plan()
    assert (plan.changes, plan.held_back) == (0, 1)
    assert [(row["field_name"], row["error_code"]) for row in scene.fetch("SELECT * FROM dead_letters")] == [
        ("Title", "STRING_TOO_LONG")
    ]
    assert scene.apply().write_calls == 0
    assert scene.plan(retry_failed=True).changes == 1
    scene.apply()
    assert [row["tries"] for row in scene.fetch("SELECT tries FROM dead_letters")] == [2 + 1]
    scene.do("UPDATE persons SET title = 'short' WHERE person_id = 'P2'")
    assert all_went_well(scene.sync())
    assert scene.fetch("SELECT 1 AS x FROM dead_letters") == []


def test_what_hangs_on_a_record_that_failed_is_skipped_and_comes_back_with_it(scene: Scene) -> None:
    small(scene)
    scene.do("UPDATE normalized_groups SET group_name = REPEAT('x', 300) WHERE group_id = '002'")
    counts = scene.sync()
    assert adds_up(counts)
    assert set(counts.codes) == {"STRING_TOO_LONG", "REQUIRED_FIELD_MISSING", "parent_failed"}
    assert scene.rows("SELECT Person_Id__c FROM Contact") == [{"Person_Id__c": "P1"}]
    assert scene.plan().changes == 0
    scene.do("UPDATE normalized_groups SET group_name = 'short' WHERE group_id = '002'")
    assert all_went_well(scene.sync())
    assert ends_clean(scene)


def test_a_duplicate_rule_is_a_dead_letter_with_its_code(scene: Scene) -> None:
    small(scene).group("003")
    scene.sync()
    scene.person("P3", ["003"])
    scene.fault(kind="duplicates", times=1)
    counts = scene.sync()
    assert set(counts.codes) == {"DUPLICATES_DETECTED", "parent_failed"}
    scene.no_faults()
    assert scene.plan().changes == 0
    scene.plan(retry_failed=True)
    assert all_went_well(scene.apply())


def test_the_budget_is_looked_at_before_anything_is_sent(scene: Scene) -> None:
    small(scene)
    scene.fault(kind="limit", remaining=1003)
    counts = scene.sync()
    assert (counts.skipped, counts.skipped_because) == (counts.planned, "api_budget")
    assert counts.write_calls == 0
    scene.no_faults()
    assert ends_clean(scene)


def test_the_budget_is_looked_at_while_sending(scene: Scene) -> None:
    small(scene)
    scene.plan()
    scene.fault(kind="limit", remaining=1008)
    counts = scene.apply()
    assert adds_up(counts)
    assert counts.codes == {"api_budget": counts.skipped}
    assert counts.succeeded > 0
    scene.no_faults()
    assert ends_clean(scene)


def test_a_day_whose_calls_are_used_up_ends_the_sync_and_says_so(scene: Scene) -> None:
    small(scene)
    scene.set(api_calls_reserved=0)
    scene.plan()
    scene.fault(kind="limit", remaining=7)
    counts = scene.apply()
    assert adds_up(counts)
    assert counts.skipped > 0
    scene.no_faults()
    assert ends_clean(scene)


def test_a_plan_is_stale_once_the_source_or_the_org_has_changed(scene: Scene) -> None:
    small(scene).plan()
    scene.do("UPDATE persons SET title = 'new' WHERE person_id = 'P1'")
    with pytest.raises(StalePlanError, match="stale"):
        scene.apply()
    assert all_went_well(scene.sync())
    scene.do("UPDATE persons SET title = 'newer' WHERE person_id = 'P1'")
    scene.plan()
    ((contact,)) = scene.rows("SELECT Id FROM Contact WHERE Person_Id__c = 'P1'")
    scene.change("Contact", contact["Id"], Phone="1")
    with pytest.raises(StalePlanError, match="stale"):
        scene.apply()
    assert scene.rows("SELECT Title FROM Contact WHERE Person_Id__c = 'P1'") == [{"Title": "new"}]


def test_only_the_plan_at_hand_can_be_approved(scene: Scene) -> None:
    plan = small(scene).plan()
    with pytest.raises(StalePlanError, match="Look at it"):
        scene.apply("0" * 64)
    with pytest.raises(StalePlanError, match="first 8 characters"):
        scene.apply(plan.plan_hash[:7])
    assert all_went_well(scene.apply(plan.plan_hash))


def test_the_breaker_holds_a_plan_until_it_is_approved(scene: Scene) -> None:
    scene.set(breaker={"Contact": {"changed_share": 0.5, "minimum_records": 1}, "default": {"removals": 0}})
    small(scene).sync()
    scene.do("UPDATE persons SET title = 'new'")
    plan = scene.plan()
    assert plan.held == "Contact: 2 of 2 live records change, more than 50%"
    counts = scene.apply()
    assert (counts.skipped, counts.codes) == (2, {"held_by_breaker": 2})
    assert all_went_well(scene.apply(plan.plan_hash[:12]))
    scene.do("DELETE FROM person_roles WHERE person_id = 'P1' AND group_id = '002'")
    assert scene.plan().held == "AccountContactRelation: 1 deletes and deactivations, more than 0"


def test_a_production_org_needs_an_explicit_opt_in(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    small(scene)
    production = replace(scene.org.organization, is_sandbox=False)
    monkeypatch.setitem(scene.org.__dict__, "organization", production)
    monkeypatch.setattr(scene.org, "is_local", False)
    counts = scene.sync()
    assert (counts.skipped, counts.skipped_because) == (counts.planned, "production_not_allowed")
    assert scene.rows("SELECT Id FROM Account") == []


def test_what_the_org_holds_in_another_way_than_sent_is_found_by_reading_back(scene: Scene) -> None:
    small(scene).sync()
    scene.do("UPDATE persons SET phone = '  1  ' WHERE person_id = 'P1'")
    counts = scene.sync()
    assert counts.read_back_differences == 1
    assert scene.fetch("SELECT field_name, found_value FROM read_back_differences") == [
        {"field_name": "Phone", "found_value": "1"}
    ]


def test_errors_that_reach_people_hold_no_values(scene: Scene) -> None:
    small(scene)
    scene.fault(kind="status", status=400, path="/query", times=1, code="MALFORMED_QUERY")
    with pytest.raises(MemsyncError) as caught:
        scene.plan()
    assert str(caught.value) == "Salesforce, GET /query: 400 MALFORMED_QUERY"


def test_a_dead_letter_of_one_value_is_not_sent_with_what_else_changes(scene: Scene) -> None:
    small(scene)
    scene.do("UPDATE persons SET title = REPEAT('x', 200) WHERE person_id = 'P2'")
    scene.sync()
    scene.do("UPDATE persons SET phone = '+13125550177' WHERE person_id = 'P2'")
    plan = scene.plan()
    assert (plan.changes, plan.held_back) == (1, 1)
    counts = scene.apply()
    assert all_went_well(counts)
    assert counts.write_calls == 1
    assert scene.plan(retry_failed=True).reasons == {"source changed": 1}


def test_a_record_that_left_the_recycle_bin_unseen_is_made_again(scene: Scene) -> None:
    small(scene).sync()
    ((contact,)) = scene.rows("SELECT Id FROM Contact WHERE Person_Id__c = 'P2'")
    scene.delete_for_good("Contact", [contact["Id"]])
    scene.do("UPDATE persons SET title = 'new' WHERE person_id = 'P2'")
    assert scene.sync().failed == 1
    assert all_went_well(scene.sync())
    assert ends_clean(scene)


def test_a_login_that_fails_for_a_moment_is_tried_again(scene: Scene) -> None:
    small(scene)
    scene.fault(kind="status", status=503, path="oauth2/token", times=2)
    assert all_went_well(scene.sync())


def test_a_code_that_quotes_a_value_is_not_told(scene: Scene) -> None:
    small(scene)
    scene.fault(kind="status", status=400, path=WRITES, times=1, code="Last P1 is no name")
    assert set(scene.sync().codes) == {"NO_CODE", "parent_failed"}
