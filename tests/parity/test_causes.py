"""What findings have in common is found; what chance brings is not called a cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.parity.causes import Cause, Commonness, Pattern, likely_causes, search
from memsync_assets.parity.comparison import compare_membership
from memsync_assets.parity.ledger import bring_ledger_up_to
from memsync_assets.parity.traits import Segment, Traits
from memsync_assets.settings import Settings
from tests.parity.oracle import Row, World
from tests.parity.worlds import AS_OF, settings, write

EARLY = date(2025, 1, 1)
LONG_AGO = datetime(2025, 1, 2)
GROUPS = [f"s G{n}" for n in range(20)]
#: One group has half of the members, the others share the rest.
SIZES = {group: 1900 if group == "s G0" else 100 for group in GROUPS}
COMMON = Commonness(
    [
        Segment("s", group, state, plan, round(size * 0.5 * share))
        for group, size in SIZES.items()
        for state in ("CA", "TX")
        for plan, share in (("P", 0.7), ("Q", 0.3))
    ],
    {"2026-01-01": sum(SIZES.values())},
)


def by_chance(random: Random) -> Traits:
    group = random.choices(GROUPS, [SIZES[g] for g in GROUPS])[0]
    plan = random.choices(["P", "Q"], [0.7, 0.3])[0]
    return Traits("s", group, random.choice(["CA", "TX"]), plan, "2026-01-01")


def patterns(findings: Iterable[Traits], usual: dict[str, float] | None = None) -> list[tuple[Pattern, int]]:
    return [(pattern, explained.total()) for pattern, explained in search(Counter(findings), COMMON, usual or {})]


def test_a_group_that_moved_to_another_plan_is_one_cause() -> None:
    random = Random(1)
    moved = [Traits("s", "s G7", random.choice(["CA", "TX"]), "P > Q", "2026-11-15") for _ in range(200)]
    first, *rest = patterns([*moved, *(by_chance(random) for _ in range(60))])
    assert first == ((("group", "s G7"), ("plan", "P > Q"), ("changed_on", "2026-11-15")), 200)
    assert rest[-1][0] == ()


def test_a_large_group_with_its_share_of_findings_is_no_cause() -> None:
    random = Random(2)
    assert patterns(by_chance(random) for _ in range(400)) == [((), 400)]


def test_few_findings_are_no_cause() -> None:
    assert patterns([Traits("s", "s G7", "CA", "P", "2026-11-15")] * 4) == [((), 4)]


def test_states_and_groups_that_go_together_anyway_are_no_cause() -> None:
    """A half of the members is in one group and, all of them, in one state: together they are as common as alone."""
    common = Commonness([Segment("s", "s A", "CA", "P", 400), Segment("s", "s B", "TX", "P", 600)], {})
    findings = Counter({Traits("s", "s A", "CA", "P", ""): 12, Traits("s", "s B", "TX", "P", ""): 18})
    assert [pattern for pattern, _ in search(findings, common, {})] == [()]


def test_what_nearly_all_members_share_is_not_named() -> None:
    ((pattern, _),) = patterns([Traits("s", "s G7", "CA", "P", "2026-01-01")] * 30)
    assert "changed_on" not in dict(pattern)


def test_a_load_that_brought_many_more_than_usual_is_a_cause() -> None:
    random = Random(3)
    scattered = [replace(by_chance(random), first_seen="2026-11-13") for _ in range(60)]
    assert patterns(scattered, {"2026-11-13": 8.0}) == [((("first_seen", "2026-11-13"),), 60)]
    assert patterns(scattered, {"2026-11-13": 50.0}) == [((), 60)]
    assert patterns(scattered) == [((), 60)]


@given(
    st.lists(
        st.builds(
            Traits,
            source_system=st.just("s"),
            group=st.sampled_from(GROUPS[:3]),
            state=st.sampled_from(["CA", ""]),
            plan=st.sampled_from(["P", "P > Q", ""]),
            changed_on=st.sampled_from(["2026-11-15", ""]),
            first_seen=st.sampled_from(["2026-11-13", "2026-11-20", ""]),
        ),
        min_size=1,
        max_size=60,
    ),
    st.dictionaries(st.sampled_from(["2026-11-13", "2026-11-20"]), st.floats(0, 20)),
)
@hypothesis_settings(deadline=None)
def test_causes_add_up_to_the_findings(findings: list[Traits], usual: dict[str, float]) -> None:
    found = patterns(findings, usual)
    assert sum(count for _, count in found) == len(findings)
    assert all(count >= 5 for pattern, count in found if pattern)


def members(group: str, count: int) -> list[Row]:
    return [Row("a", f"{group}-{n}", group, "CA", "PPO", EARLY, None, LONG_AGO) for n in range(count)]


def changed(rows: Sequence[Row], **values: object) -> list[Row]:
    return [replace(row, **values) for row in rows]  # type: ignore[arg-type]


def compare(mart: DuckDBMart, source: Sequence[Row], downstream: Sequence[Row], days: int = 0) -> Settings:
    as_of = AS_OF + timedelta(days=days)
    flagged = frozenset({("a", row.group_id) for row in (*source, *downstream)})
    world = World(tuple(source), tuple(downstream), flagged, frozenset(), None, as_of, None)
    write(mart, world)
    compare_membership(mart, settings(world), as_of)
    bring_ledger_up_to(mart, settings(world), as_of)
    return settings(world)


def causes(mart: DuckDBMart, of: Settings, days: int = 0) -> list[Cause]:
    return likely_causes(mart, of, "ihm", AS_OF + timedelta(days=days))


def without(rows: list[Row], *members: int) -> list[Row]:
    return [row for place, row in enumerate(rows) if place not in members]


def test_ten_causes_cover_most_of_the_findings(mart: DuckDBMart) -> None:
    """Five things went wrong, and one member in a group here and there."""
    mart.execute("DELETE FROM discrepancy_ledger")
    mart.execute("DELETE FROM ledger_positions")
    # 02:00 UTC is still the evening before in Chicago.
    evening = datetime(2026, 11, 16, 2)
    healthy = {f"H{n}": members(f"H{n}", 120) for n in range(6)}
    moved = changed(members("MOVED", 90), plan_code="HMO", changed_at=evening)
    dated = changed(members("DATED", 80), effective_date=date(2026, 11, 1), changed_at=evening)
    renamed = members("OLD", 70)
    state = [*members("STATE", 40), *changed(members("STATE 2", 30), group_id="STATE", state_code="NV")]
    source = [*moved, *dated, *renamed, *state, *(row for rows in healthy.values() for row in rows)]
    downstream = [
        *changed(moved, plan_code="PPO"),
        *changed(dated, effective_date=EARLY),
        *changed(renamed, group_id="NEW"),
        *(row for row in state if row.state_code == "CA"),
        *members("LEFT", 25),
        *(row for place, rows in enumerate(healthy.values()) for row in without(rows, place)),
    ]
    found = causes(mart, compare(mart, source, downstream))
    assert [cause.text for cause in found] == [
        "group a MOVED, plan HMO, changed on 2026-11-15: all 90 members have another plan in claims: plan PPO",
        "group a DATED, changed on 2026-11-15: all 80 members have other dates in claims",
        "group a OLD: all 70 members are in another group in claims: group NEW",
        "group a STATE, state NV: all 30 members are missing in claims",
        "group a LEFT: 25 members are in claims and not in the source",
        "no common cause",
    ]
    assert [cause.variance for cause in found] == [0, 0, 0, -30, 25, -6]
    assert sum(cause.share for cause in found[:-1]) > 0.97
    assert sum(cause.findings for cause in found) == 301
    assert {cause.since for cause in found} == {AS_OF, None}
    assert [cause.owner for cause in found] == ["downstream", "downstream", "downstream", "it", "downstream", "it"]


def test_a_load_that_lost_members_here_and_there_is_told(mart: DuckDBMart) -> None:
    mart.execute("DELETE FROM membership_counts")
    mart.execute("DELETE FROM discrepancy_ledger")
    mart.execute("DELETE FROM ledger_positions")
    groups = {f"H{n}": members(f"H{n}", 30) for n in range(30)}
    source = [row for rows in groups.values() for row in rows]
    for days in range(5):
        of = compare(mart, source, source, days)
    of = compare(mart, source, [row for rows in groups.values() for row in without(rows, 7)], 5)
    lost = AS_OF + timedelta(days=5)
    compare(mart, source, [row for rows in groups.values() for row in without(rows, 7)], 6)
    (cause,) = causes(mart, of, 6)
    assert cause.text == f"first seen with the load of {lost}: 30 members are missing in claims"
    assert cause.since == lost
