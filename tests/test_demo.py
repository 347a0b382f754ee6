"""`memsync demo` from nothing, held against the sample's truth; a second time it writes nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from memsync_assets import cli
from memsync_assets.mart.connect import open_mart
from memsync_assets.sample.generator import Truth
from memsync_assets.sample.schedule import LOAD_DATES
from memsync_assets.settings import DEFAULT_CONFIG, Home, MemsyncError, Project, load_settings

MEMBERS = 4_000


def demo(home: Path) -> str:
    ended = CliRunner().invoke(cli.app, ["demo", "--home", str(home), "--members", str(MEMBERS)])
    assert ended.exit_code == 0, ended.output
    return ended.output


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("demo")
    output = demo(home)
    assert "failed" not in output
    assert output.count("6 loads taken in, 0 refused") == 3
    return home


def rows(home: Path, sql: str) -> list[tuple[object, ...]]:
    with open_mart(Project(load_settings(DEFAULT_CONFIG), Home(home), home / "landing")) as mart:
        return [tuple(row.values()) for row in mart.fetch(sql).to_pylist()]


def test_findings_and_counts_are_those_that_were_injected(home: Path) -> None:
    truth = Truth(home / "landing", home / "truth", tuple(one.as_of for one in LOAD_DATES))
    columns = ("as_of", "downstream_system", "source_system", "member_id", "kind", "in_flight")
    found = set(rows(home, f"SELECT {', '.join(columns)} FROM discrepancies WHERE reconciliation = 'ihm'"))
    due = {tuple(row[c] for c in columns) for day in truth.as_of_dates for row in truth.findings(day).to_pylist()}
    assert found == due
    columns = ("as_of", "downstream_system", "level", "source_system", "group_id", "state_code", "source_count",
               "downstream_count")  # fmt: skip
    counted = set(rows(home, f"SELECT {', '.join(columns)} FROM membership_counts WHERE reconciliation = 'ihm'"))
    due = {tuple(row[c] for c in columns) for day in truth.as_of_dates for row in truth.counts(day).to_pylist()}
    assert counted == due


def test_discrepancies_close_and_reopen(home: Path) -> None:
    (moved,) = rows(
        home,
        "SELECT SUM(CASE WHEN status = 'closed' THEN 1 ELSE 0 END) AS closed, SUM(reopened_count) AS reopened"
        " FROM discrepancy_ledger WHERE reconciliation = 'ihm'",
    )
    assert all(count and int(str(count)) > 0 for count in moved)


def test_nothing_failed_in_salesforce(home: Path) -> None:
    assert rows(home, "SELECT DISTINCT status FROM salesforce_sync_results") == [("succeeded",)]


def command(home: Path, *words: str) -> tuple[int, str]:
    ended = CliRunner().invoke(cli.app, [*words, "--home", str(home)])
    return ended.exit_code, ended.output


def test_the_reports_are_written_again(home: Path) -> None:
    page = home / "reports" / "ihm-2026-11-20.html"
    before = page.read_bytes()
    page.unlink()
    code, output = command(home, "report", "--as-of", "2026-11-20")
    assert code == 0
    assert page.name in output
    assert page.read_bytes() == before


def test_a_person_is_explained(home: Path) -> None:
    ((person_id,),) = rows(
        home, "SELECT TOP (1) person_id FROM contact_persons GROUP BY person_id HAVING COUNT(*) > 1 ORDER BY person_id"
    )
    code, output = command(home, "explain", str(person_id))
    assert code == 0
    assert output.startswith(f"person {person_id}")
    assert "golden record" in output


def test_a_pair_is_reviewed_and_decided_once(home: Path) -> None:
    code, output = command(home, "review")
    assert code == 0, output
    assert "pairs wait for a decision" in output
    firsts = rows(home, "SELECT system, MIN(contact_id) FROM contact_persons GROUP BY system ORDER BY system")
    one, other = (f"{system}/{contact}" for system, contact in firsts if system in ("foundation_ca", "heritage_tx"))
    pair = (one, other)
    assert command(home, "review", "--different", *pair)[0] == 0
    assert f"never_link,{','.join(pair).replace('/', ',')}" in (home / "identity_decisions.csv").read_text()
    with pytest.raises(MemsyncError, match="decided both"):
        cli.review(home, DEFAULT_CONFIG, same=pair)
    with pytest.raises(MemsyncError, match="SYSTEM/CONTACT_ID"):
        cli.review(home, DEFAULT_CONFIG, same=("nobody", "x/1"))
    with pytest.raises(MemsyncError, match="heritage_tx/nobody"):
        cli.review(home, DEFAULT_CONFIG, different=(one, "heritage_tx/nobody"))
    (home / "identity_decisions.csv").unlink()


def test_the_doctor_finds_all_well(home: Path) -> None:
    code, output = command(home, "doctor")
    assert code == 0, output
    assert "18 loads applied" in output


def test_doubles_are_merged_and_what_is_left_is_approved_by_its_hash(home: Path) -> None:
    states = rows(home, "SELECT state FROM contact_merges")
    assert states
    assert set(states) == {("merged",)}
    _, output = command(home, "plan", "--excel", str(home / "plan.xlsx"))
    if approve := re.search(r"--approve ([0-9a-f]{64})", output):
        with pytest.raises(MemsyncError, match="nobody can be asked"):
            cli.apply(home, DEFAULT_CONFIG)
        assert command(home, "apply", "--approve", approve[1])[0] == 0
    assert "nothing to do" in command(home, "plan")[1]
    assert command(home, "merge")[1].startswith("merged 0")


def test_a_second_demo_writes_nothing(home: Path) -> None:
    output = demo(home)
    assert output.count("0 loads taken in, 0 refused") == 3
    assert "Writes to the org: 0 fields" in output
