"""The commands around the org, as a person types them: `plan`, `apply`, `merge`, `review`."""

from __future__ import annotations

import re
from pathlib import Path

import openpyxl
import pytest
import yaml
from typer.testing import CliRunner

from memsync_assets import cli
from memsync_assets.settings import MemsyncError
from tests.salesforce.scene import Scene
from tests.salesforce.test_merge import CONTACTS, doubtful, twice
from tests.salesforce.test_sync import small


class Desk:
    """A terminal beside a scene on disk: the mart is let go of for as long as a command runs."""

    def __init__(self, scene: Scene, config: Path) -> None:
        self.scene = scene
        self._config = config

    def run(self, *words: str) -> tuple[int, str]:
        """Type a command; gives its exit code and what it printed. A user's mistake is raised."""
        home = self.scene.project.home
        self.scene.mart.close()
        try:
            ended = CliRunner().invoke(cli.app, [*words, "--home", str(home.root), "--config", str(self._config)])
        finally:
            self.scene.reopen(home.mart)
        if isinstance(ended.exception, MemsyncError):
            raise ended.exception
        assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.exception
        return ended.exit_code, ended.output


@pytest.fixture
def desk(on_disk: Scene, tmp_path: Path) -> Desk:
    config = tmp_path / "memsync.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "salesforce": {"target": "local", "retry_wait": 0},
                "reconciliations": {"ihm": {"scope": {"flagged": True}}},
            }
        )
    )
    return Desk(on_disk, config)


def test_a_plan_is_made_approved_and_carried_out(desk: Desk) -> None:
    small(desk.scene)
    with pytest.raises(MemsyncError, match="Make one first"):
        desk.run("apply", "--approve", "0" * 64)
    code, output = desk.run("plan")
    assert code == 0
    found = re.search(r"--approve ([0-9a-f]{64})", output)
    assert found
    with pytest.raises(MemsyncError, match="nobody can be asked"):
        desk.run("apply")
    code, output = desk.run("apply", "--approve", found[1])
    assert code == 0, output
    assert "failed 0 + skipped 0" in output
    assert "carried out already" in desk.run("apply")[1]
    assert len(desk.scene.rows(CONTACTS)) == 2
    assert "nothing to do" in desk.run("plan")[1]


def test_what_waits_is_shown_decided_and_merged(desk: Desk) -> None:
    master, loser = doubtful(desk.scene)
    code, output = desk.run("merge")
    assert (code, "waiting for a person 1" in output, "memsync review" in output) == (0, True, True)
    pair = (f"salesforce/{master}", f"salesforce/{loser}")
    assert f"{pair[0]} {pair[1]}  same name at one account" in desk.run("review")[1]
    code, output = desk.run("review", "--same", *pair)
    assert (code, "0 pairs of Contacts" in output) == (0, True)
    code, output = desk.run("merge")
    assert (code, output.startswith("merged 1, failed 0, waiting for a person 0")) == (0, True), output
    assert loser not in {row["Id"] for row in desk.scene.rows(CONTACTS)}


def test_a_merge_is_taken_back(desk: Desk) -> None:
    _, loser = twice(desk.scene)
    assert desk.run("merge")[0] == 0
    ((done,)) = desk.scene.fetch("SELECT merge_id FROM contact_merges")
    assert desk.run("merge", "--undo", done["merge_id"])[0] == 0
    assert loser in {row["Id"] for row in desk.scene.rows(CONTACTS)}


def test_a_plan_says_what_changes_and_why_and_what_is_held_back(desk: Desk, tmp_path: Path) -> None:
    scene = desk.scene
    small(scene).sync()
    ((contact,)) = scene.rows("SELECT Id FROM Contact WHERE Person_Id__c = 'P1'")
    scene.change("Contact", contact["Id"], Title="Boss")
    scene.do("UPDATE persons SET title = REPEAT('x', 200) WHERE person_id = 'P2'")
    scene.do("UPDATE persons SET phone = '=1+1' WHERE person_id = 'P1'")
    workbook = tmp_path / "plan.xlsx"
    _, output = desk.run("plan", "--excel", str(workbook))
    assert "Contact" in output
    assert "source changed 2, drift: changed in Salesforce 1" in output
    book = openpyxl.load_workbook(workbook)
    changes = [[cell.value for cell in row] for row in book["Changes"].iter_rows(min_row=2)]
    assert ["Contact", "update", "P1", contact["Id"], "Phone", "+13125550101", "=1+1", "source changed"] in changes
    assert {cell.data_type for row in book["Changes"].iter_rows() for cell in row} <= {"s", "n"}
    assert workbook.stat().st_mode & 0o777 == 0o600
    plan_hash = re.search(r"--approve ([0-9a-f]{64})", output)
    assert plan_hash
    code, output = desk.run("apply", "--approve", plan_hash[1])
    assert (code, "codes: STRING_TOO_LONG 1" in output) == (5, True), output
    assert "1 changes are held back" in desk.run("plan")[1]


def test_what_may_not_be_sent_is_no_success(desk: Desk) -> None:
    small(desk.scene)
    desk.run("plan")
    desk.scene.fault(kind="limit", remaining=1003)
    ((plan,)) = desk.scene.fetch("SELECT plan_hash FROM sync_plan_state")
    code, output = desk.run("apply", "--approve", plan["plan_hash"])
    assert (code, "api_budget" in output) == (5, True)
