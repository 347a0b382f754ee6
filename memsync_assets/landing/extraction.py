"""Loads of systems that deliver no files: read over ODBC into the landing folder, so that there is one way in.

A load is extracted when the system's own load-control query says that it is complete, once, table by table. What an
interrupted extraction has finished, tables and parts of tables, is not read again (see `parts`). The manifest comes
last. What becomes of the load then is the concern of `take_in`, as with any other.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pyodbc

from memsync_assets.landing.manifest import MANIFEST, parse_manifest
from memsync_assets.landing.parts import BoundQuery, Part, read_table, remove_journals
from memsync_assets.landing.quarantine import quarantined_at
from memsync_assets.settings import Extraction, MemsyncError, Project
from memsync_assets.whole_files import COMMON, whole_file

_PARAMETER = re.compile(r"'(?:[^']|'')*'|(?<![:\w]):(load_id|as_of|cutoff_at|since)\b")
_LOCK = "lock"
_LOAD_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+-]{0,99}")


@dataclass(frozen=True)
class ReadyLoad:
    """A load that the system calls complete and that was not extracted yet."""

    system: str
    load_id: str
    as_of: date
    cutoff_at: datetime | None


@dataclass(frozen=True)
class Extracted:
    """A load that is in the landing folder now. rows: by table."""

    load: ReadyLoad
    kind: str
    rows: dict[str, int]


def extract_new_loads(project: Project) -> Iterator[Extracted]:
    """Extract every complete load of every system that has an extraction, in the order in which they apply.

    Gives each load as soon as it is in the landing folder. A system that fails keeps none of the others from theirs.

    Raises:
        MemsyncError: in the end, where a connection or a query of some system failed; what is finished is kept, and the
            next call goes on from there. At once, where another process extracts.
    """
    extractions = {name: system.extraction for name, system in project.settings.systems.items() if system.extraction}
    if not extractions:
        return
    failures = []
    with _alone(project.home.extracted):
        for system, extraction in sorted(extractions.items()):
            try:
                yield from _extract_system(project, system, extraction)
            except MemsyncError as error:
                failures.append(str(error))
    if failures:
        raise MemsyncError("\n".join(failures))


def _extract_system(project: Project, system: str, extraction: Extraction) -> Iterator[Extracted]:
    with _connection(system, extraction) as connection:
        for load in _ready(connection, project, system, extraction):
            yield _extract(connection, project, extraction, load)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process extracts at a time; the lock goes with the process."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise MemsyncError("another extraction is under way. Wait for it to end, or stop it.") from None
        yield


def ready_loads(project: Project, system: str) -> list[ReadyLoad]:
    """The loads of a system that wait to be extracted: what a sensor asks."""
    extraction = project.settings.systems[system].extraction
    if extraction is None:
        return []
    with _connection(system, extraction) as connection:
        return _ready(connection, project, system, extraction)


@contextmanager
def _connection(system: str, extraction: Extraction) -> Iterator[pyodbc.Connection]:
    """A connection that reads. A driver's text may quote values or the password: it goes no further."""
    given = os.environ.get(extraction.connection_variable)
    if not given:
        raise MemsyncError(
            f"systems.{system}.extraction: set {extraction.connection_variable} in the environment to the ODBC"
            " connection string of its database"
        )
    try:
        connection = pyodbc.connect(given, autocommit=True)
        try:
            yield connection
        finally:
            connection.close()
    except pyodbc.Error as error:
        state = error.args[0] if error.args else "HY000"
        raise MemsyncError(
            f"systems.{system}.extraction: its database cannot be read (SQLSTATE {state}). Look at the connection"
            f" string in {extraction.connection_variable} and at the queries; run again to go on."
        ) from None


def _ready(connection: pyodbc.Connection, project: Project, system: str, extraction: Extraction) -> list[ReadyLoad]:
    cursor = connection.execute(extraction.loads)
    names = [column[0].lower() for column in cursor.description]
    if missing := {"load_id", "as_of", "cutoff_at"} - set(names):
        raise MemsyncError(f"systems.{system}.extraction.loads: gives no column {', '.join(sorted(missing))}")
    known = {path.stem for path in (project.home.extracted / system).glob("*.json")}
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    loads = [_ready_load(system, row) for row in rows]
    return sorted((load for load in loads if load.load_id not in known), key=lambda load: load.load_id)


