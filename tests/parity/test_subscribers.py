"""A third area by configuration alone: subscribers counted by plan, from the YAML block that README shows."""

from __future__ import annotations

import re
from datetime import date, datetime

import pyarrow as pa
import pytest
import yaml

from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.parity.comparison import compare_membership
from memsync_assets.parity.verdicts import read_verdicts
from memsync_assets.settings import PROJECT, Settings
from tests.parity.worlds import AS_OF, CUTOFF, X, write_load

EARLY = date(2025, 1, 1)
#: member, subscriber, plan, from, to
Line = tuple[str, str | None, str, date, date | None]


def readme_block() -> Settings:
    """The reconciliation as README shows it, beside nothing."""
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    (block,) = [b for b in re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL) if "counted: subscribers" in b]
    return Settings.model_validate(yaml.safe_load(block))


def write(mart: DuckDBMart, source: list[Line], downstream: list[Line], changed: dict[str, datetime]) -> None:
    for table in ("source_members", "downstream_members", "employer_groups", "loads"):
        mart.execute(f"DELETE FROM {table}")
    for table, lines, more in (
        ("source_members", source, {}),
        ("downstream_members", downstream, {"downstream_system": X}),
    ):
        columns = {
            "source_system": ["a"] * len(lines),
            "member_id": [line[0] for line in lines],
            "subscriber_id": pa.array([line[1] for line in lines], pa.string()),
            "group_id": ["G1"] * len(lines),
            "state_code": ["CA"] * len(lines),
            "plan_code": [line[2] for line in lines],
            "effective_date": [line[3] for line in lines],
            "termination_date": pa.array([line[4] for line in lines], pa.date32()),
            "changed_at": pa.array([changed.get(line[0]) for line in lines], pa.timestamp("us")),
        }
        mart.append(table, pa.table(columns | {name: [value] * len(lines) for name, value in more.items()}))
    flagged = {"source_system": ["a"], "group_id": ["G1"], "group_name": ["One"], "ihm_indicator": ["Y"]}
    mart.append("employer_groups", pa.table(flagged))
    write_load(mart, "a", "source", AS_OF)
    write_load(mart, X, "downstream", AS_OF, CUTOFF)


SOURCE: list[Line] = [
    ("1", "1", "PPO", EARLY, None),
    ("2", "1", "PPO", date(2026, 3, 1), None),
    ("3", "3", "PPO", EARLY, None),
    ("4", None, "HMO", EARLY, None),
    ("5", "9", "HMO", EARLY, None),
]


def found(
    mart: DuckDBMart, downstream: list[Line], changed: dict[str, datetime] | None = None
) -> tuple[dict[str, tuple[int, int]], set[tuple[str, str, str]]]:
    """(source, downstream) counts by plan, and (subscriber, kind, in flight)."""
    write(mart, SOURCE, downstream, changed or {})
    settings = readme_block()
    (name,) = settings.reconciliations
    compare_membership(mart, settings, AS_OF)
    assert all(verdict.unexplained == 0 for verdict in read_verdicts(mart, AS_OF) if verdict.reconciliation == name)
    of_name = {"name": name}
    counts = mart.fetch("SELECT * FROM membership_counts WHERE reconciliation = @name AND level = 'plan'", of_name)
    rows = mart.fetch("SELECT * FROM discrepancies WHERE reconciliation = @name", of_name).to_pylist()
    return (
        {row["plan_code"]: (row["source_count"], row["downstream_count"]) for row in counts.to_pylist()},
        {(row["member_id"], row["kind"], row["in_flight"]) for row in rows},
    )


def test_a_subscriber_and_its_dependents_count_once(mart: DuckDBMart) -> None:
    assert found(mart, SOURCE) == ({"PPO": (2, 2), "HMO": (2, 2)}, set())


@pytest.mark.parametrize(
    ("downstream", "counts", "findings"),
    [
        pytest.param(
            [line for line in SOURCE if line[0] != "2"],
            {"PPO": (2, 2), "HMO": (2, 2)},
            set(),
            id="a dependent is missing: no matter of subscribers",
        ),
        pytest.param(
            [line for line in SOURCE if line[0] != "5"],
            {"PPO": (2, 2), "HMO": (2, 1)},
            {("9", "missing", "N")},
            id="the last of a family is missing",
        ),
        pytest.param(
            [*SOURCE[:2], ("3", "3", "HMO", EARLY, None), *SOURCE[3:]],
            {"PPO": (2, 1), "HMO": (2, 3)},
            {("3", "wrong_plan", "N")},
            id="another plan",
        ),
        pytest.param(
            [*SOURCE, SOURCE[2]], {"PPO": (2, 2), "HMO": (2, 2)}, set(), id="repeated rows are no duplicate subscriber"
        ),
        pytest.param(
            [*SOURCE[:3], ("4", None, "HMO", EARLY, date(2027, 1, 1)), SOURCE[4]],
            {"PPO": (2, 2), "HMO": (2, 2)},
            {("4", "stale_dates", "N")},
            id="the family's cover ends",
        ),
    ],
)
def test_what_differs(
    mart: DuckDBMart,
    downstream: list[Line],
    counts: dict[str, tuple[int, int]],
    findings: set[tuple[str, str, str]],
) -> None:
    assert found(mart, downstream) == (counts, findings)


def test_a_change_of_a_dependent_after_the_cut_off_puts_the_subscriber_in_flight(mart: DuckDBMart) -> None:
    downstream = [line for line in SOURCE if line[0] != "5"]
    _, findings = found(mart, downstream, {"5": CUTOFF.replace(hour=23)})
    assert findings == {("9", "missing", "Y")}
