"""Writes loads into a landing folder, as a system would, and takes them in."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from memsync_assets.landing.discovery import FoundLoad, scan
from memsync_assets.landing.take_in import Outcome, take_in
from memsync_assets.mart.connect import open_mart
from memsync_assets.settings import Project

NOW = datetime(2026, 11, 20, 6, tzinfo=UTC)
Rows = Sequence[Mapping[str, object]]


def write_file(path: Path, rows: Rows, columns: Sequence[str]) -> None:
    """Rows as a data file in the format of its ending; columns of values that are all null are text."""
    if path.suffix == ".parquet":
        arrays = {name: [row.get(name) for row in rows] for name in columns}
        table = {
            name: pa.array(values, None if any(value is not None for value in values) else pa.string())
            for name, values in arrays.items()
        }
        pq.write_table(pa.table(table), path)
        return
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wt", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows({name: row.get(name) for name in columns} for row in rows)


@dataclass
class Landing:
    """A landing folder with a project around it."""

    project: Project
    cutoff_at: str | None = None
    as_of: str = "2026-11-20"
    written: list[Path] = field(default_factory=list)

    def write(
        self,
        system: str,
        load_id: str,
        tables: Mapping[str, Rows],
        *,
        kind: str = "full",
        ending: str = "csv",
        columns: Sequence[str] | None = None,
        manifest: Mapping[str, object] | None = None,
    ) -> Path:
        """Write a load; `manifest` overrides fields of its manifest. Returns its folder."""
        folder = self.project.landing / system / load_id
        folder.mkdir(parents=True, exist_ok=True)
        listed = {}
        for table, rows in tables.items():
            path = folder / f"{table}.{ending}"
            names = list(columns or dict.fromkeys(name for row in rows for name in row)) or ["member_id"]
            write_file(path, rows, names)
            listed[table] = {"files": [{"name": path.name, "rows": len(rows), "sha256": sha256(path)}] if rows else []}
        content = {
            "contract": 1,
            "system": system,
            "load_id": load_id,
            "kind": kind,
            "as_of": self.as_of,
            "cutoff_at": self.cutoff_at,
            "tables": listed,
        }
        (folder / "manifest.json").write_text(json.dumps({**content, **(manifest or {})}))
        return folder

    def take_in(self, system: str, load_id: str) -> Outcome:
        with open_mart(self.project) as mart:
            return take_in(self.project, mart, self.found(system, load_id), NOW)

    def found(self, system: str, load_id: str) -> FoundLoad:
        return next(load for load in scan(self.project.landing, system) if load.load_id == load_id)

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        with open_mart(self.project) as mart:
            return [tuple(row.values()) for row in mart.fetch(sql).to_pylist()]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def member(member_id: str, **values: object) -> dict[str, object]:
    return {
        "member_id": member_id,
        "group_id": "G1",
        "state_code": "IL",
        "plan_code": "P1",
        "effective_date": "2026-01-01",
        "termination_date": None,
        **values,
    }
