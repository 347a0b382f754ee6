"""A discrepancy over its life."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest

from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.mart.schema import migrate
from memsync_assets.parity.comparison import compare_membership
from memsync_assets.parity.ledger import LedgerMove, bring_ledger_up_to
from tests.parity.oracle import Row, World
from tests.parity.worlds import AS_OF, CUTOFF, row, settings, write

Day = Callable[..., LedgerMove]


@pytest.fixture
def own_mart() -> Iterator[DuckDBMart]:
    mart = DuckDBMart()
    migrate(mart)
    yield mart
    mart.close()


@pytest.fixture
def on(own_mart: DuckDBMart) -> Day:
    """Compares two sides some days after AS_OF."""

    def compare(
        days: int, source: Sequence[Row], downstream: Sequence[Row], flagged: frozenset[str] = frozenset({"G1"})
    ) -> LedgerMove:
        as_of = AS_OF + timedelta(days=days)
        groups = frozenset(("a", group) for group in flagged)
        world = World(tuple(source), tuple(downstream), groups, frozenset(), None, as_of, CUTOFF)
        write(own_mart, world)
        compare_membership(own_mart, settings(world), as_of)
        (move,) = bring_ledger_up_to(own_mart, settings(world), as_of)
        return move

    return compare


def ledger(mart: DuckDBMart) -> list[dict[str, object]]:
    return mart.fetch("SELECT * FROM discrepancy_ledger ORDER BY member_id, kind").to_pylist()


def test_opens_ages_closes_and_reopens(own_mart: DuckDBMart, on: Day) -> None:
    on(0, [row()], [])
    (first,) = ledger(own_mart)
    assert first["status"] == "open"
    assert (first["opened_on"], first["due_on"], first["owner"]) == (AS_OF, date(2026, 12, 7), "it")

    on(3, [row()], [])
    (aged,) = ledger(own_mart)
    assert (aged["opened_on"], aged["due_on"]) == (AS_OF, date(2026, 12, 7))
    assert aged["last_seen_on"] == AS_OF + timedelta(days=3)

    on(4, [row()], [row()])
    (closed,) = ledger(own_mart)
    assert (closed["status"], closed["closed_on"], closed["closed_because"]) == (
        "closed",
        AS_OF + timedelta(days=4),
        "agrees",
    )

    on(5, [row()], [])
    (again,) = ledger(own_mart)
    assert (again["status"], again["reopened_count"], again["closed_on"]) == ("open", 1, None)
    assert (again["opened_on"], again["reopened_on"]) == (AS_OF, AS_OF + timedelta(days=5))
    assert again["due_on"] == date(2026, 12, 10)


def test_the_same_again_changes_nothing(own_mart: DuckDBMart, on: Day) -> None:
    on(0, [row("1"), row("2")], [])
    on(1, [row("1"), row("2")], [row("2")])
    before = ledger(own_mart)
    on(1, [row("1"), row("2")], [row("2")])
    assert ledger(own_mart) == before


def test_a_late_comparison_rewrites_nothing(own_mart: DuckDBMart, on: Day) -> None:
    on(5, [row()], [])
    before = ledger(own_mart)
    move = on(1, [row(), row("2")], [row()])
    assert move.late
    assert ledger(own_mart) == before


def test_a_revision_of_the_same_date_is_taken_up(own_mart: DuckDBMart, on: Day) -> None:
    on(0, [row("1"), row("2")], [row("1")])
    on(0, [row("1"), row("2")], [row("2")])
    assert [(line["member_id"], line["status"]) for line in ledger(own_mart)] == [("1", "open"), ("2", "closed")]


def test_in_flight_opens_nothing_and_keeps_open_what_is_open(own_mart: DuckDBMart, on: Day) -> None:
    flying = replace(row(), changed_at=CUTOFF + timedelta(hours=1))
    on(0, [flying], [])
    assert ledger(own_mart) == []
    on(1, [row()], [])
    on(2, [flying], [])
    (kept,) = ledger(own_mart)
    assert (kept["status"], kept["opened_on"]) == ("open", AS_OF + timedelta(days=1))


def test_a_group_that_leaves_the_scope_closes_without_agreement(own_mart: DuckDBMart, on: Day) -> None:
    on(0, [row()], [])
    on(1, [row()], [], flagged=frozenset({"G2"}))
    (left,) = ledger(own_mart)
    assert (left["status"], left["closed_because"]) == ("closed", "left scope")


def test_lists_of_groups_that_left_the_scope_leave_it_and_those_with_one_in_it_agree(
    own_mart: DuckDBMart, on: Day
) -> None:
    placed = [row("1", group) for group in ("G1", "G2")] + [row("2", group) for group in ("G1", "G3")]
    on(0, placed, [], flagged=frozenset({"G1", "G2", "G3"}))
    assert [line["source_group_id"] for line in ledger(own_mart)] == ["G1;G2", "G1;G3"]
    on(1, placed[:3], [], flagged=frozenset({"G3", "G", "2"}))
    assert [line["closed_because"] for line in ledger(own_mart)] == ["left scope", "agrees"]


def test_a_member_that_changes_its_kind_keeps_its_due_date(own_mart: DuckDBMart, on: Day) -> None:
    on(0, [row()], [])
    on(3, [row()], [row(state="TX")])
    missing, wrong_state = ledger(own_mart)
    assert (missing["status"], missing["closed_because"]) == ("closed", "became wrong_state")
    assert (wrong_state["opened_on"], wrong_state["due_on"]) == (AS_OF + timedelta(days=3), missing["due_on"])
    before = ledger(own_mart)
    on(3, [row()], [row(state="TX")])
    assert ledger(own_mart) == before

    assert on(30, [row()], []).breached == 1
    missing, wrong_state = ledger(own_mart)
    assert (wrong_state["status"], wrong_state["closed_because"]) == ("closed", "became missing")
    assert (missing["status"], missing["reopened_count"]) == ("open", 1)
    assert missing["due_on"] == date(2026, 12, 7)


def test_a_change_of_kind_in_flight_keeps_open_what_is_open(own_mart: DuckDBMart, on: Day) -> None:
    on(0, [row()], [])
    on(1, [replace(row(), changed_at=CUTOFF + timedelta(hours=1))], [row(state="TX")])
    (missing,) = ledger(own_mart)
    assert (missing["kind"], missing["status"]) == ("missing", "open")
    on(2, [row()], [row(state="TX")])
    assert [line["due_on"] for line in ledger(own_mart)] == [date(2026, 12, 7)] * 2


def test_a_duplicate_follows_no_other_kind(own_mart: DuckDBMart, on: Day) -> None:
    on(0, [row()], [])
    on(3, [row()], [row(), row()])
    duplicate, missing = ledger(own_mart)
    assert missing["closed_because"] == "agrees"
    assert (duplicate["kind"], duplicate["due_on"]) == ("duplicate", date(2026, 12, 8))


def test_moves_are_counted(on: Day) -> None:
    on(0, [row("1"), row("2")], [])
    move = on(20, [row("1"), row("3")], [row("1")])
    assert (move.opened, move.closed, move.open_now, move.breached, move.reopened) == (1, 2, 1, 0, 0)
    assert on(21, [row("1"), row("3")], []).reopened == 1
    assert on(60, [row("1"), row("3")], []).breached == 2
