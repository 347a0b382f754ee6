"""Bad input: refused whole with its reason, and the rest goes on."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from memsync_assets.landing.take_in import Applied, Refused
from memsync_assets.settings import System
from tests.landing.landed import Landing, member, sha256

Members = list[dict[str, object]]


def reason(outcome: Refused) -> dict[str, list[dict[str, object]]]:
    return json.loads((outcome.quarantined_at / "reason.json").read_text())


def refuse(landing: Landing, load_id: str = "01") -> Refused:
    outcome = landing.take_in("west", load_id)
    assert isinstance(outcome, Refused)
    return outcome


def land_again(folder: Path) -> None:
    """Set right the checksum of a file that was changed."""
    manifest = json.loads((folder / "manifest.json").read_text())
    for table in manifest["tables"].values():
        for file in table["files"]:
            file["sha256"] = sha256(folder / file["name"])
    (folder / "manifest.json").write_text(json.dumps(manifest))


def replace_parquet(folder: Path, select: str) -> None:
    duckdb.execute(f"COPY ({select}) TO '{folder}/members.parquet' (FORMAT parquet)")
    land_again(folder)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("rows", "kind", "row", "column"),
    [
        ([member("a"), member("b", state_code="ZZ")], "unknown_state", 2, "state_code"),
        ([member("a"), member("b", state_code="il")], "unknown_state", 2, "state_code"),
        ([member("a", effective_date="2026-02-30")], "impossible_date", 1, "effective_date"),
        ([member("a", effective_date="0026-02-03")], "impossible_date", 1, "effective_date"),
        ([member("a", effective_date="11/20/2026")], "wrong_type", 1, "effective_date"),
        ([member("a", effective_date="-2026-01-01")], "wrong_type", 1, "effective_date"),
        ([member("a", effective_date="10000-01-01")], "wrong_type", 1, "effective_date"),
        ([member("a", changed_at="yesterday")], "wrong_type", 1, "changed_at"),
        ([member("a", changed_at="2026-11-19 23:30:00 -05:00")], "wrong_type", 1, "changed_at"),
        ([member("a", changed_at="2026-11-19 23:30:00 America/New_York")], "wrong_type", 1, "changed_at"),
        ([member("a", changed_at="2026-11-19 11:30:00 PM")], "wrong_type", 1, "changed_at"),
        ([member("a", changed_at="2026-11-19T23:30:00+99:00")], "wrong_type", 1, "changed_at"),
        ([member("a", changed_at="2026-11-19T23:30:00+14:30")], "wrong_type", 1, "changed_at"),
        ([member("a", changed_at="2026-11-19T")], "wrong_type", 1, "changed_at"),
        ([member("a", changed_at="2026-11-19T23:60:00Z")], "impossible_date", 1, "changed_at"),
        ([member("a"), member("  ")], "null_key", 2, "member_id"),
        ([member("a"), member("b", group_id=None)], "null_value", 2, "group_id"),
        ([member("a"), member("b"), member(" a ")], "repeated_key", 1, "member_id, effective_date"),
        ([member("a\0b")], "control_character", 1, "member_id"),
        ([member("a" * 100), member("b", plan_code="a" * 101)], "too_long", 2, "plan_code"),
        ([member("\U00020000" * 50), member("\U00020000" * 51)], "too_long", 2, "member_id"),
    ],
)
def test_a_wrong_row_refuses_the_load_and_is_named(
    landing: Landing, rows: Members, kind: str, row: int, column: str, ending: str
) -> None:
    landing.write("west", "01", {"members": rows}, ending=ending)
    outcome = refuse(landing)
    found = reason(outcome)["findings"]
    assert {finding["kind"] for finding in found} == {kind}
    assert (found[0]["file"], found[0]["row"], found[0]["column"]) == (f"members.{ending}", row, column)
    assert landing.rows("SELECT member_id FROM source_members") == []


@pytest.mark.parametrize("infinity", ["infinity", "-infinity"])
@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("termination_date", "DATE"),
        ("termination_date", "TIMESTAMP"),
        ("changed_at", "DATE"),
        ("changed_at", "TIMESTAMP"),
        ("changed_at", "TIMESTAMP_NS"),
        ("changed_at", "TIMESTAMPTZ"),
    ],
)
def test_a_date_without_end_is_refused(landing: Landing, column: str, infinity: str, kind: str) -> None:
    folder = landing.write("west", "01", {"members": [member("a")]}, ending="parquet")
    replace_parquet(
        folder,
        "SELECT 'a' AS member_id, 'G1' AS group_id, 'IL' AS state_code, DATE '2026-01-01' AS effective_date, "
        f"CAST('{infinity}' AS {kind}) AS {column}",
    )
    outcome = refuse(landing)
    assert outcome.counts == {"impossible_date": 1}
    assert reason(outcome)["findings"][0]["column"] == column


def test_no_value_of_a_member_is_in_the_reason(landing: Landing) -> None:
    landing.write("west", "01", {"members": [member("SECRET-1", state_code="SECRET"), member("SECRET-1")]})
    assert "SECRET" not in (refuse(landing).quarantined_at / "reason.json").read_text()


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("column", ["file_row", "FILE_ROW", "file_row_number", "memsync_row"])
def test_a_column_of_the_file_never_passes_for_the_row(landing: Landing, ending: str, column: str) -> None:
    rows = [member("a", state_code="ZZ"), member("b"), member("b")]
    landing.write("west", "01", {"members": [row | {column: "SECRET"} for row in rows]}, ending=ending)
    landing.write("west", "02", {"members": [row | {column: "SECRET"} for row in rows[1:]]}, ending=ending)
    for load_id, row in (("01", 1), ("02", 1)):
        outcome = refuse(landing, load_id)
        assert reason(outcome)["findings"][0]["row"] == row
        assert "SECRET" not in (outcome.quarantined_at / "reason.json").read_text()


def test_columns_that_differ_in_case_only_are_one_twice(landing: Landing) -> None:
    landing.write("west", "01", {"members": [member("a", MEMBER_ID="b")]})
    (finding,) = reason(refuse(landing))["findings"]
    assert finding["message"] == "repeats a column in its header"


def test_at_most_a_hundred_findings_of_a_kind_are_listed_and_all_are_counted(landing: Landing) -> None:
    landing.write("west", "01", {"members": [member(f"m{i}", state_code="ZZ") for i in range(250)]})
    outcome = refuse(landing)
    assert outcome.counts == {"unknown_state": 250}
    assert len(reason(outcome)["findings"]) == 100


def test_all_repeated_keys_are_counted(landing: Landing) -> None:
    landing.write("west", "01", {"members": [member(f"m{i % 80}") for i in range(250)]})
    outcome = refuse(landing)
    assert outcome.counts == {"repeated_key": 250}
    assert len(reason(outcome)["findings"]) == 100


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def spoil_text(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\xff\xfe,\xff\n")


def ragged(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"only-one-cell\n")


def nul(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"G1", b"G\0"))


def repeat_header(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"plan_code", b"group_id"))


@pytest.mark.parametrize(
    ("spoil", "ending", "kind"),
    [
        (truncate, "parquet", "unreadable_file"),
        (truncate, "csv.gz", "unreadable_file"),
        (spoil_text, "csv", "unreadable_file"),
        (ragged, "csv", "unreadable_file"),
        (nul, "csv", "control_character"),
        (repeat_header, "csv", "unreadable_file"),
        (lambda path: path.write_bytes(b""), "csv", "unreadable_file"),
        (lambda path: path.write_bytes(b""), "parquet", "unreadable_file"),
    ],
)
def test_a_spoilt_file_is_refused_even_with_the_right_checksum(
    landing: Landing, spoil: Callable[[Path], None], ending: str, kind: str
) -> None:
    folder = landing.write("west", "01", {"members": [member("a"), member("b")]}, ending=ending)
    path = folder / f"members.{ending}"
    spoil(path)
    files = [{"name": path.name, "rows": 2, "sha256": sha256(path)}]
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "tables": {"members": {"files": files}}}))
    assert kind in refuse(landing).counts


@pytest.mark.parametrize(
    ("added", "message"),
    [
        (b"SECRET\r\n", "a row has more or fewer cells than the header"),
        (b"SECRET,a,b,c,d,e,f,g,h\r\n", "a row has more or fewer cells than the header"),
        (b'"SECRET,G1,IL,P1,2026-01-01,\r\n', "a quote is not closed, or text goes on behind it"),
        (b'"SECRET"SECRET,G1,IL,P1,2026-01-01,\r\n', "a quote is not closed, or text goes on behind it"),
        (b"SECRET\xff,G1,IL,P1,2026-01-01,\r\n", "is not UTF-8"),
        (b'"Invalid unicode\nSECRET"\r\n', "a row has more or fewer cells than the header"),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "csv.gz"])
def test_a_fault_of_a_csv_file_is_named_with_its_row_and_without_its_values(
    landing: Landing, added: bytes, message: str, ending: str
) -> None:
    folder = landing.write("west", "01", {"members": [member("a\nb"), member("b")]}, ending=ending)
    path = folder / f"members.{ending}"
    path.write_bytes(path.read_bytes() + (gzip.compress(added) if ending == "csv.gz" else added))
    land_again(folder)
    outcome = refuse(landing)
    (finding,) = reason(outcome)["findings"]
    assert (finding["kind"], finding["message"], finding["row"]) == ("unreadable_file", message, 3)
    assert "SECRET" not in (outcome.quarantined_at / "reason.json").read_text()


def test_lines_that_do_not_end_alike_are_told(landing: Landing) -> None:
    folder = landing.write("west", "01", {"members": [member("a"), member("b")]})
    path = folder / "members.csv"
    path.write_bytes(path.read_bytes() + b"SECRET\n")
    land_again(folder)
    (finding,) = reason(refuse(landing))["findings"]
    assert finding["message"] == "its lines do not all end alike, or it is no CSV as RFC 4180 has it"


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"member_id\xff,", "has a header that is not UTF-8"),
        (b'"member_id,', "has a header with a quote that is not closed, or a name that is too long"),
    ],
)
def test_a_header_that_cannot_be_read_is_told(landing: Landing, header: bytes, message: str) -> None:
    folder = landing.write("west", "01", {"members": [member("a")]})
    path = folder / "members.csv"
    path.write_bytes(path.read_bytes().replace(b"member_id,", header))
    land_again(folder)
    assert [finding["message"] for finding in reason(refuse(landing))["findings"]] == [message]


@pytest.mark.parametrize("name", ["Member_ID", " member_id", "MEMBER_ID "])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_column_that_is_nearly_the_missing_one_is_named(landing: Landing, name: str, ending: str) -> None:
    row = {name if column == "member_id" else column: value for column, value in member("a").items()}
    landing.write("west", "01", {"members": [row]}, ending=ending)
    (finding,) = reason(refuse(landing))["findings"]
    assert (finding["kind"], finding["column"]) == ("missing_column", "member_id")
    assert repr(name) in str(finding["message"])


@pytest.mark.parametrize("value", ["{'SECRET': 1}", "[{'SECRET': 1}]"])
def test_a_type_is_told_without_what_is_in_it(landing: Landing, value: str) -> None:
    folder = landing.write("west", "01", {"members": [member("a")]}, ending="parquet")
    replace_parquet(
        folder,
        "SELECT 'a' AS member_id, 'G1' AS group_id, 'IL' AS state_code, DATE '2026-01-01' AS effective_date, "
        f"{value} AS plan_code",
    )
    outcome = refuse(landing)
    assert outcome.counts == {"wrong_type": 1}
    assert "SECRET" not in (outcome.quarantined_at / "reason.json").read_text()


def test_a_wrong_checksum_a_wrong_count_and_a_missing_file(landing: Landing) -> None:
    folder = landing.write("west", "01", {"members": [member("a")]})
    manifest = json.loads((folder / "manifest.json").read_text())
    file = manifest["tables"]["members"]["files"][0]
    for load_id, change, kind in (
        ("02", {"sha256": "0" * 64}, "wrong_checksum"),
        ("03", {"rows": 10_000_000_000}, "wrong_row_count"),
        ("04", {"name": "elsewhere.csv"}, "missing_file"),
    ):
        tables = {"members": {"files": [{**file, **change}]}}
        landing.write("west", load_id, {"members": [member("a")]}, manifest={"tables": tables})
        assert refuse(landing, load_id).counts == {kind: 1}


@pytest.mark.parametrize(
    "change",
    [
        {"contract": 2},
        {"kind": "partial"},
        {"as_of": "2026-02-30"},
        {"system": "east"},
        {"load_id": "../01"},
        {"load_id": "a/b"},
        {"tables": {"members": {"files": [{"name": "../members.csv", "rows": 1, "sha256": "0" * 64}]}}},
        {"tables": {"members": {"files": [{"name": "/etc/passwd.csv", "rows": 1, "sha256": "0" * 64}]}}},
        {"tables": {"members": {"files": [{"name": "members.csv", "rows": -1, "sha256": "0" * 64}]}}},
        {"tables": {"members": {"files": [{"name": "members.exe", "rows": 1, "sha256": "0" * 64}]}}},
        {"tables": {"members": {"files": [{"name": "members.csv", "rows": 1, "sha256": "0" * 64}] * 2}}},
        {"tables": None},
        {"as_of": 20261120},
        {"as_of": "20261120"},
        {"as_of": "1795046400"},
        {"as_of": "2026-11-20T00:00:00"},
        {"as_of": "1899-12-31"},
        {"as_of": "2201-01-01"},
        {"cutoff_at": 0},
        {"cutoff_at": 1795046400},
        {"cutoff_at": "20261120053000"},
        {"cutoff_at": "2026-11-20"},
        {"cutoff_at": "2026-11-20T05:30:00+99:00"},
        {"cutoff_at": "2026-11-20T05:30:00 UTC"},
        {"cutoff_at": "9999-12-31T23:59:59-14:00"},
        {"cutoff_at": "0001-01-01T00:00:00+14:00"},
    ],
)
def test_a_bad_manifest_is_refused(landing: Landing, change: dict[str, object]) -> None:
    landing.write("west", "01", {"members": [member("a")]}, manifest=change)
    assert refuse(landing).counts == {"bad_manifest": 1}


@pytest.mark.parametrize(
    ("written", "cutoff_at"),
    [
        ("2026-11-20T05:30:00Z", datetime(2026, 11, 20, 5, 30)),
        ("2026-11-20 05:30z", datetime(2026, 11, 20, 5, 30)),
        ("2026-11-20T05:30:00.5+05:30", datetime(2026, 11, 20, 0, 0, 0, 500000)),
        ("2026-11-20T05:30:00", datetime(2026, 11, 20, 5, 30)),
        (None, None),
    ],
)
def test_a_cutoff_is_a_moment_in_iso_form(landing: Landing, written: str | None, cutoff_at: datetime | None) -> None:
    landing.write("west", "01", {"members": [member("a")]}, manifest={"cutoff_at": written})
    assert isinstance(landing.take_in("west", "01"), Applied)
    assert landing.rows("SELECT cutoff_at FROM loads") == [(cutoff_at,)]


def test_a_manifest_that_is_no_json_is_refused(landing: Landing) -> None:
    folder = landing.write("west", "01", {"members": [member("a")]})
    (folder / "manifest.json").write_text("{")
    assert refuse(landing).counts == {"bad_manifest": 1}


def test_a_link_to_a_file_elsewhere_is_refused(landing: Landing, tmp_path: Path) -> None:
    folder = landing.write("west", "01", {"members": [member("a")]})
    elsewhere = tmp_path / "elsewhere.csv"
    (folder / "members.csv").rename(elsewhere)
    (folder / "members.csv").symlink_to(elsewhere)
    assert refuse(landing).counts == {"missing_file": 1}
    assert elsewhere.exists()


@pytest.mark.parametrize("column", ["source_system", "Source_System", " SOURCE_SYSTEM"])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_members_of_a_downstream_system_are_no_source_s(landing: Landing, ending: str, column: str) -> None:
    settings = landing.project.settings.model_copy(update={"systems": {"west": System(role="source")}})
    landing.project = replace(landing.project, settings=settings)
    landing.write("west", "01", {"members": [member("a", **{column: "east"})]}, ending=ending)
    assert refuse(landing).counts == {"wrong_role": 1}


def test_a_missing_column_and_an_unknown_table(landing: Landing) -> None:
    rows: Members = [{"member_id": "a", "state_code": "IL", "effective_date": "2026-01-01"}]
    landing.write("west", "01", {"members": rows, "claims": [{"claim_id": "1"}]})
    assert refuse(landing).counts == {"missing_column": 1, "unknown_table": 1}


def test_a_delta_without_its_change_column_and_with_an_unknown_change(landing: Landing) -> None:
    landing.write("west", "01", {"members": [member("a")]}, kind="delta")
    assert refuse(landing).counts == {"missing_column": 1}
    landing.write("west", "02", {"members": [{"change": "insert", **member("a")}]}, kind="delta")
    assert refuse(landing, "02").counts == {"unknown_change": 1}


def test_ids_that_were_numbers_have_lost_their_zeros_and_are_refused(landing: Landing) -> None:
    folder = landing.write("west", "01", {"members": [member("a")]}, ending="parquet")
    path = folder / "members.parquet"
    table = pq.read_table(path)
    pq.write_table(table.set_column(0, "member_id", pa.array([42])), path)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["tables"]["members"]["files"][0]["sha256"] = sha256(path)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert refuse(landing).counts == {"wrong_type": 1}


def test_a_refused_load_breaks_nothing_else_and_can_land_again(landing: Landing) -> None:
    landing.write("west", "01", {"members": [member("a", state_code="ZZ")]})
    landing.write("west", "02", {"members": [member("b")]})
    refuse(landing)
    assert not (landing.project.landing / "west" / "01").exists()
    assert isinstance(landing.take_in("west", "02"), Applied)
    landing.write("west", "01", {"members": [member("a")]})
    assert isinstance(landing.take_in("west", "01"), Applied)
    assert landing.rows("SELECT member_id FROM source_members") == [("b",)]


_CELL = {"source_system": "west", "group_id": "G1", "state_code": "CA"}


@pytest.mark.parametrize(
    ("count", "kind"),
    [("-1", "wrong_type"), ("1.5", "wrong_type"), ("many", "wrong_type"), ("9" * 20, "wrong_type"), ("", "null_value")],
)
def test_a_count_is_a_whole_number_from_0(landing: Landing, count: str, kind: str) -> None:
    landing.write("west", "01", {"member_counts": [_CELL | {"member_count": count}]})
    assert refuse(landing).counts == {kind: 1}


@pytest.mark.parametrize("count", [-1, 1.5, date(2026, 1, 1), True])
def test_a_count_of_another_type_is_refused(landing: Landing, count: object) -> None:
    landing.write("west", "01", {"member_counts": [_CELL | {"member_count": count}]}, ending="parquet")
    assert refuse(landing).counts["wrong_type"] == 1


def test_a_cell_is_counted_once(landing: Landing) -> None:
    landing.write("west", "01", {"member_counts": [_CELL | {"member_count": n} for n in (1, 2)]})
    assert refuse(landing).counts == {"repeated_key": 2}
