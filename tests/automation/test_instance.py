"""Dagster's instance in a home that a kill left half made."""

from __future__ import annotations

from pathlib import Path

import pytest

from memsync_assets.automation.instance import open_instance
from memsync_assets.settings import Home


@pytest.mark.parametrize("storage", ["history/runs.db", "history/runs/index.db", "schedules/schedules.db"])
def test_a_storage_without_tables_is_made_anew(storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    home = Home(tmp_path)
    path = home.dagster / storage
    path.parent.mkdir(parents=True)
    path.touch()
    with open_instance(home) as instance:
        instance.add_dynamic_partitions("loads_a", ["1"])
    with open_instance(home) as instance:
        assert instance.get_dynamic_partitions("loads_a") == ["1"]
        assert instance.get_runs() == []
        assert instance.all_instigator_state() == []
