"""kill -9 at every step of an apply: nothing is lost, nothing is written twice, the results tell the truth."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from memsync_assets.salesforce.journal import Journal
from tests.salesforce.killing import killed_at
from tests.salesforce.scene import Scene
from tests.salesforce.test_sync import all_went_well

STEPS = [(Journal, name) for name in ("begin", "keep_job", "finish", "record", "clear")]
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
        assert expected(scene), step
        scene.mart.close()
        scene.empty_the_org()
    assert step > 26, step
