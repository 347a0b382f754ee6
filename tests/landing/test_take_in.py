"""Taking in loads: applied whole, in order, once."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from memsync_assets.landing.take_in import Applied, Refused, Unchanged, pending_loads
from memsync_assets.mart.connect import open_mart
from tests.landing.landed import Landing, Rows, member, sha256

MEMBERS = "SELECT member_id, group_id FROM source_members ORDER BY member_id, effective_date"


@pytest.mark.parametrize("ending", ["parquet", "csv", "csv.gz"])
def test_a_full_load_becomes_the_table_whatever_its_format(landing: Landing, ending: str) -> None:
    landing.write("west", "01", {"members": [member("0042"), member("k1"), member("K1")]}, ending=ending)
    outcome = landing.take_in("west", "01")
    assert isinstance(outcome, Applied)
    assert outcome.role == "source"
    assert landing.rows(MEMBERS) == [("0042", "G1"), ("K1", "G1"), ("k1", "G1")]


def test_values_keep_their_meaning(landing: Landing) -> None:
    rows = [
        member("  a1  ", subscriber_id="", changed_at="2026-11-19T23:30:00-05:00", plan_code=None),
        member("b2", subscriber_id="s", changed_at="2026-11-19 23:30:00", termination_date="9999-12-31"),
    ]
    landing.write("west", "01", {"members": rows})
    assert isinstance(landing.take_in("west", "01"), Applied)
    assert landing.rows(
        "SELECT member_id, subscriber_id, plan_code, changed_at, termination_date FROM source_members"
        " ORDER BY member_id"
    ) == [
        ("a1", None, None, dt.datetime(2026, 11, 20, 4, 30), None),
        ("b2", "s", "P1", dt.datetime(2026, 11, 19, 23, 30), dt.date(9999, 12, 31)),
    ]


@pytest.mark.parametrize(
    ("written", "changed_at"),
    [
        ("2026-11-19", dt.datetime(2026, 11, 19)),
        ("2026-11-19T23:30", dt.datetime(2026, 11, 19, 23, 30)),
        ("2026-11-19 23:30:00.5", dt.datetime(2026, 11, 19, 23, 30, 0, 500000)),
        ("2026-11-19T23:30:00Z", dt.datetime(2026, 11, 19, 23, 30)),
        ("2026-11-19T23:30:00z", dt.datetime(2026, 11, 19, 23, 30)),
        ("2026-11-19T23:30-05", dt.datetime(2026, 11, 20, 4, 30)),
        ("2026-11-19 23:30:00-0500", dt.datetime(2026, 11, 20, 4, 30)),
        ("2026-11-19T23:30:00+14:00", dt.datetime(2026, 11, 19, 9, 30)),
    ],
)
def test_a_timestamp_may_be_written_as_iso_has_it(landing: Landing, written: str, changed_at: dt.datetime) -> None:
    landing.write("west", "01", {"members": [member("a", changed_at=written)]})
    assert isinstance(landing.take_in("west", "01"), Applied)
    assert landing.rows("SELECT changed_at FROM source_members") == [(changed_at,)]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_parquet_timestamps_of_every_unit_are_taken(landing: Landing, unit: str, zone: str | None) -> None:
    folder = landing.write("west", "01", {"members": [member("a")]}, ending="parquet")
    moments = pa.array([dt.datetime(2026, 11, 20, 4, 30, tzinfo=dt.UTC)], pa.timestamp(unit, tz=zone))
    path = folder / "members.parquet"
    pq.write_table(pq.read_table(path).append_column("changed_at", moments), path)
    files = [{"name": path.name, "rows": 1, "sha256": sha256(path)}]
    landing.write("west", "01", {}, manifest={"tables": {"members": {"files": files}}})
    assert isinstance(landing.take_in("west", "01"), Applied)
    assert landing.rows("SELECT changed_at FROM source_members") == [(dt.datetime(2026, 11, 20, 4, 30),)]


def test_parquet_brings_its_own_types(landing: Landing) -> None:
    folder = landing.write("west", "01", {"members": [member("a")]}, ending="parquet")
    table = pa.table(
        {
            "member_id": pa.array(["a"]).dictionary_encode(),
            "group_id": ["G1"],
            "state_code": ["IL"],
            "plan_code": pa.nulls(1),
            "effective_date": pa.array([dt.date(2026, 1, 1)]),
            "termination_date": pa.array([dt.datetime(2026, 12, 31)], pa.timestamp("ns")),
            "changed_at": pa.array([dt.datetime(2026, 11, 20, 4, 30, tzinfo=dt.UTC)], pa.timestamp("us", tz="UTC")),
        }
    )
    pq.write_table(table, folder / "members.parquet")
    files = [{"name": "members.parquet", "rows": 1, "sha256": sha256(folder / "members.parquet")}]
    landing.write("west", "02", {}, manifest={"tables": {"members": {"files": files}}})
    (folder / "members.parquet").rename(landing.project.landing / "west" / "02" / "members.parquet")
    assert isinstance(landing.take_in("west", "02"), Applied)
    assert landing.rows("SELECT member_id, effective_date, termination_date, changed_at FROM source_members") == [
        ("a", dt.date(2026, 1, 1), dt.date(2026, 12, 31), dt.datetime(2026, 11, 20, 4, 30))
    ]


def test_a_delta_is_applied_on_the_key(landing: Landing) -> None:
    landing.write("west", "01", {"members": [member("a"), member("b"), member("b", effective_date="2026-06-01")]})
    landing.write(
        "west",
        "02",
        {
            "members": [
                {"change": "upsert", **member("a", group_id="G2")},
                {"change": "delete", "member_id": "b", "effective_date": "2026-01-01"},
                {"change": "upsert", **member("c")},
            ]
        },
        kind="delta",
    )
    landing.take_in("west", "01")
    outcome = landing.take_in("west", "02")
    assert isinstance(outcome, Applied)
    assert outcome.mart_rows["members"] == 3
    assert landing.rows(MEMBERS) == [("a", "G2"), ("b", "G1"), ("c", "G1")]


def test_a_downstream_system_is_known_by_its_members_and_may_repeat_them(landing: Landing) -> None:
    landing.write("claims", "01", {"members": [{"source_system": "west", **member("a")}] * 2})
    outcome = landing.take_in("claims", "01")
    assert isinstance(outcome, Applied)
    assert outcome.role == "downstream"
    assert (
        landing.rows("SELECT downstream_system, source_system, member_id FROM downstream_members")
        == [("claims", "west", "a")] * 2
    )


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_downstream_system_is_known_by_its_counts(landing: Landing, ending: str) -> None:
    cell = {"source_system": "west", "group_id": "G1", "state_code": "CA", "member_count": 3}
    landing.write("claims", "01", {"member_counts": [cell]}, ending=ending)
    outcome = landing.take_in("claims", "01")
    assert isinstance(outcome, Applied)
    assert outcome.role == "downstream"
    counts = landing.rows("SELECT downstream_system, group_id, state_code, member_count FROM downstream_counts")
    assert counts == [("claims", "G1", "CA", 3)]


@pytest.mark.parametrize("first", [{"members": []}, {}])
def test_a_load_without_members_tells_no_role(landing: Landing, first: dict[str, Rows]) -> None:
    landing.write("claims", "01", first)
    landing.write("claims", "02", {"members": [{"source_system": "west", **member("a")}]})
    landing.write("claims", "03", {"members": []})
    for load_id in ("01", "02", "03"):
        outcome = landing.take_in("claims", load_id)
        assert isinstance(outcome, Applied)
    assert outcome.role == "downstream"
    assert landing.rows("SELECT DISTINCT role FROM loads") == [("downstream",)]
    assert landing.rows("SELECT COUNT(*) FROM source_members") == [(0,)]


def test_a_source_is_known_by_its_other_tables(landing: Landing) -> None:
    landing.write("west", "01", {"groups": []})
    landing.write("west", "02", {"members": [{"source_system": "west", **member("a")}]})
    assert isinstance(landing.take_in("west", "01"), Applied)
    assert isinstance(landing.take_in("west", "02"), Refused)


def test_a_missing_table_is_unchanged_and_an_empty_one_means_none(landing: Landing) -> None:
    group = {"group_id": "G1", "group_name": "Acme", "ihm_indicator": "Y"}
    landing.write("west", "01", {"members": [member("a")], "groups": [group]})
    landing.write("west", "02", {"members": []})
    landing.take_in("west", "01")
    landing.take_in("west", "02")
    assert landing.rows("SELECT member_id FROM source_members") == []
    assert landing.rows("SELECT group_id FROM employer_groups") == [("G1",)]


def test_the_same_load_again_is_a_no_op_and_other_content_a_revision(landing: Landing) -> None:
    landing.write("west", "01", {"members": [member("a")]})
    landing.take_in("west", "01")
    assert isinstance(landing.take_in("west", "01"), Unchanged)
    landing.write("west", "01", {"members": [member("b")]})
    outcome = landing.take_in("west", "01")
    assert isinstance(outcome, Applied)
    assert outcome.revision == 2
    assert landing.rows(MEMBERS) == [("b", "G1")]


def test_a_late_load_is_applied_in_its_place(landing: Landing) -> None:
    landing.write("west", "01", {"members": [member("a"), member("b")]})
    landing.write("west", "03", {"members": [{"change": "delete", **member("a")}]}, kind="delta")
    landing.take_in("west", "01")
    landing.take_in("west", "03")
    landing.write("west", "02", {"members": [{"change": "upsert", **member("a", group_id="G9")}]}, kind="delta")
    outcome = landing.take_in("west", "02")
    assert isinstance(outcome, Applied)
    assert outcome.replayed == 2
    assert landing.rows(MEMBERS) == [("b", "G1")]


def test_a_late_load_is_refused_when_the_loads_to_apply_again_are_gone(landing: Landing) -> None:
    folder = landing.write("west", "02", {"members": [member("a")]})
    landing.take_in("west", "02")
    (folder / "manifest.json").unlink()
    landing.write("west", "01", {"members": [member("b")]})
    outcome = landing.take_in("west", "01")
    assert isinstance(outcome, Refused)
    assert outcome.counts == {"earlier_load_missing": 1}
    assert landing.rows(MEMBERS) == [("a", "G1")]


def test_loads_that_are_revised_together_are_applied_together(landing: Landing) -> None:
    for content in ("old", "new"):
        landing.write("west", "01", {"members": [member(f"{content}-1")]})
        landing.write("west", "02", {"members": [member(f"{content}-2", change="upsert")]}, kind="delta")
        outcomes = [landing.take_in("west", load_id) for load_id in ("01", "02")]
        assert not any(isinstance(outcome, Refused) for outcome in outcomes)
    assert isinstance(outcomes[1], Unchanged)
    members = landing.rows("SELECT m.member_id FROM source_members AS m ORDER BY m.member_id")
    assert members == [("new-1",), ("new-2",)]
    revisions = landing.rows("SELECT l.load_id, l.revision FROM loads AS l ORDER BY l.load_id")
    assert revisions == [("01", 2), ("02", 2)]


def test_a_revision_whose_later_load_is_revised_wrongly_leaves_the_mart_as_it_was(landing: Landing) -> None:
    landing.write("west", "01", {"members": [member("old-1")]})
    landing.write("west", "02", {"members": [member("old-2", change="upsert")]}, kind="delta")
    for load_id in ("01", "02"):
        assert isinstance(landing.take_in("west", load_id), Applied)
    landing.write("west", "01", {"members": [member("new-1")]})
    landing.write("west", "02", {"members": [member("new-2", change="upsert", state_code="ZZ")]}, kind="delta")
    refused = landing.take_in("west", "01")
    assert isinstance(refused, Refused)
    assert refused.counts == {"earlier_load_unreadable": 1}
    assert len(landing.rows("SELECT m.member_id FROM source_members AS m WHERE m.member_id LIKE 'old%'")) == 2


def test_loads_before_the_last_full_one_of_each_table_may_be_tidied_away(landing: Landing) -> None:
    group = {"group_id": "G1", "group_name": "Acme", "ihm_indicator": "Y"}
    landing.write("west", "01", {"members": [member("a")]})
    landing.write("west", "02", {"members": [member("b")], "groups": [group]})
    landing.write("west", "03", {"members": [member("c")]})
    landing.write("west", "04", {"members": [{"change": "upsert", **member("d")}]}, kind="delta")
    for load_id in ("01", "02", "03", "04"):
        assert isinstance(landing.take_in("west", load_id), Applied)
    shutil.rmtree(landing.project.landing / "west" / "01")
    landing.write("west", "04", {"members": [{"change": "upsert", **member("e")}]}, kind="delta")
    outcome = landing.take_in("west", "04")
    assert isinstance(outcome, Applied)
    assert outcome.replayed == 2
    assert landing.rows(MEMBERS) == [("c", "G1"), ("e", "G1")]
    assert landing.rows("SELECT group_id FROM employer_groups") == [("G1",)]
    shutil.rmtree(landing.project.landing / "west" / "02")
    landing.write("west", "04", {"members": [{"change": "upsert", **member("f")}]}, kind="delta")
    outcome = landing.take_in("west", "04")
    assert isinstance(outcome, Refused)
    assert outcome.counts == {"earlier_load_missing": 1}


def test_a_full_load_is_corrected_without_those_before_it(landing: Landing) -> None:
    for load_id in ("01", "02"):
        landing.write("west", load_id, {"members": [member(load_id)]})
        landing.take_in("west", load_id)
    shutil.rmtree(landing.project.landing / "west" / "01")
    landing.write("west", "02", {"members": [member("corrected")]})
    assert isinstance(landing.take_in("west", "02"), Applied)
    assert landing.rows(MEMBERS) == [("corrected", "G1")]


@pytest.mark.parametrize("others", [[], ["01"]])
def test_a_correction_leaves_nothing_of_what_it_corrects(landing: Landing, others: list[str]) -> None:
    group = {"group_id": "G1", "group_name": "Acme", "ihm_indicator": "Y"}
    for load_id in others:
        landing.write("west", load_id, {"members": [member("a")]})
        landing.take_in("west", load_id)
    landing.write("west", "02", {"members": [member("a")], "groups": [group]})
    landing.take_in("west", "02")
    landing.write("west", "02", {"members": [member("b")]})
    assert isinstance(landing.take_in("west", "02"), Applied)
    assert landing.rows(MEMBERS) == [("b", "G1")]
    assert landing.rows("SELECT group_id FROM employer_groups") == []


def test_a_first_delta_is_corrected(landing: Landing) -> None:
    for member_id in ("a", "b"):
        landing.write("west", "01", {"members": [{"change": "upsert", **member(member_id)}]}, kind="delta")
        assert isinstance(landing.take_in("west", "01"), Applied)
    assert landing.rows(MEMBERS) == [("b", "G1")]


def test_unknown_columns_are_kept_out_and_named(landing: Landing) -> None:
    landing.write("west", "01", {"members": [member("a", shoe_size="44")]})
    outcome = landing.take_in("west", "01")
    assert isinstance(outcome, Applied)
    assert outcome.unknown_columns == {"members": ("shoe_size",)}


@pytest.mark.parametrize("column", ["file_row", "File_Row_Number"])
def test_a_good_parquet_file_may_have_any_column_beside(landing: Landing, column: str) -> None:
    landing.write("west", "01", {"members": [member("a", **{column: 7})]}, ending="parquet")
    assert isinstance(landing.take_in("west", "01"), Applied)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("name", ["members-*", "members-?", "members-[ab]"])
def test_a_file_name_is_no_pattern(landing: Landing, name: str, ending: str) -> None:
    folder = landing.write("west", "01", {"members": [member("a")]}, ending=ending)
    landing.write("west", "02", {"members": [member("b")]}, ending=ending)
    (landing.project.landing / "west" / "02" / f"members.{ending}").rename(folder / f"members-a.{ending}")
    path = (folder / f"members.{ending}").rename(folder / f"{name}.{ending}")
    files = [{"name": path.name, "rows": 1, "sha256": sha256(path)}]
    landing.write("west", "01", {}, manifest={"tables": {"members": {"files": files}}})
    assert isinstance(landing.take_in("west", "01"), Applied)
    assert landing.rows(MEMBERS) == [("a", "G1")]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_landing_folder_may_lie_anywhere_and_adds_no_column(landing: Landing, tmp_path: Path, ending: str) -> None:
    elsewhere = tmp_path / "plan_code=P9" / "[prod]"
    elsewhere.mkdir(parents=True)
    there = Landing(replace(landing.project, landing=elsewhere))
    row = {name: value for name, value in member("a").items() if name != "plan_code"}
    there.write("west", "01", {"members": [row]}, ending=ending)
    assert isinstance(there.take_in("west", "01"), Applied)
    assert there.rows("SELECT plan_code FROM source_members") == [(None,)]


def test_pending_loads_are_those_that_the_mart_does_not_hold(landing: Landing) -> None:
    landing.write("west", "02", {"members": [member("a")]})
    landing.write("west", "01", {"members": [member("a")]})
    (landing.project.landing / "west" / "03-no-manifest-yet").mkdir()
    landing.take_in("west", "01")
    with open_mart(landing.project) as mart:
        assert [load.load_id for load in pending_loads(landing.project.landing, mart)] == ["02"]


KILLED = """
import os, signal, sys
from memsync_assets.landing import take_in as module
from tests.landing.landed import Landing
from memsync_assets.settings import Home, Project, Reconciliation, Scope, Settings
from pathlib import Path

