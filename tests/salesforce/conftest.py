"""A local org over real HTTP, empty for each test, and a small mart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from memsync_assets.local_org.server import LocalOrg
from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.mart.schema import migrate
from memsync_assets.settings import Home, Project, Reconciliation, Salesforce, Scope, Settings
from tests.salesforce.scene import Scene


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalOrg]:
    with LocalOrg(tmp_path_factory.mktemp("org") / "org.sqlite") as org:
        yield org


@pytest.fixture
def project(tmp_path: Path) -> Project:
    settings = Settings(
        salesforce=Salesforce(target="local", retry_wait=0),
        reconciliations={"ihm": Reconciliation(scope=Scope(flagged=True))},
    )
    return Project(settings, Home(tmp_path), tmp_path / "landing")


@pytest.fixture
def scene(served: LocalOrg, mart: DuckDBMart, project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setenv("MEMSYNC_LOCAL_ORG_URL", served.url)
    scene = Scene(mart, project, served)
    yield scene
    scene.empty_the_org()


@pytest.fixture
def on_disk(served: LocalOrg, project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A scene whose mart is the home's file, for work in other processes; copies of it can be opened with `reopen`."""
    monkeypatch.setenv("MEMSYNC_LOCAL_ORG_URL", served.url)
    mart = DuckDBMart(project.home.mart)
    migrate(mart)
    scene = Scene(mart, project, served)
    yield scene
    scene.mart.close()
    scene.empty_the_org()
