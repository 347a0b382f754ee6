"""Counts and findings are those of the landing contract."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings

from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.mart.engine import Mart
from memsync_assets.mart.schema import migrate
from memsync_assets.parity.comparison import compare_membership
from memsync_assets.parity.drift import watch_drift
from memsync_assets.parity.narrowing import Narrowing
from memsync_assets.parity.reconciliations import planned_comparisons, unknown_systems
from memsync_assets.settings import Scope, Settings, System
from tests.parity.oracle import Row, World
from tests.parity.worlds import AS_OF, CUTOFF, EARLY, row, settings, worlds, write, write_load


def compared(mart: Mart, world: World, *, exact: bool = False) -> tuple[list[dict[str, object]], ...]:
    """The rows of discrepancies and of membership_counts."""
    write(mart, world)
    compare_membership(mart, settings(world), world.as_of, exact=exact)
    tables = ("discrepancies", "membership_counts")
    return tuple(mart.fetch(f"SELECT * FROM {table}").to_pylist() for table in tables)


@pytest.mark.parametrize("exact", [False, True])
@given(world=worlds())
@hypothesis_settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_worlds_agree_with_the_contract_in_plain_python(mart: Mart, world: World, exact: bool) -> None:
    """Whether every row is compared or only those of buckets that differ."""
    discrepancies, counts = compared(mart, world, exact=exact)
    found = [((d["source_system"], d["member_id"]), d["kind"], d["in_flight"] == "Y") for d in discrepancies]
    assert len(found) == len(set(found))
    assert set(found) == world.findings()
    cells = {
        (c["level"], (c["source_system"], c["group_id"], c["state_code"])): (c["source_count"], c["downstream_count"])
        for c in counts
    }
    assert len(cells) == len(counts)
    assert cells == world.counts()


@given(world=worlds())
@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_findings_alone_add_up_to_the_variance(mart: Mart, world: World) -> None:
    """Decodes the rows of `discrepancies` as a reader outside would: from nothing but groups and states in them."""
    discrepancies, counts = compared(mart, world)
    source, downstream = set(), set()
    for d in discrepancies:
        for side, cells in (("source", source), ("downstream", downstream)):
            for group, state in places(d[f"{side}_group_id"], d[f"{side}_state_code"]):
                member = (d["source_system"], d["member_id"])
                cells |= {("source", d["source_system"], None, None, member)}
                cells |= {("group", d["source_system"], group, None, member)}
                cells |= {("state", d["source_system"], group, state, member)}
    for c in counts:
        cell = (c["level"], c["source_system"], c["group_id"], c["state_code"])
        more = sum(1 for found in downstream - source if found[:4] == cell)
        fewer = sum(1 for found in source - downstream if found[:4] == cell)
        assert c["source_count"] + more - fewer == c["downstream_count"]
        assert c["variance"] == more - fewer
        assert c["unexplained"] == 0


def places(groups: object, states: object) -> list[tuple[str, str]]:
    if groups is None:
        return []
    listed = [str(groups).split(";"), str(states).split(";")]
    length = max(map(len, listed))
    return list(zip(*(values * length if len(values) == 1 else values for values in listed), strict=True))


def world(source: list[Row], downstream: list[Row]) -> World:
    flagged = frozenset({("a", "G1"), ("a", "G2")})
    return World(tuple(source), tuple(downstream), flagged, frozenset(), None, AS_OF, CUTOFF)


@pytest.mark.parametrize(
    ("source", "downstream", "kinds"),
    [
        ([row()], [row()], []),
        ([row()], [], ["missing"]),
        ([], [row()], ["extra"]),
        ([row()], [row(), row()], ["duplicate"]),
        ([row()], [row(), row(group="G2")], ["wrong_group"]),
        ([row()], [row(group="G2"), row(group="G2")], ["duplicate", "wrong_group"]),
        ([row()], [row(state="TX")], ["wrong_state"]),
        ([row()], [row(plan="p")], ["wrong_plan"]),
        ([row()], [row(plan=None)], ["wrong_plan"]),
        ([row(plan=None)], [row(plan=None)], []),
        ([row()], [row(effective_date=date(2025, 2, 1))], ["stale_dates"]),
        ([row()], [row(termination_date=date(2027, 1, 1))], ["stale_dates"]),
        ([row()], [row(termination_date=AS_OF)], ["missing"]),
        ([row()], [row(group="G9")], ["missing"]),
        ([row(group="G9")], [row()], ["extra"]),
        ([row(effective_date=date(2026, 12, 1))], [], []),
        ([row(termination_date=EARLY)], [], []),
    ],
)
def test_kinds(mart: Mart, source: list[Row], downstream: list[Row], kinds: list[str]) -> None:
    discrepancies, _ = compared(mart, world(source, downstream))
    assert sorted(str(d["kind"]) for d in discrepancies) == kinds


def test_a_whole_group_that_is_missing_downstream_is_counted(mart: Mart) -> None:
    """A trap of others: a null difference that becomes 0."""
    _, counts = compared(mart, world([row(str(n)) for n in range(500)], []))
    assert {(c["level"], c["variance"], c["variance_pct"], c["status"]) for c in counts} == {
        (level, -500, -100.0, "beyond_tolerance") for level in ("source", "group", "state")
    }


def test_net_zero_hides_nothing(mart: Mart) -> None:
    source = [row(str(n)) for n in range(50)]
    downstream = [row(str(n)) for n in range(25, 75)]
    discrepancies, counts = compared(mart, world(source, downstream))
    assert len(discrepancies) == 50
    assert {(c["variance"], c["findings"]) for c in counts} == {(0, 50)}


def test_what_is_in_flight_fails_nothing(mart: Mart) -> None:
    source = [row("1", changed_at=CUTOFF.replace(hour=23)), row("2", changed_at=CUTOFF)]
    _, counts = compared(mart, world(source, [row("2")]))
    assert {(c["variance"], c["in_flight"], c["in_flight_variance"], c["status"]) for c in counts} == {
        (-1, 1, -1, "match")
    }


def test_again_gives_the_same(mart: Mart) -> None:
    there = world([row("1"), row("2")], [row("2", plan="Q"), row("3")])
    first = compared(mart, there)
    assert first[0]
    key = str
    assert [sorted(map(key, table)) for table in compared(mart, there)] == [sorted(map(key, table)) for table in first]


def test_what_is_taken_out_of_the_configuration_decides_nothing_any_more(mart: Mart) -> None:
    there = world([row()], [])
    write(mart, there)
    write_load(mart, "care", "downstream", date(2026, 11, 19))
    block = settings(there).reconciliations["ihm"]
    both = Settings(reconciliations={"ihm": block, "two": block})
    compare_membership(mart, both, AS_OF)
    watch_drift(mart, both, AS_OF)
    less = Settings(reconciliations={"ihm": block.model_copy(update={"downstream_systems": ("care",)})})
    compare_membership(mart, less, AS_OF)
    watch_drift(mart, less, AS_OF)
    for table in ("membership_counts", "discrepancies", "discrepancy_cells"):
        left = mart.fetch(f"SELECT DISTINCT reconciliation, downstream_system FROM {table}")
        assert left.to_pylist() == [{"reconciliation": "ihm", "downstream_system": "care"}]
    for table in ("reconciliation_scope", "membership_drift"):
        assert set(mart.fetch(f"SELECT reconciliation FROM {table}")["reconciliation"].to_pylist()) == {"ihm"}
    compare_membership(mart, settings(there), AS_OF)


@pytest.mark.parametrize(
    ("named", "told"),
    [
        (
            {"downstream_systems": ("claims", "c_laims")},
            "downstream_systems: c_laims is no downstream system; there are",
        ),
        ({"downstream_systems": ("a",)}, "downstream_systems: a is no downstream system; there are billing, claims."),
        ({"sources": ("A",)}, "sources: A is no source system; there are a, b."),
        ({"scope": Scope(groups=(("z", "G1"),))}, "scope.groups: z is no source system; there are a, b."),
    ],
)
def test_a_system_that_is_not_known_is_told(mart: Mart, named: dict[str, object], told: str) -> None:
    there = world([row()], [])
    write(mart, there)
    block = settings(there).reconciliations["ihm"].model_copy(update=named)
    wrong = Settings(systems={"billing": System(role="downstream")}, reconciliations={"ihm": block})
    compare_membership(mart, wrong, AS_OF)
    (found,) = unknown_systems(mart, wrong)
    assert f"reconciliations.ihm.{told}" in f"{found}."


def test_a_system_that_is_configured_may_deliver_later(mart: Mart) -> None:
    there = world([row()], [row()])
    write(mart, there)
    block = settings(there).reconciliations["ihm"].model_copy(update={"downstream_systems": ("claims", "billing")})
    later = Settings(systems={"billing": System(role="downstream")}, reconciliations={"ihm": block})
    assert [one.downstream_system for one in compare_membership(mart, later, AS_OF)] == ["claims"]


def test_a_downstream_system_without_a_load_is_not_compared(mart: Mart) -> None:
    write(mart, world([row()], []))
    mart.execute("DELETE FROM loads WHERE role = 'downstream'")
    assert compare_membership(mart, settings(world([], [])), AS_OF) == []


def test_only_rows_of_buckets_that_differ_are_compared(mart: Mart) -> None:
    source = [row(str(n)) for n in range(4000)]
    there = world(source, [*source[:-1], row("9999")])
    write(mart, there)
    (looked,) = compare_membership(mart, settings(there), AS_OF)
    assert 2 <= looked.compared_rows < 100
    (everything,) = compare_membership(mart, settings(there), AS_OF, exact=True)
    assert everything.compared_rows == 8000
    assert (looked.findings, looked.cells) == (everything.findings, everything.cells) == (2, 3)


def test_a_group_of_the_same_id_in_another_source_system_stays_out_of_scope(mart: Mart) -> None:
    """Scans look for ids of groups only: what they meet beside the scope differs here, and counts nowhere."""
    beside = [replace(row(str(n)), source_system="b") for n in range(3)]
    there = world([row("1"), row("2"), *beside], [row("1"), *beside[1:], replace(beside[1], plan_code="Q")])
    for exact in (False, True):
        discrepancies, counts = compared(mart, there, exact=exact)
        assert [(d["source_system"], d["member_id"], d["kind"]) for d in discrepancies] == [("a", "2", "missing")]
        assert {(c["source_system"], c["source_count"], c["downstream_count"]) for c in counts} == {("a", 2, 1)}


def test_rows_that_no_segment_holds_are_a_defect_that_is_told(mart: Mart) -> None:
    """Counts of a downstream system are derived: here its rows vanish after the scan."""
    there = world([row("1"), row("2")], [row("2", plan="Q"), row("3")])
    write(mart, there)
    compare_membership(mart, settings(there), AS_OF)
    assert isinstance(mart, DuckDBMart)
    (comparison,) = planned_comparisons(mart, settings(there), AS_OF)
    with closing(Narrowing(mart, comparison.reconciliation, AS_OF, [comparison.downstream_system])) as narrowing:
        mart.execute("DELETE FROM downstream_members")
        with pytest.raises(RuntimeError, match="2 rows were met"):
            narrowing.look(mart, comparison)


def test_what_a_comparison_works_with_is_not_written_to_the_mart(tmp_path: Path) -> None:
    there = world([row("1"), row("2")], [row("2", plan="Q"), row("3")])
    path = tmp_path / "mart.duckdb"
    with closing(DuckDBMart(path)) as mart:
        migrate(mart)
        write(mart, there)
        (done,) = compare_membership(mart, settings(there), AS_OF)
        assert done.findings
    with closing(DuckDBMart(path)) as mart:
        for table in ("compared_rows", "segments", "cell_counts", "member_findings"):
            assert mart.fetch(f"SELECT * FROM {table}").num_rows == 0
        assert mart.fetch("SELECT * FROM discrepancies").num_rows == done.findings


def test_many_downstream_systems_are_compared_side_by_side(tmp_path: Path) -> None:
    """More systems than threads, each with differences of its own."""
    with closing(DuckDBMart(tmp_path / "mart.duckdb")) as mart:
        migrate(mart)
        there = world([row(str(n)) for n in range(20)], [])
        write(mart, there)
        mart.execute("DELETE FROM loads WHERE role = 'downstream'")
        for system in range(6):
            mart.execute(
                "INSERT INTO loads SELECT @name, '1', 'downstream', 'full', @as_of, NULL, 1, '0', @now",
                {"name": f"d{system}", "as_of": AS_OF, "now": CUTOFF},
            )
            mart.execute(
                "INSERT INTO downstream_members (downstream_system, source_system, member_id, group_id, state_code,"
                " plan_code, effective_date, termination_date) SELECT @name, source_system, member_id, group_id,"
                " state_code, plan_code, effective_date, termination_date FROM source_members"
                " WHERE CAST(member_id AS INT) >= @kept",
                {"name": f"d{system}", "kept": system},
            )
        for _ in range(2):
            done = compare_membership(mart, settings(there), AS_OF)
            assert {one.downstream_system: one.findings for one in done} == {f"d{n}": n for n in range(6)}
            assert mart.fetch("SELECT * FROM discrepancies").num_rows == sum(range(6))
