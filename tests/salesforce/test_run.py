"""What `memsync run` says of the sync: as loads land, with a local org, to the exit code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
import yaml
from typer.testing import CliRunner

from memsync_assets import cli
from memsync_assets.salesforce.checks import nothing_waits
from memsync_assets.settings import Project
from tests.landing.landed import Landing, member
from tests.salesforce.scene import Scene


@dataclass
class Runs:
    """`memsync run` over loads that land one after the other."""

    scene: Scene
    landing: Landing
    config: Path
    loads: int = 0

    def load(self, *people: str, title: str = "Boss") -> None:
        """A load with one group and these contacts at it."""
        self.loads += 1
        contacts = [
            {"contact_id": name, "full_name": f"{name} Lee", "email": f"{name}@acme.com", "title": title}
            for name in people
        ]
        self.landing.write(
            "a",
            f"2026-11-2{self.loads}",
            {
                "members": [member("1")],
                "groups": [{"group_id": "G1", "group_name": "Acme"}],
                "contacts": contacts,
                "contact_roles": [{"contact_id": name, "group_id": "G1", "role_code": "HR"} for name in people],
            },
        )

    def run(self, *more: str) -> tuple[int, str]:
        where = ["--landing", str(self.landing.project.landing), "--home", str(self.project.home.root)]
        self.scene.mart.close()
        try:
            ended = CliRunner().invoke(cli.app, ["run", *where, "--config", str(self.config), *more])
        finally:
            self.scene.reopen(self.project.home.mart)
        assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.exception
        return ended.exit_code, ended.output

    @property
    def project(self) -> Project:
        return self.scene.project


@pytest.fixture
def runs(on_disk: Scene, landing: Landing, tmp_path: Path) -> Runs:
    config = tmp_path / "memsync.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "salesforce": {"target": "local", "retry_wait": 0, "breaker": {"default": {"removals": 0}}},
                "reconciliations": {"ihm": {"scope": {"flagged": True}}},
            }
        )
    )
    return Runs(on_disk, landing, config)


def check_of_waiting(runs: Runs) -> dg.AssetCheckResult:
    runs.scene.mart.close()
    try:
        result = nothing_waits(runs.project)
    finally:
        runs.scene.reopen(runs.project.home.mart)
    assert isinstance(result, dg.AssetCheckResult)
    return result


def test_a_sync_that_the_breaker_holds_ends_with_5_and_says_how_to_go_on(runs: Runs) -> None:
    runs.load("Ann", "Bob")
    assert runs.run()[0] == 0
    assert check_of_waiting(runs).passed
    runs.load("Ann")
    code, output = runs.run()
    ((plan,)) = runs.scene.fetch("SELECT plan_hash FROM sync_plan_state")
    assert code == 5, output
    assert "held by the breaker: Contact: 1 deletes and deactivations, more than 0" in output
    assert f"memsync apply --approve {plan['plan_hash']}\n" in output
    warned = check_of_waiting(runs)
    assert (warned.passed, warned.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert plan["plan_hash"] in str(warned.description)
    assert runs.run("--plan-only")[0] == 0


def test_a_sync_without_api_calls_ends_with_5_and_says_how_to_go_on(runs: Runs) -> None:
    runs.load("Ann")
    runs.scene.fault(kind="limit", remaining=1003)
    code, output = runs.run()
    assert code == 5, output
    assert "is reserved for others" in output
    ((plan,)) = runs.scene.fetch("SELECT plan_hash FROM sync_plan_state")
    assert f"memsync apply --approve {plan['plan_hash']}\n" in output
    runs.scene.no_faults()
    assert runs.scene.apply(plan["plan_hash"]).skipped == 0


def test_records_that_are_held_back_are_told_by_every_run(runs: Runs) -> None:
    runs.load("Ann", "Bob")
    runs.scene.fault(kind="duplicates", times=1)
    assert runs.run()[0] == 5
    runs.scene.no_faults()
    code, output = runs.run()
    ((held,)) = runs.scene.fetch("SELECT COUNT(DISTINCT external_id) AS n FROM dead_letters")
    assert (code, held["n"] > 0, "Sync plan: none" in output) == (0, True, True), output
    assert f"held back: {held['n']} records" in output
    assert "memsync apply --retry-failed" in output
