"""Taking in a load: validated, then applied whole in one transaction, or refused whole.

The tables of a system are what its loads make, applied in the order of load_id. A load that comes late, or a
revision of an earlier one, therefore has the system's later loads applied again behind it, from the landing folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from memsync_assets.landing.application import change_rows, clear_rows, count_rows, replace_rows
from memsync_assets.landing.contract import contracts
from memsync_assets.landing.discovery import FoundLoad, scan, scan_all
from memsync_assets.landing.findings import Finding, counts
from memsync_assets.landing.manifest import MANIFEST, Manifest, ManifestError, parse_manifest, read_manifest
from memsync_assets.landing.quarantine import quarantine
from memsync_assets.landing.validation import MEMBERS, Validated, role_of, validate
from memsync_assets.mart.engine import Mart
from memsync_assets.quiet_duckdb import connect
from memsync_assets.settings import Project, Role

#: DuckDB's share beside the mart's own; larger inputs spill to the home.
_MEMORY_LIMIT = "1GB"


@dataclass(frozen=True)
class Applied:
    """A load that is in the mart.

    Attributes:
        rows: rows of the load, by table.
        mart_rows: rows that the mart now holds for the system, by table.
        unknown_columns: columns that were kept out, by table.
        replayed: later loads that were applied again behind it.
    """

    load: FoundLoad
    role: Role
    kind: str
    revision: int
    rows: dict[str, int]
    mart_rows: dict[str, int]
    unknown_columns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    replayed: int = 0


@dataclass(frozen=True)
class Refused:
    """A load that is in quarantine. counts: findings by kind."""

    load: FoundLoad
    counts: dict[str, int]
    quarantined_at: Path


@dataclass(frozen=True)
class Unchanged:
    """A load that was applied before with the same content: nothing was done."""

    load: FoundLoad


Outcome = Applied | Refused | Unchanged


@dataclass(frozen=True)
class _Candidate:
    """A load that may be applied: its manifest, and its tables once they are validated."""

    load: FoundLoad
    manifest: Manifest
    validated: Validated


@dataclass(frozen=True)
class _Earlier:
    """A load that the mart holds; tables: its rows by table."""

    role: Role
    kind: str
    content_hash: str
    revision: int
    tables: dict[str, int]

    @property
    def tells_role(self) -> bool:
        """Whether the load brought what tells the role: a table of members without rows does not."""
        return any(rows or name != MEMBERS for name, rows in self.tables.items())


def pending_loads(landing: Path, mart: Mart) -> list[FoundLoad]:
    """The loads of the landing folder that the mart does not hold with this content, in order."""
    applied = mart.fetch("SELECT system, load_id, content_hash FROM loads").to_pylist()
    known = {(row["system"], row["load_id"]): row["content_hash"] for row in applied}
    return [load for load in scan_all(landing) if known.get((load.system, load.load_id)) != load.content_hash]


def take_in(project: Project, mart: Mart, load: FoundLoad, now: datetime) -> Outcome:
    """Apply a load to the mart, or refuse it and move it to quarantine. The same load again is a no-op.

    Args:
        now: the moment that is noted as applied or refused, with a time zone.
    """
    earlier = _applied(mart, load.system)
    if load.load_id in earlier and earlier[load.load_id].content_hash == load.content_hash:
        return Unchanged(load)
    with _files(project) as connection:
        candidate, role, findings = _validated(connection, project, load, _role_before(earlier))
        later: list[_Candidate] = []
        anew = any(load_id >= load.load_id for load_id in earlier)
        if candidate and anew and not findings:
            later, findings = _candidates_to_replay(connection, project, candidate, earlier, role)
        if candidate is None or findings:
            where = quarantine(load, project.home.quarantine, findings, now)
            return Refused(load, counts(findings), where)
        revision = earlier[load.load_id].revision + 1 if load.load_id in earlier else 1
        applied = candidate

        def put() -> None:
            if anew:
                _clear(mart, load.system, role)
            _apply(mart, connection, load.system, [applied, *later])
            _note(mart, applied, role, revision, now)
            for other in _revised(later, earlier):
                _note(mart, other, role, earlier[other.load.load_id].revision + 1, now)
            _note_role(mart, load.system, role, earlier)

        mart.whole(put)
        return Applied(
            load=load,
            role=role,
            kind=candidate.manifest.kind,
            revision=revision,
            rows={table.contract.name: table.rows for table in candidate.validated.tables},
            mart_rows={name: count_rows(mart, load.system, c) for name, c in contracts(role).items()},
            unknown_columns={
                table.contract.name: table.unknown_columns
                for table in candidate.validated.tables
                if table.unknown_columns
            },
            replayed=len(later),
        )


@contextmanager
def _files(project: Project) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB of its own to read files with."""
    spill = project.home.root / "spill"
    spill.mkdir(parents=True, exist_ok=True)
    connection = connect(memory_limit=_MEMORY_LIMIT, temp_directory=str(spill))
    try:
        yield connection
    finally:
        connection.close()


def _applied(mart: Mart, system: str) -> dict[str, _Earlier]:
    rows = mart.fetch(
        "SELECT l.load_id, l.role, l.kind, l.content_hash, l.revision, t.table_name, t.row_count "
        "FROM loads AS l LEFT OUTER JOIN load_tables AS t ON l.system = t.system AND l.load_id = t.load_id "
        "WHERE l.system = @system",
        {"system": system},
    ).to_pylist()
    tables: dict[str, dict[str, int]] = {row["load_id"]: {} for row in rows}
    for row in rows:
        if row["table_name"] is not None:
            tables[row["load_id"]][row["table_name"]] = row["row_count"]
    return {
        row["load_id"]: _Earlier(row["role"], row["kind"], row["content_hash"], row["revision"], tables[row["load_id"]])
        for row in rows
    }


