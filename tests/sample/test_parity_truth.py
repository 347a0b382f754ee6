"""The truth of parity holds of the files that were written."""

from __future__ import annotations

from datetime import date

import pytest

from memsync_assets.sample import Truth
from memsync_assets.sample.fates import CHANGES, FAULTS, LIVES
from memsync_assets.sample.schedule import LOAD_DATES
from tests.sample.landed import DOWNSTREAMS, findings

DATES = tuple(load_date.as_of for load_date in LOAD_DATES)
KINDS = {"missing", "extra", "duplicate", "wrong_group", "wrong_state", "wrong_plan", "stale_dates"}


def expected(truth: Truth, as_of: date) -> set[tuple[str, str, str, str, str]]:
    columns = ("downstream_system", "source_system", "member_id", "kind", "in_flight")
    rows = truth.findings(as_of).to_pylist()
    found = {tuple(row[c] for c in columns) for row in rows}
    assert len(found) == len(rows)
    return found


@pytest.mark.parametrize("number", [1, 2, 3])
def test_injected_findings_are_those_in_the_files(truth: Truth, number: int) -> None:
    assert findings(truth.landing, DATES[:number]) == expected(truth, DATES[number - 1])


def test_every_kind_is_there_for_every_downstream_system_on_every_date(truth: Truth) -> None:
    for as_of in DATES:
        found = {(row[0], row[3]) for row in expected(truth, as_of) if row[4] == "N"}
        assert found == {(system, kind) for system in DOWNSTREAMS for kind in KINDS}
        assert {row[0] for row in expected(truth, as_of) if row[4] == "Y"} == set(DOWNSTREAMS)


def test_discrepancies_age_close_and_reopen(truth: Truth) -> None:
    seen = [{row[:4] for row in expected(truth, as_of) if row[4] == "N"} for as_of in DATES]
    lives = {tuple(n for n, rows in enumerate(seen, 1) if row in rows) for row in set().union(*seen)}
    assert lives >= LIVES.keys()


def test_every_cause_that_makes_a_finding_does(truth: Truth) -> None:
    causes = {cause for as_of in DATES for cause in truth.findings(as_of)["cause"].to_pylist()}
    silent = {what for what, kinds in (CHANGES | FAULTS).items() if not kinds}
    assert causes == (CHANGES.keys() | FAULTS.keys() | {"moved_whole"}) - silent


def test_a_group_moved_whole_is_missed_by_one_downstream_system(truth: Truth) -> None:
    rows = [row for row in truth.findings(DATES[1]).to_pylist() if row["cause"] == "moved_whole"]
    assert {row["downstream_system"] for row in rows} == {"claims"}
    assert {row["kind"] for row in rows} == {"wrong_plan"}
    assert len(rows) > 5