def _ready_load(system: str, row: Mapping[str, object]) -> ReadyLoad:
    where = f"systems.{system}.extraction.loads"
    load_id = str(row["load_id"] or "").strip()
    if not _LOAD_ID.fullmatch(load_id):
        raise MemsyncError(f"{where}: a load_id must be letters, digits and _ . : + -, at most 100")
    try:
        as_of = _moment(row["as_of"]).date()
    except ValueError:
        raise MemsyncError(f"{where}: {load_id}: as_of must be a date") from None
    try:
        cutoff_at = None if row["cutoff_at"] is None else _utc(_moment(row["cutoff_at"]))
    except ValueError:
        raise MemsyncError(f"{where}: {load_id}: cutoff_at must be a timestamp, or null") from None
    return ReadyLoad(system, load_id, as_of, cutoff_at)


def _moment(value: object) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))


def _utc(moment: datetime) -> datetime:
    """A moment of the control table is UTC, as those of the loads are."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _extract(connection: pyodbc.Connection, project: Project, extraction: Extraction, load: ReadyLoad) -> Extracted:
    folder = project.landing / load.system / load.load_id
    remembered = project.home.extracted / load.system / f"{load.load_id}.json"
    since = _since(project, load)
    kind = "delta" if extraction.changes and since else "full"
    if not (folder / MANIFEST).exists():
        folder.mkdir(parents=True, exist_ok=True)
        given = {
            "load_id": load.load_id,
            "as_of": load.as_of,
            "cutoff_at": _naive(load.cutoff_at),
            "since": _naive(since),
        }
        queries = extraction.changes if kind == "delta" else extraction.tables
        parts = {
            table: read_table(connection, folder, f"{table}-{kind}", _bind(sql, given), extraction.keys.get(table, ()))
            for table, sql in queries.items()
        }
        _write(folder / MANIFEST, _manifest(load, kind, parts))
    remove_journals(folder)
    content = (folder / MANIFEST).read_bytes()
    remembered.parent.mkdir(parents=True, exist_ok=True)
    _write(remembered, content)
    manifest = parse_manifest(content)
    rows = {name: sum(file.rows for file in table.files) for name, table in manifest.tables.items()}
    return Extracted(load, manifest.kind, rows)


def _since(project: Project, load: ReadyLoad) -> datetime | None:
    """The watermark: up to where the last load before this one was read that was not refused."""
    earlier = [path for path in (project.home.extracted / load.system).glob("*.json") if path.stem < load.load_id]
    for path in sorted(earlier, reverse=True):
        content = path.read_bytes()
        content_hash = hashlib.sha256(content).hexdigest()
        if not quarantined_at(project.home.quarantine, load.system, path.stem, content_hash).exists():
            return parse_manifest(content).cutoff_at
    return None


def _naive(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment else None


def _bind(sql: str, given: dict[str, object]) -> BoundQuery:
    """Named parameters by position; what is within quotes stays."""
    values: list[object] = []

    def mark(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0]
        values.append(given[match[1]])
        return "?"

    return BoundQuery(_PARAMETER.sub(mark, sql), tuple(values))


def _manifest(load: ReadyLoad, kind: str, parts: dict[str, tuple[Part, ...]]) -> bytes:
    content = {
        "contract": 1,
        "system": load.system,
        "load_id": load.load_id,
        "kind": kind,
        "as_of": load.as_of.isoformat(),
        "cutoff_at": load.cutoff_at.isoformat() if load.cutoff_at else None,
        "tables": {table: {"files": [part.model_dump() for part in files]} for table, files in parts.items()},
    }
    return json.dumps(content, indent=1).encode()


def _write(path: Path, content: bytes) -> None:
    with whole_file(path, COMMON) as partial:
        partial.write_bytes(content)