def _role_before(earlier: dict[str, _Earlier]) -> Role | None:
    """The role that the system's earlier loads told; None: none of them did."""
    roles = {load.role for load in earlier.values() if load.tells_role}
    return "downstream" if "downstream" in roles else "source" if roles else None


def _validated(
    connection: duckdb.DuckDBPyConnection, project: Project, load: FoundLoad, before: Role | None
) -> tuple[_Candidate | None, Role, tuple[Finding, ...]]:
    try:
        manifest = parse_manifest(read_manifest(load.folder))
    except ManifestError as error:
        return None, "source", (Finding("bad_manifest", str(error), MANIFEST),)
    if (manifest.system, manifest.load_id) != (load.system, load.load_id):
        message = "its system and load_id are not the names of the folders that it lies in"
        return None, "source", (Finding("bad_manifest", message, MANIFEST),)
    configured = project.settings.systems.get(load.system)
    role = configured.role if configured else before or role_of(connection, load.folder, manifest)
    validated = validate(connection, load.folder, manifest, role)
    return _Candidate(load, manifest, validated), role, validated.findings


def _candidates_to_replay(
    connection: duckdb.DuckDBPyConnection,
    project: Project,
    candidate: _Candidate,
    earlier: dict[str, _Earlier],
    role: Role,
) -> tuple[list[_Candidate], tuple[Finding, ...]]:
    """The system's other loads that are applied again with one that is not the last.

    One that has other content by now, too, is applied with that: they are revised together.
    """
    there = {other.load_id: other for other in scan(project.landing, candidate.load.system)}
    candidates: list[_Candidate] = []
    for load_id in _needed(candidate, earlier):
        other = there.get(load_id)
        if other is None:
            message = f"loads apply in order, and the applied load {load_id} is no longer in the landing folder"
            return [], (Finding("earlier_load_missing", message),)
        again, _role, findings = _validated(connection, project, other, role)
        if again is None or findings:
            message = f"loads apply in order, and the load {load_id} as it lies there now is refused: land both again"
            return [], (Finding("earlier_load_unreadable", message),)
        candidates.append(again)
    return candidates, ()


def _revised(candidates: Iterable[_Candidate], earlier: dict[str, _Earlier]) -> list[_Candidate]:
    return [one for one in candidates if one.load.content_hash != earlier[one.load.load_id].content_hash]


def _needed(candidate: _Candidate, earlier: dict[str, _Earlier]) -> list[str]:
    """The other loads that the system's tables are made of: the last full one of each table, and those behind it."""
    manifest = candidate.manifest
    brought = {load_id: (load.kind, set(load.tables)) for load_id, load in earlier.items()}
    brought[manifest.load_id] = (manifest.kind, set(manifest.tables))
    needed: set[str] = set()
    for table in {name for _kind, names in brought.values() for name in names}:
        for load_id in sorted(brought, reverse=True):
            kind, names = brought[load_id]
            if table in names:
                needed.add(load_id)
                if kind == "full":
                    break
    return sorted(needed - {manifest.load_id})


def _clear(mart: Mart, system: str, role: Role) -> None:
    for contract in contracts(role).values():
        clear_rows(mart, system, contract)


def _apply(mart: Mart, connection: duckdb.DuckDBPyConnection, system: str, candidates: Sequence[_Candidate]) -> None:
    for each in sorted(candidates, key=lambda c: c.load.load_id):
        put = replace_rows if each.manifest.kind == "full" else change_rows
        tables = each.validated.tables
        expected = [put(mart, connection, system, table) for table in tables]
        _note_tables(mart, each, expected)


def _note(mart: Mart, candidate: _Candidate, role: Role, revision: int, now: datetime) -> None:
    load, manifest = candidate.load, candidate.manifest
    mart.execute("DELETE FROM loads WHERE system = @system AND load_id = @load_id", _key(load))
    row = pa.table(
        {
            "system": [load.system],
            "load_id": [load.load_id],
            "role": [role],
            "kind": [manifest.kind],
            "as_of": [manifest.as_of],
            "cutoff_at": pa.array([_naive(manifest.cutoff_at)], pa.timestamp("us")),
            "revision": pa.array([revision], pa.int32()),
            "content_hash": [load.content_hash],
            "applied_at": pa.array([_naive(now)], pa.timestamp("us")),
        }
    )
    mart.append("loads", row)


def _note_role(mart: Mart, system: str, role: Role, earlier: dict[str, _Earlier]) -> None:
    """Loads that told no role have the one that is told now."""
    for load_id, load in earlier.items():
        if load.role != role and not load.tells_role:
            mart.execute(
                "UPDATE loads SET role = @role WHERE system = @system AND load_id = @load_id",
                {"role": role, "system": system, "load_id": load_id},
            )


def _note_tables(mart: Mart, candidate: _Candidate, expected_rows: list[int]) -> None:
    load, tables = candidate.load, candidate.validated.tables
    mart.execute("DELETE FROM load_tables WHERE system = @system AND load_id = @load_id", _key(load))
    rows = pa.table(
        {
            "system": pa.array([load.system] * len(tables), pa.string()),
            "load_id": pa.array([load.load_id] * len(tables), pa.string()),
            "table_name": pa.array([table.contract.name for table in tables], pa.string()),
            "row_count": pa.array([table.rows for table in tables], pa.int64()),
            "expected_rows": pa.array(expected_rows, pa.int64()),
        }
    )
    mart.append("load_tables", rows)


def _key(load: FoundLoad) -> dict[str, object]:
    return {"system": load.system, "load_id": load.load_id}


def _naive(moment: datetime | None) -> datetime | None:
    """UTC without the zone, as the mart keeps it."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment else None
