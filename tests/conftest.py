"""A landing folder for every test that wants one."""

from __future__ import annotations

from pathlib import Path

import pytest

from memsync_assets.settings import Home, Project, Reconciliation, Scope, Settings
from tests.landing.landed import Landing


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    settings = Settings(reconciliations={"ihm": Reconciliation(scope=Scope(flagged=True))})
    (tmp_path / "landing").mkdir()
    return Landing(Project(settings, Home(tmp_path / "home"), tmp_path / "landing"))
