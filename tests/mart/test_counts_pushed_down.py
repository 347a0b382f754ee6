"""A downstream system that only counts: its own database counts, no member leaves it, and the mart compares."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from memsync_assets.landing.extraction import extract_new_loads
from memsync_assets.landing.take_in import Applied, pending_loads, take_in
from memsync_assets.mart.drivers import complete
from memsync_assets.mart.engine import Mart
from memsync_assets.parity.comparison import compare_membership
from memsync_assets.parity.ledger import bring_ledger_up_to
from memsync_assets.parity.verdicts import read_verdicts
from memsync_assets.settings import Extraction, Home, Project, Reconciliation, Scope, Settings, System, Tolerance
from tests.mart.cluster import Cluster
from tests.mart.conftest import ENGINES

pytestmark = pytest.mark.postgres

_NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
_AS_OF = date(2026, 11, 20)
_DATABASES = count()
_COUNTS = """
SELECT source AS source_system, employer AS group_id, state AS state_code, COUNT(DISTINCT member) AS member_count
FROM enrolled WHERE since <= :as_of AND (until IS NULL OR until > :as_of) GROUP BY source, employer, state
"""
_STATEMENTS = (
    "CREATE TABLE control (load_id TEXT, as_of DATE, cutoff_at TIMESTAMP)",
    "INSERT INTO control VALUES ('L1', '2026-11-20', NULL)",
    "CREATE TABLE enrolled (source TEXT, employer TEXT, state TEXT, member TEXT, since DATE, until DATE)",
    "INSERT INTO enrolled VALUES ('a', 'G1', 'CA', 'm1', '2026-01-01', NULL)",
    "INSERT INTO enrolled VALUES ('a', 'G1', 'CA', 'm1', '2026-01-01', NULL)",
    "INSERT INTO enrolled VALUES ('a', 'G1', 'CA', 'm2', '2026-01-01', '2026-11-20')",
    "INSERT INTO enrolled VALUES ('a', 'G1', 'TX', 'm3', '2026-01-01', NULL)",
    "INSERT INTO enrolled VALUES ('a', 'G2', 'CA', 'm9', '2026-01-01', NULL)",
)


@pytest.fixture
def project(tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The system `counting`, read over ODBC; groups G1 of the system `a` is in scope and G2 is not."""
    database = f"counting{next(_DATABASES)}"
    cluster.sql(f"CREATE DATABASE {database}")
    for statement in _STATEMENTS:
        cluster.sql(statement, database)
    monkeypatch.setenv("COUNTING", complete("postgres", cluster.connection_string(database)))
    extraction = Extraction(
        connection_variable="COUNTING",
        loads="SELECT load_id, as_of, cutoff_at FROM control",
        tables={"member_counts": _COUNTS},
    )
    ihm = Reconciliation(scope=Scope(flagged=True), tolerance={"source": Tolerance(members=1)})
    subscribers = ihm.model_copy(update={"counted": "subscribers"})
    settings = Settings(
        systems={"a": System(role="source"), "counting": System(role="downstream", extraction=extraction)},
        reconciliations={"ihm": ihm, "subscribers": subscribers},
    )
    return Project(settings, Home(tmp_path / "home"), tmp_path / "landing")


def _fill_source(mart: Mart) -> None:
    """In G1, m1 and m2 are active in CA and m3 in TX; m4 is no more."""
    members = [("m1", "CA"), ("m2", "CA"), ("m3", "TX"), ("m4", "TX")]
    mart.append(
        "source_members",
        pa.table(
            {
                "source_system": ["a"] * 4,
                "member_id": [member for member, _ in members],
                "group_id": ["G1"] * 4,
                "state_code": [state for _, state in members],
                "effective_date": [date(2026, 1, 1)] * 4,
                "termination_date": pa.array([None, None, None, _AS_OF], pa.date32()),
            }
        ),
    )
    groups = {"source_system": ["a", "a"], "group_id": ["G1", "G2"], "group_name": ["1", "2"]}
    mart.append("employer_groups", pa.table(groups | {"ihm_indicator": ["Y", "N"]}))
    mart.append(
        "loads",
        pa.table(
            {
                "system": ["a"],
                "load_id": ["L1"],
                "role": ["source"],
                "kind": ["full"],
                "as_of": [_AS_OF],
                "revision": pa.array([1], pa.int32()),
                "content_hash": ["x"],
                "applied_at": pa.array([datetime(2026, 11, 20)], pa.timestamp("us")),
            }
        ),
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_a_system_that_counts_is_compared_by_its_counts_and_no_member_leaves_it(
    engine: str, open_engine: Callable[[str], Mart], project: Project
) -> None:
    mart = open_engine(engine)
    _fill_source(mart)
    (extracted,) = extract_new_loads(project)
    assert extracted.rows == {"member_counts": 3}
    (file,) = project.landing.glob("counting/L1/*.parquet")
    assert pq.read_schema(file).names == ["source_system", "group_id", "state_code", "member_count"]
    (load,) = pending_loads(project.landing, mart)
    assert isinstance(take_in(project, mart, load, _NOW), Applied)

    (comparison,) = compare_membership(mart, project.settings, None)
    assert (comparison.reconciliation, comparison.downstream_system) == ("ihm", "counting")
    assert (comparison.compared_rows, comparison.findings, comparison.cells) == (0, 0, 4)
    counts = mart.fetch(
        "SELECT c.level, c.group_id, c.state_code, c.source_count, c.downstream_count, c.variance, c.unexplained,"
        " c.status FROM membership_counts AS c"
    )
    assert {tuple(row.values()) for row in counts.to_pylist()} == {
        ("source", None, None, 3, 2, -1, 0, "within_tolerance"),
        ("group", "G1", None, 3, 2, -1, 0, "beyond_tolerance"),
        ("state", "G1", "CA", 2, 1, -1, 0, "beyond_tolerance"),
        ("state", "G1", "TX", 1, 1, 0, 0, "match"),
    }
    assert {verdict.level: verdict.is_beyond for verdict in read_verdicts(mart)} == {
        "source": False,
        "group": True,
        "state": True,
    }
    assert bring_ledger_up_to(mart, project.settings, None) == []
    # Counts say nothing of another day.
    assert compare_membership(mart, project.settings, date(2026, 11, 19)) == []
