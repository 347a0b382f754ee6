"""Dagster's instance in memsync's home."""

from __future__ import annotations

import os

import dagster as dg
import yaml

from memsync_assets.settings import PROJECT, Home


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
    return dg.DagsterInstance.get()
