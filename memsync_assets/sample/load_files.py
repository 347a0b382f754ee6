"""Writing a load: data files in the form of their system, then the manifest, at last and at once."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from memsync_assets.sample.schedule import Ending, Kind, LoadDate


class LoadWriter:
    """One load of one system. Nothing reads it before `finish`."""

    def __init__(self, landing: Path, system: str, load_date: LoadDate, kind: Kind) -> None:
        self._folder = landing / system / load_date.load_id
        self._manifest = {
            "contract": 1,
            "system": system,
            "load_id": load_date.load_id,
            "kind": kind,
            "as_of": load_date.as_of.isoformat(),
        }
        self._tables: dict[str, dict[str, list[dict[str, str | int]]]] = {}
        self._folder.mkdir(parents=True, exist_ok=True)
        # Written again, a load is no load until it is whole.
        (self._folder / "manifest.json").unlink(missing_ok=True)

    def write(self, table: str, parts: Iterable[Iterable[pa.Table]], ending: Ending) -> None:
        """Write a table: a file for each part, which comes in chunks."""
        files = self._tables.setdefault(table, {"files": []})["files"]
        for number, chunks in enumerate(parts, 1):
            path = self._folder / f"{table}-{number:04d}.{ending}"
            rows = _write_file(path, chunks)
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            files.append({"name": path.name, "rows": rows, "sha256": digest})

    def finish(self, cutoff_at: datetime | None = None) -> None:
        """Write the manifest: from now on the load is there."""
        cutoff = {"cutoff_at": cutoff_at.strftime("%Y-%m-%dT%H:%M:%SZ") if cutoff_at else None}
        unfinished = self._folder / ".manifest.json"
        unfinished.write_text(json.dumps(self._manifest | cutoff | {"tables": self._tables}, indent=1) + "\n")
        unfinished.rename(self._folder / "manifest.json")


def _write_file(path: Path, chunks: Iterable[pa.Table]) -> int:
    rows = 0
    stream = iter(chunks)
    first = next(stream)
    with _opened(path, first.schema) as writer:
        while first is not None:
            writer.write_table(first)
            rows += first.num_rows
            first = next(stream, None)
    return rows


@contextmanager
def _opened(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter | pa_csv.CSVWriter]:
    if path.suffix == ".parquet":
        with pq.ParquetWriter(path, schema) as writer:
            yield writer
    elif path.suffix == ".gz":
        # No name and no time in the header: the same rows make the same bytes.
        with (
            path.open("wb") as raw,
            gzip.GzipFile("", "wb", 1, raw, mtime=0) as packed,
            pa_csv.CSVWriter(packed, schema) as writer,
        ):
            yield writer
    else:
        with pa_csv.CSVWriter(path, schema) as writer:
            yield writer
