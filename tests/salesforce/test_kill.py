"""kill -9 at every step of an apply: nothing is lost, nothing is written twice, the results tell the truth."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from memsync_assets.salesforce import apply
from memsync_assets.salesforce.journal import Journal
from tests.salesforce.killing import killed_at
from tests.salesforce.scene import Scene
from tests.salesforce.test_every_fault import tells_the_truth
from tests.salesforce.test_sync import all_went_well

STEPS = [
    *((Journal, name) for name in ("begin", "keep_job", "finish", "record", "clear", "skip_rest")),
    *((apply, name) for name in ("settle", "set_state", "store_results", "read_back")),
]
PEOPLE = 30


@pytest.fixture
def crowd(on_disk: Scene) -> Scene:
    on_disk.group("001")
    on_disk.group("002")
    for number in range(PEOPLE):
        on_disk.person(f"P{number:02}", ["001", "002"] if number % 2 else ["002"])
    return on_disk


def expected(scene: Scene) -> bool:
    contacts = scene.rows("SELECT Person_Id__c FROM Contact")
    relations = scene.rows("SELECT Relation_Key__c FROM AccountContactRelation")
    keys = {row["Relation_Key__c"] for row in relations}
    return (
        len(scene.rows("SELECT Id FROM Account")) == 3
        and len(contacts) == len({row["Person_Id__c"] for row in contacts}) == PEOPLE
        and len(relations) == len(keys) == PEOPLE + PEOPLE // 2
        and None not in keys
    )


def test_an_apply_killed_at_any_step_goes_on_where_it_was(crowd: Scene, tmp_path: Path) -> None:
    scene = crowd
    # Accounts and contacts go by Collections, the relations by a Bulk job.
    scene.set(bulk_above=PEOPLE)
    scene.plan()
    scene.mart.close()
    step = survived = 0
    while not survived:
        step += 1
        path = tmp_path / f"mart{step}"
        shutil.copy(scene.project.home.mart, path)

        def work(path: Path = path) -> None:
            scene.reopen(path)
            scene.apply()

        survived = not killed_at(step, work, STEPS)
        scene.reopen(path)
        # Half of the time the same plan goes on, half of the time the whole graph runs again.
        if step % 2:
            counts = scene.apply()
            assert all_went_well(counts), (step, counts)
        else:
            plan_hash = scene.fetch("SELECT plan_hash FROM sync_plan_state")[0]["plan_hash"]
            planned = len(scene.fetch("SELECT 1 AS x FROM sync_plan"))
            assert all_went_well(scene.sync()), step
            results = scene.fetch(f"SELECT status FROM salesforce_sync_results WHERE plan_hash = '{plan_hash}'")
            assert len(results) == planned, (step, len(results), planned)
        tells_the_truth(scene)
        assert expected(scene), step
        scene.mart.close()
        scene.empty_the_org()
    assert step > 30, step


def test_an_apply_of_changes_killed_at_any_step_goes_on_where_it_was(crowd: Scene) -> None:
    """Updates, deletions and new records over records that are there; each round changes them anew."""
    scene, path = crowd, crowd.project.home.mart
    scene.set(bulk_above=10, breaker={"default": {"changed_share": 1.0, "removals": 1000}})
    scene.sync()
    step = survived = 0
    while not survived:
        step += 1
        change(scene, step)
        scene.plan()
        scene.mart.close()

        def work() -> None:
            scene.reopen(path)
            scene.apply()

        survived = not killed_at(step, work, STEPS)
        scene.reopen(path)
        assert all_went_well(scene.apply() if step % 2 else scene.sync()), step
        tells_the_truth(scene)
        assert scene.plan().changes == 0, step
        assert {row["Title"] for row in scene.rows("SELECT Title FROM Contact")} == {f"Title {step}"}
        assert len(scene.rows("SELECT Id FROM AccountContactRelation")) == PEOPLE + PEOPLE // 2 * (step % 2 == 0)
    assert step > 20, step


def change(scene: Scene, step: int) -> None:
    """Another title for everybody and another name of a group; second roles go and come by turns."""
    scene.do(f"UPDATE persons SET title = 'Title {step}'")
    scene.do(f"UPDATE employer_groups SET group_name = 'Group {step}' WHERE group_id = '001'")
    if step % 2:
        scene.do("DELETE FROM person_roles WHERE group_id = '002' AND is_primary = 'N'")
    else:
        for number in range(1, PEOPLE, 2):
            scene.role(f"P{number:02}", "002")
