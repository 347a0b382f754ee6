"""What is odd about a load though all systems agree; and quiet where nothing is."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

import pyarrow as pa
import pytest

from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.parity.comparison import compare_membership
from memsync_assets.parity.drift import LEAST_CHANGES, Drift, feed_drift, group_drift, is_stale, scores, watch_drift
from tests.parity.oracle import Row, World
from tests.parity.worlds import AS_OF, X, settings, write, write_load

EARLY = date(2025, 1, 1)


def noisy(weeks: int, members: int = 10_000, sigma: float = 0.003, seed: int = 1) -> list[int]:
    random = Random(seed)
    counts = [float(members)]
    for _ in range(weeks):
        counts.append(counts[-1] * (1 + random.gauss(0, sigma)))
    return [round(count) for count in counts]


def test_a_jump_is_told_and_noise_is_not() -> None:
    usual = noisy(20)
    assert scores(usual)[0] < 1
    assert scores([*usual[:-1], round(usual[-2] * 0.95)])[0] > 1
    assert scores([*usual[:-1], round(usual[-2] * 1.05)])[0] > 1


def test_false_alarms_are_few() -> None:
    jumps = sum(scores(noisy(20, seed=seed))[0] > 1 for seed in range(1000))
    assert jumps <= 15


def test_a_slow_drift_is_watched_before_it_jumps() -> None:
    series = noisy(18)
    for _ in range(8):
        series.append(round(series[-1] * 0.992))
    jump, watch = scores(series)
    assert jump < 1 < watch


def test_too_little_history_is_quiet() -> None:
    steady = [1000] * LEAST_CHANGES
    assert scores([*steady, 100]) == (0, 0)
    assert scores([1000, *steady, 100])[0] > 1


def test_a_few_members_of_a_small_group_are_no_jump() -> None:
    assert scores([*[40] * 12, 44])[0] < 1
    assert scores([*[40] * 12, 20])[0] > 1


@pytest.mark.parametrize(
    ("before", "now", "left", "kind"),
    [
        (50, 0, {}, "vanished"),
        (0, 50, {}, "appeared"),
        (50, 0, {("a", "G"): 50}, "left_scope"),
        (5001, 0, {("a", "G"): 4999}, "crossed_size"),
        (5000, 5001, {}, "crossed_size"),
        (5001, 5000, {}, "crossed_size"),
        (5000, 5000, {}, None),
        (0, 0, {}, None),
    ],
)
def test_groups_that_come_and_go(before: int, now: int, left: dict[tuple[str, str], int], kind: str | None) -> None:
    found = list(group_drift("a", [{("a", "G"): before}, {("a", "G"): now}], left, 5000))
    assert [drift.kind for drift in found] == ([kind] if kind else [])


def test_a_group_that_comes_back_has_not_appeared() -> None:
    history = [{("a", "G"): 9}, {}, {("a", "G"): 9}]
    assert list(group_drift("a", history, {}, 5000)) == []


def test_identical_counts_are_stale_only_where_there_are_many() -> None:
    assert is_stale({("a", "G"): 1000}, {("a", "G"): 1000})
    assert not is_stale({("a", "G"): 1000}, {("a", "G"): 999, ("a", "H"): 1})
    assert not is_stale({("a", "G"): 100}, {("a", "G"): 100})


def two_weeks(mart: DuckDBMart, before: int, now: int) -> list[Drift]:
    mart.execute("DELETE FROM membership_counts")
    for days, members in ((0, before), (7, now)):
        as_of = AS_OF + timedelta(days=days)
        rows = tuple(Row("a", str(n), "G1", "CA", "P", EARLY, None) for n in range(members))
        world = World(rows, rows, frozenset({("a", "G1")}), frozenset(), None, as_of, None)
        write(mart, world)
        compare_membership(mart, settings(world), as_of)
    for system, role in (("a", "source"), (X, "downstream")):
        write_load(mart, system, role, AS_OF)
    return watch_drift(mart, settings(world), None)["ihm"]


def test_a_group_that_vanished_everywhere_is_told_though_all_agree(mart: DuckDBMart) -> None:
    assert [(drift.system, drift.kind, drift.group_id) for drift in two_weeks(mart, 5, 0)] == [("a", "vanished", "G1")]


def test_a_feed_that_repeats_itself_is_stale_and_stored(mart: DuckDBMart) -> None:
    found = two_weeks(mart, 1200, 1200)
    assert [(drift.system, drift.kind) for drift in found] == [("a", "stale"), (X, "stale")]
    stored = mart.fetch("SELECT * FROM membership_drift WHERE as_of = @as_of", {"as_of": AS_OF + timedelta(days=7)})
    assert [(row["system"], row["kind"]) for row in stored.to_pylist()] == [("a", "stale"), (X, "stale")]


def test_late_and_partial_loads_are_known_before_the_comparison(mart: DuckDBMart) -> None:
    for table in ("loads", "load_tables"):
        mart.execute(f"DELETE FROM {table}")
    for system, days, rows in (("a", 0, 100), ("a", 7, 49), ("b", 0, 100), (X, 0, 100), (X, 7, 50)):
        as_of = AS_OF + timedelta(days=days)
        write_load(mart, system, "downstream" if system == X else "source", as_of)
        brought = {"system": [system], "load_id": [as_of.isoformat()], "table_name": ["members"]}
        mart.append("load_tables", pa.table(brought | {"row_count": [rows], "expected_rows": [rows]}))
    assert feed_drift(mart) == [Drift("a", "partial", members_before=100, members_now=49), Drift("b", "late")]
    assert feed_drift(mart, AS_OF) == []
