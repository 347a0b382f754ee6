"""The settings of two source systems."""

from __future__ import annotations

import pytest

from memsync_assets.settings import Reconciliation, Scope, Settings, System


@pytest.fixture
def settings() -> Settings:
    return Settings(
        systems={"a": System(role="source", priority=1), "b": System(role="source", priority=2)},
        reconciliations={"ihm": Reconciliation(scope=Scope(flagged=True))},
    )
