"""Loads read over ODBC from a system's own database, here a PostgreSQL, and taken in as any other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pyodbc
import pytest
from pydantic import ValidationError

from memsync_assets.landing import parts
from memsync_assets.landing.discovery import scan_all
from memsync_assets.landing.extraction import Extracted, extract_new_loads, ready_loads
from memsync_assets.landing.manifest import parse_manifest
from memsync_assets.landing.take_in import Applied, Refused, pending_loads, take_in
from memsync_assets.mart import odbc_rows
from memsync_assets.mart.drivers import complete
from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.mart.schema import migrate
from memsync_assets.settings import Extraction, Home, MemsyncError, Project, System, load_settings
from tests.mart.cluster import Cluster

pytestmark = pytest.mark.postgres

_NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
_MEMBER = "SELECT member_id, group_id, state AS state_code, effective_date, termination_date, changed_at FROM members"
_TABLES = [
    "CREATE TABLE load_control (load_id TEXT, as_of DATE, cutoff_at TIMESTAMP, status TEXT)",
    "CREATE TABLE members (member_id TEXT, group_id TEXT, state TEXT, effective_date DATE, termination_date DATE,"
    " changed_at TIMESTAMP, gone TEXT)",
    "CREATE TABLE groups (group_id TEXT, group_name TEXT, size NUMERIC)",
    "INSERT INTO load_control VALUES ('L1', '2026-11-19', '2026-11-19 05:00', 'COMPLETE'),"
    " ('L2', '2026-11-20', '2026-11-20 05:00', 'RUNNING')",
    "INSERT INTO members SELECT 'M' || i, 'G1', 'CA', '2026-01-01', NULL, '2026-11-18 10:00', 'N'"
    " FROM generate_series(1, 60000) AS s(i)",
    "INSERT INTO groups VALUES ('G1', 'Größe : GmbH', 7)",
]


@pytest.fixture
def database(postgres: str, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> str:
    """The database of the system `policy`."""
    monkeypatch.setenv("POLICY_CONNECTION", postgres)
    name = dict(part.split("=", 1) for part in postgres.split(";") if part)["DATABASE"]
    for statement in _TABLES:
        cluster.sql(statement, name)
    return name


@pytest.fixture
def project(tmp_path: Path) -> Project:
    extraction = Extraction(
        connection_variable="POLICY_CONNECTION",
        loads="SELECT load_id, as_of, cutoff_at FROM load_control WHERE status = 'COMPLETE'",
        tables={
            "members": f"{_MEMBER} WHERE gone = 'N' AND effective_date <= CAST(:as_of AS DATE)",
            "groups": "SELECT group_id, group_name, size FROM groups WHERE group_name <> ':as_of'",
        },
        changes={
            "members": _MEMBER.replace(" FROM", ", CASE gone WHEN 'Y' THEN 'delete' ELSE 'upsert' END AS change FROM")
            + " WHERE changed_at > CAST(:since AS TIMESTAMP) AND changed_at <= CAST(:cutoff_at AS TIMESTAMP)"
        },
    )
    systems = {"policy": System(role="source", extraction=extraction)}
    settings = load_settings().model_copy(update={"systems": systems})
    return Project(settings, Home(tmp_path / "home"), tmp_path / "landing")


def _extracted(project: Project) -> list[Extracted]:
    return list(extract_new_loads(project))


def _taken_in(project: Project, mart: DuckDBMart) -> list[Applied]:
    outcomes = [take_in(project, mart, load, _NOW) for load in pending_loads(project.landing, mart)]
    assert all(isinstance(outcome, Applied) for outcome in outcomes)
    return outcomes  # type: ignore[return-value]


def test_a_complete_load_is_extracted_once_and_the_next_one_as_its_changes(
    project: Project, database: str, cluster: Cluster
) -> None:
    mart = DuckDBMart()
    migrate(mart)
    (first,) = _extracted(project)
    assert (first.load.load_id, first.kind, first.rows) == ("L1", "full", {"members": 60_000, "groups": 1})
    assert _extracted(project) == []
    (applied,) = _taken_in(project, mart)
    assert applied.mart_rows["members"] == 60_000
    assert applied.unknown_columns == {"groups": ("size",)}

    cluster.sql("UPDATE members SET gone = 'Y', changed_at = '2026-11-20 01:00' WHERE member_id = 'M7'", database)
    cluster.sql("UPDATE members SET state = 'TX', changed_at = '2026-11-20 01:00' WHERE member_id = 'M8'", database)
    cluster.sql("UPDATE members SET state = 'NV', changed_at = '2026-11-20 09:00' WHERE member_id = 'M9'", database)
    cluster.sql("UPDATE load_control SET status = 'COMPLETE'", database)
    assert [load.load_id for load in ready_loads(project, "policy")] == ["L2"]
    (second,) = _extracted(project)
    assert (second.load.load_id, second.kind, second.rows) == ("L2", "delta", {"members": 2})
    _taken_in(project, mart)
    rows = mart.fetch(
        "SELECT m.member_id, m.state_code FROM source_members AS m WHERE m.member_id IN ('M7', 'M8', 'M9')"
    )
    assert sorted(tuple(row.values()) for row in rows.to_pylist()) == [("M8", "TX"), ("M9", "CA")]
    groups = mart.fetch("SELECT g.group_name FROM employer_groups AS g")
    assert groups["group_name"].to_pylist() == ["Größe : GmbH"]
    mart.close()


def test_the_manifest_tells_what_the_control_table_tells(project: Project, database: str) -> None:
    _extracted(project)
    (load,) = scan_all(project.landing)
    manifest = parse_manifest((load.folder / "manifest.json").read_bytes())
    assert (manifest.system, manifest.load_id, manifest.as_of) == ("policy", "L1", date(2026, 11, 19))
    assert manifest.cutoff_at == datetime(2026, 11, 19, 5, tzinfo=UTC)
    assert sorted(path.name for path in load.folder.iterdir()) == [
        "groups-full-0001.parquet",
        "manifest.json",
        "members-full-0001.parquet",
    ]


def test_an_interrupted_extraction_goes_on_at_the_table_that_failed(
    project: Project, database: str, cluster: Cluster
) -> None:
    cluster.sql("ALTER TABLE groups RENAME TO groups_away", database)
    with pytest.raises(MemsyncError, match=r"policy.*cannot be read \(SQLSTATE 42P01\)"):
        _extracted(project)
    assert scan_all(project.landing) == []
    members = project.landing / "policy" / "L1" / "members-full-0001.parquet"
    before = os.stat(members)
    cluster.sql("ALTER TABLE groups_away RENAME TO groups", database)
    (extracted,) = _extracted(project)
    assert extracted.rows == {"members": 60_000, "groups": 1}
    assert os.stat(members).st_ino == before.st_ino


_KILLED = """
import os, signal, sys
from pathlib import Path
from memsync_assets.landing import extraction, parts
from memsync_assets.mart import odbc_rows
from memsync_assets.settings import Extraction, Home, Project, System, load_settings

