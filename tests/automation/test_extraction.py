"""The sensor on a system's load-control table, over a real PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from memsync_assets.automation.extraction import complete_loads, extraction
from memsync_assets.definitions import build_definitions
from memsync_assets.landing.discovery import scan_all
from memsync_assets.settings import Extraction, Home, MemsyncError, Project, System, load_settings
from tests.mart.cluster import Cluster


@pytest.fixture
def project(tmp_path: Path) -> Project:
    policy = Extraction(
        connection_variable="POLICY_CONNECTION",
        loads="SELECT load_id, as_of, cutoff_at FROM load_control WHERE status = 'COMPLETE'",
        tables={"groups": "SELECT group_id, group_name FROM groups"},
    )
    systems = {"policy": System(role="source", extraction=policy)}
    settings = load_settings().model_copy(update={"systems": systems})
    return Project(settings, Home(tmp_path / "home"), tmp_path / "landing")


def _tick(project: Project, instance: dg.DagsterInstance) -> object:
    return complete_loads(dg.build_sensor_context(instance=instance, resources={"project": project}))


@pytest.mark.postgres
def test_a_complete_load_starts_an_extraction_until_it_is_there(
    project: Project, postgres: str, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLICY_CONNECTION", postgres)
    database = dict(part.split("=", 1) for part in postgres.split(";") if part)["DATABASE"]
    for statement in (
        "CREATE TABLE load_control (load_id TEXT, as_of DATE, cutoff_at TIMESTAMP, status TEXT)",
        "CREATE TABLE groups (group_id TEXT, group_name TEXT)",
        "INSERT INTO load_control VALUES ('L1', '2026-11-19', NULL, 'RUNNING')",
    ):
        cluster.sql(statement, database)
    with dg.DagsterInstance.ephemeral() as instance:
        assert isinstance(_tick(project, instance), dg.SkipReason)
        cluster.sql("UPDATE load_control SET status = 'COMPLETE'", database)
        assert isinstance(_tick(project, instance), dg.RunRequest)
        cluster.sql("ALTER TABLE groups RENAME TO away", database)
        failed = extraction.execute_in_process(instance=instance, resources={"project": project}, raise_on_error=False)
        assert not failed.success
        assert isinstance(_tick(project, instance), dg.RunRequest)
        cluster.sql("ALTER TABLE away RENAME TO groups", database)
        assert extraction.execute_in_process(instance=instance, resources={"project": project}).success
        assert isinstance(_tick(project, instance), dg.SkipReason)
    assert [load.name for load in scan_all(project.landing)] == ["policy/L1"]


@pytest.mark.postgres
def test_a_system_that_does_not_answer_keeps_no_other_from_its_extraction(
    project: Project, postgres: str, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = project.settings.systems["policy"].extraction
    assert policy is not None
    ready = policy.model_copy(update={"loads": "SELECT 'L1' AS load_id, CURRENT_DATE AS as_of, NULL AS cutoff_at"})
    gone = policy.model_copy(update={"connection_variable": "GONE"})
    monkeypatch.setenv("POLICY_CONNECTION", postgres)
    monkeypatch.setenv("GONE", "DRIVER={PostgreSQL Unicode};SERVER=127.0.0.1;PORT=1;UID=x")
    systems = {"gone": System(role="source", extraction=gone)}
    with dg.DagsterInstance.ephemeral() as instance:
        alone = replace(project, settings=project.settings.model_copy(update={"systems": systems}))
        with pytest.raises(MemsyncError, match=r"systems\.gone\.extraction"):
            _tick(alone, instance)
        systems = systems | {"policy": System(role="source", extraction=ready)}
        both = replace(project, settings=project.settings.model_copy(update={"systems": systems}))
        assert isinstance(_tick(both, instance), dg.RunRequest)


def test_the_sensor_is_there_where_a_system_is_read_over_odbc(project: Project) -> None:
    def sensors(project: Project) -> set[str]:
        definitions = build_definitions(project, {"policy": "source"})
        return {sensor.name for sensor in definitions.get_repository_def().sensor_defs}

    assert "complete_loads" in sensors(project)
    plain = Project(load_settings(), project.home, project.landing)
    assert "complete_loads" not in sensors(plain)