root, where = Path(sys.argv[1]), sys.argv[2]
original = getattr(module, where)

def killed(*arguments, **named):
    if sys.argv[3] == "after":
        original(*arguments, **named)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(module, where, killed)
settings = Settings(reconciliations={"ihm": Reconciliation(scope=Scope(flagged=True))})
Landing(Project(settings, Home(root / "home"), root / "landing")).take_in("west", sys.argv[4])
"""


@pytest.mark.parametrize(
    ("where", "moment"),
    [("validate", "after"), ("_apply", "before"), ("_apply", "after"), ("_note", "after"), ("count_rows", "before")],
)
def test_killed_at_any_point_the_next_run_neither_loses_nor_repeats(
    landing: Landing, tmp_path: Path, where: str, moment: str
) -> None:
    landing.write("west", "01", {"members": [member("a"), member("b")]})
    landing.take_in("west", "01")
    landing.write("west", "02", {"members": [{"change": "upsert", **member("b", group_id="G7")}]}, kind="delta")
    project = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), where, moment, "02"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project)},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    landing.take_in("west", "02")
    assert landing.rows(MEMBERS) == [("a", "G1"), ("b", "G7")]
    assert landing.rows("SELECT COUNT(*) AS n FROM delta_keys") == [(0,)]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_around_the_move_to_quarantine_the_load_is_refused_once(
    landing: Landing, tmp_path: Path, moment: str
) -> None:
    landing.write("west", "01", {"members": [member("a", state_code="ZZ")]})
    project = Path(__file__).resolve().parents[2]
    subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), "quarantine", moment, "01"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project)},
        check=False,
    )
    with open_mart(landing.project) as mart:
        left = pending_loads(landing.project.landing, mart)
    assert len(left) == (1 if moment == "before" else 0)
    for load in left:
        assert isinstance(landing.take_in("west", load.load_id), Refused)
    assert len(list((tmp_path / "home" / "quarantine" / "west").iterdir())) == 1
    assert not (landing.project.landing / "west" / "01").exists()
