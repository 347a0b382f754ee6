"""kill -9 at every step of an apply: nothing is lost, nothing is written twice, the results tell the truth."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from memsync_assets.local_org.server import LocalOrg
from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.mart.schema import migrate
from memsync_assets.salesforce.client import Org
from memsync_assets.salesforce.journal import Journal
from memsync_assets.settings import Project
from tests.salesforce.scene import Scene
from tests.salesforce.test_sync import all_went_well

JOURNAL = ("begin", "keep_job", "finish", "record", "clear")
PEOPLE = 30


@pytest.fixture
def prepared(served: LocalOrg, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A mart on disk with a plan for an empty org; `tmp_path/planned` is its copy."""
    monkeypatch.setenv("MEMSYNC_LOCAL_ORG_URL", served.url)
    mart = DuckDBMart(tmp_path / "mart")
    migrate(mart)
    scene = Scene(mart, project, served)
    scene.group("001")
    scene.group("002")
    for number in range(PEOPLE):
        scene.person(f"P{number:02}", ["001", "002"] if number % 2 else ["002"])
    yield scene
    scene.mart.close()
    scene.empty_the_org()


def open_mart(scene: Scene, path: Path) -> None:
    scene.mart = DuckDBMart(path)
    scene._org = None


def killed_at(step: int, work: Callable[[], None]) -> bool:
    """Do the work in a child process that is killed at its n-th step; False when it came to its end before."""
    child = os.fork()
    if child == 0:
        try:
            _die_at(step)
            work()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def _die_at(step: int) -> None:
    """Count what is to be written to the journal and sent to the org; die just before the n-th of them.

    What is known just after one is what is known just before the next.
    """
    seen = 0

    def counted(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **given: Any) -> Any:
            nonlocal seen
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args, **given)

        return call

    for name in JOURNAL:
        setattr(Journal, name, counted(getattr(Journal, name)))
    writes = Org.call

    def call(self: Org, method: str, path: str, **given: Any) -> Any:
        wanted = counted(writes) if method != "GET" else writes
        return wanted(self, method, path, **given)

    Org.call = call  # type: ignore[method-assign]


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


@pytest.mark.parametrize("above", [1000, 10], ids=["collections", "bulk"])
def test_an_apply_killed_at_any_step_goes_on_where_it_was(prepared: Scene, tmp_path: Path, above: int) -> None:
    scene = prepared
    scene.set(bulk_above=above)
    scene.plan()
    scene.mart.close()
    step = survived = 0
    while not survived:
        step += 1
        path = tmp_path / f"mart{step}"
        shutil.copy(tmp_path / "mart", path)

        def work(path: Path = path) -> None:
            open_mart(scene, path)
            scene.apply()

        survived = not killed_at(step, work)
        open_mart(scene, path)
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
    assert step > 12