odbc_rows.BATCH_ROWS, parts.PART_ROWS = 5_000, 10_000
landing, moment, renames = Path(sys.argv[1]), sys.argv[2], []
replace = Path.replace

def kill_at_the_renaming(self, target):
    renames.append(target.name)
    wanted = int(moment.split()[1])
    if len(renames) == wanted and moment.startswith("before"):
        os.kill(os.getpid(), signal.SIGKILL)
    replace(self, target)
    if len(renames) == wanted:
        os.kill(os.getpid(), signal.SIGKILL)

Path.replace = kill_at_the_renaming
policy = System(role="source", extraction=Extraction.model_validate_json(sys.argv[3]))
settings = load_settings().model_copy(update={"systems": {"policy": policy}})
list(extraction.extract_new_loads(Project(settings, Home(landing.parent / "home"), landing)))
"""


@pytest.mark.parametrize("keys", [{"member": ("member_id",)}, {"members": ("1; DROP TABLE members",)}])
def test_keys_are_columns_of_a_table_that_is_read(keys: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(ValidationError, match="keys"):
        Extraction(connection_variable="X", loads="SELECT 1", tables={"members": "SELECT 1"}, keys=keys)


def _in_parts(project: Project) -> Project:
    extraction = project.settings.systems["policy"].extraction
    assert extraction is not None
    keyed = extraction.model_copy(update={"keys": {"members": ("member_id", "effective_date")}})
    systems = {"policy": System(role="source", extraction=keyed)}
    return replace(project, settings=project.settings.model_copy(update={"systems": systems}))


def _files(project: Project) -> dict[str, int]:
    """The parts of members and their inodes, which a file that is written again does not keep."""
    folder = project.landing / "policy" / "L1"
    return {path.name: path.stat().st_ino for path in folder.glob("members-*")}


def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(odbc_rows, "BATCH_ROWS", 5_000)
    monkeypatch.setattr(parts, "PART_ROWS", 10_000)


@pytest.mark.parametrize(
    ("moment", "kept"),
    # Each part is renamed into place, and then the journal that notes it. 13: the table is whole; 14: groups.
    [
        ("before 1", 0),
        ("after 1", 0),
        ("after 2", 1),
        ("before 7", 3),
        ("after 7", 3),
        ("after 13", 6),
        ("after 14", 6),
    ],
)
def test_a_killed_extraction_keeps_the_parts_that_it_has_finished(
    project: Project, database: str, moment: str, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = _in_parts(project)
    extraction = project.settings.systems["policy"].extraction
    assert extraction is not None
    arguments = [str(project.landing), moment, extraction.model_dump_json()]
    killed = subprocess.run([sys.executable, "-c", _KILLED, *arguments], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert scan_all(project.landing) == []
    before = _files(project)
    _small_parts(monkeypatch)
    (extracted,) = _extracted(project)
    assert extracted.rows == {"members": 60_000, "groups": 1}
    after = _files(project)
    assert len(after) == 6
    assert sum(before.get(name) == inode for name, inode in after.items()) == kept
    assert sorted(path.name for path in (project.landing / "policy" / "L1").iterdir())[0] == "groups-full-0001.parquet"
    mart = DuckDBMart()
    migrate(mart)
    (applied,) = _taken_in(project, mart)
    assert applied.mart_rows["members"] == 60_000
    mart.close()


def _interrupt(project: Project, cluster: Cluster, database: str) -> None:
    """All of members is read, and groups is not."""
    cluster.sql("ALTER TABLE groups RENAME TO groups_away", database)
    with pytest.raises(MemsyncError):
        _extracted(project)
    cluster.sql("ALTER TABLE groups_away RENAME TO groups", database)


def test_a_part_that_is_not_what_the_journal_says_is_read_again_with_those_behind_it(
    project: Project, database: str, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = _in_parts(project)
    _small_parts(monkeypatch)
    _interrupt(project, cluster, database)
    before = _files(project)
    spoiled = project.landing / "policy" / "L1" / "members-full-0003.parquet"
    spoiled.write_bytes(spoiled.read_bytes()[:-1] + b"?")
    (extracted,) = _extracted(project)
    assert extracted.rows["members"] == 60_000
    after = _files(project)
    kept = sorted(name for name in after if before[name] == after[name])
    assert kept == [f"members-full-000{n}.parquet" for n in (1, 2)]


@pytest.mark.parametrize(
    ("meanwhile", "rows"),
    [
        # A row that belongs into a part that is there; fewer rows than parts are there; a key that is none.
        ("INSERT INTO members SELECT 'M0', 'G1', 'CA', '2026-01-01', NULL, NULL, 'N'", 60_001),
        ("DELETE FROM members WHERE member_id > 'M2'", 11_112),
        ("UPDATE members SET member_id = NULL WHERE member_id > 'M5'", 60_000),
    ],
)
def test_a_table_that_changes_while_its_reading_is_interrupted_is_read_anew(
    project: Project, database: str, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, meanwhile: str, rows: int
) -> None:
    project = _in_parts(project)
    _small_parts(monkeypatch)
    _interrupt(project, cluster, database)
    spoiled = project.landing / "policy" / "L1" / "members-full-0004.parquet"
    spoiled.unlink()
    cluster.sql(meanwhile, database)
    (extracted,) = _extracted(project)
    assert extracted.rows["members"] == rows
    assert len(_files(project)) == -(-rows // 10_000)


def test_a_column_of_fractions_is_told_without_its_values(project: Project, database: str, cluster: Cluster) -> None:
    cluster.sql("UPDATE groups SET size = 7.25", database)
    with pytest.raises(MemsyncError, match="column size holds fractions") as refused:
        _extracted(project)
    assert "7.25" not in str(refused.value)


def test_a_system_that_fails_keeps_no_other_from_its_loads(
    project: Project, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GONE", complete("postgres", "SERVER=127.0.0.1;PORT=1;DATABASE=x;UID=x"))
    policy = project.settings.systems["policy"]
    assert policy.extraction is not None
    gone = policy.model_copy(
        update={"extraction": policy.extraction.model_copy(update={"connection_variable": "GONE"})}
    )
    both = project.settings.model_copy(update={"systems": {"also_gone": gone, "gone": gone, "policy": policy}})
    found = []
    with pytest.raises(MemsyncError, match=r"systems\.also_gone(.|\n)*systems\.gone"):
        found += extract_new_loads(replace(project, settings=both))
    assert [load.name for load in scan_all(project.landing)] == ["policy/L1"]


def test_changes_are_read_from_the_last_load_that_was_not_refused(
    project: Project, database: str, cluster: Cluster
) -> None:
    mart = DuckDBMart()
    migrate(mart)
    cluster.sql("UPDATE members SET state = 'ZZ' WHERE member_id = 'M7'", database)
    _extracted(project)
    (load,) = pending_loads(project.landing, mart)
    assert isinstance(take_in(project, mart, load, _NOW), Refused)
    cluster.sql("UPDATE members SET state = 'TX', changed_at = '2026-11-20 01:00' WHERE member_id = 'M7'", database)
    cluster.sql("UPDATE load_control SET status = 'COMPLETE'", database)
    (second,) = _extracted(project)
    assert (second.load.load_id, second.kind, second.rows["members"]) == ("L2", "full", 60_000)
    (applied,) = _taken_in(project, mart)
    assert applied.mart_rows["members"] == 60_000
    mart.close()


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("(NULL, '2026-11-20', NULL, 'COMPLETE')", "load_id must be"),
        ("('L3', NULL, NULL, 'COMPLETE')", "L3: as_of must be a date"),
    ],
)
def test_a_control_table_without_an_id_or_a_date_is_told(
    project: Project, database: str, cluster: Cluster, row: str, told: str
) -> None:
    cluster.sql(f"INSERT INTO load_control VALUES {row}", database)
    with pytest.raises(MemsyncError, match=told):
        _extracted(project)


def test_a_second_extraction_is_turned_away_while_one_is_under_way(
    project: Project, database: str, postgres: str, cluster: Cluster
) -> None:
    other = pyodbc.connect(postgres, autocommit=False)
    other.execute("LOCK TABLE groups IN ACCESS EXCLUSIVE MODE")
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(_extracted, project)
        cluster.await_blocked()
        with pytest.raises(MemsyncError, match="another extraction is under way"):
            _extracted(project)
        other.close()
        (extracted,) = first.result()
    assert extracted.rows == {"members": 60_000, "groups": 1}


def test_a_load_whose_manifest_was_the_last_thing_written_is_remembered_and_not_read_again(
    project: Project, database: str, cluster: Cluster
) -> None:
    _extracted(project)
    (remembered,) = (project.home.extracted / "policy").iterdir()
    remembered.unlink()
    cluster.sql("DROP TABLE members", database)
    (extracted,) = _extracted(project)
    assert extracted.rows == {"members": 60_000, "groups": 1}
    assert remembered.exists()


def test_an_unusable_load_id_and_a_missing_column_are_refused(
    project: Project, database: str, cluster: Cluster
) -> None:
    cluster.sql("INSERT INTO load_control VALUES ('../../etc', '2026-11-20', NULL, 'COMPLETE')", database)
    with pytest.raises(MemsyncError, match="load_id must be"):
        _extracted(project)
    extraction = project.settings.systems["policy"].extraction
    assert extraction is not None
    narrower = extraction.model_copy(update={"loads": "SELECT load_id, as_of FROM load_control"})
    systems = {"policy": System(role="source", extraction=narrower)}
    with pytest.raises(MemsyncError, match="gives no column cutoff_at"):
        _extracted(replace(project, settings=project.settings.model_copy(update={"systems": systems})))


def test_a_database_that_refuses_is_told_without_its_text(
    project: Project, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("POLICY_CONNECTION", raising=False)
    with pytest.raises(MemsyncError, match="set POLICY_CONNECTION"):
        _extracted(project)
    given = complete("postgres", cluster.connection_string("nowhere") + ";PWD=hush")
    monkeypatch.setenv("POLICY_CONNECTION", given)
    with pytest.raises(MemsyncError, match="cannot be read") as refused:
        _extracted(project)
    assert "hush" not in str(refused.value)
    assert refused.value.__cause__ is None
