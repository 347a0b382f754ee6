"""Dagster's instance in memsync's home."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import dagster as dg
import yaml

from memsync_assets.settings import PROJECT, Home

_STORAGES = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")


def prepare_instance(home: Home) -> None:
    """Write the home's dagster.yaml and point DAGSTER_HOME at it.

    It is the project's dagster.yaml without the storage block: in a home, Dagster's own default keeps runs,
    events and partitions in the home itself.
    """
    home.dagster.mkdir(parents=True, exist_ok=True)
    config = yaml.safe_load((PROJECT / "dagster.yaml").read_text(encoding="utf-8"))
    config.pop("storage")
    (home.dagster / "dagster.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    os.environ["DAGSTER_HOME"] = str(home.dagster)


def open_instance(home: Home) -> dg.DagsterInstance:
    """The home's instance; the caller disposes of it."""
    prepare_instance(home)
    for name in _STORAGES:
        _remove_half_made(home.dagster / name)
    return dg.DagsterInstance.get()


def _remove_half_made(storage: Path) -> None:
    """Dagster makes a storage's tables only where there is no file: one that a kill left without them stays so."""
    if not storage.is_file():
        return
    with closing(sqlite3.connect(storage)) as connection:
        made = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
        made = made and connection.execute("SELECT 1 FROM alembic_version").fetchone()
    if not made:
        for path in storage.parent.glob(f"{storage.name}*"):
            path.unlink()
