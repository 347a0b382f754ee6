"""What findings have in common is found; what chance brings is not called a cause."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from memsync_assets.parity.causes import Traits, causes_of

GROUPS = [f"s G{n}" for n in range(20)]
#: One group has half of the members, the others share the rest.
SHARES = {
    "source_system": {"s": 1.0},
    "group": {group: 0.5 if group == "s G0" else 0.5 / 19 for group in GROUPS},
    "state": {"CA": 0.5, "TX": 0.5},
    "plan": {"P": 0.7, "Q": 0.3},
    "changed_on": {"2026-01-01": 1.0},
}


def by_chance(random: Random) -> Traits:
    group = random.choices(GROUPS, [SHARES["group"][g] for g in GROUPS])[0]
    plan = random.choices(["P", "Q"], [0.7, 0.3])[0]
    return Traits("s", group, random.choice(["CA", "TX"]), plan, "2026-01-01")


def test_a_group_that_moved_to_another_plan_is_one_cause() -> None:
    random = Random(1)
    moved = [Traits("s", "s G7", random.choice(["CA", "TX"]), "P > Q", "2026-11-15") for _ in range(200)]
    first, *rest = causes_of("claims", "wrong_plan", [*moved, *(by_chance(random) for _ in range(60))], SHARES)
    assert first.pattern == (("group", "s G7"), ("plan", "P > Q"), ("changed_on", "2026-11-15"))
    assert first.text == "group s G7, plan P > Q, changed on 2026-11-15"
    assert first.findings == 200
    assert rest[-1].pattern == ()


def test_a_large_group_with_its_share_of_findings_is_no_cause() -> None:
    random = Random(2)
    (only,) = causes_of("claims", "missing", [by_chance(random) for _ in range(400)], SHARES)
    assert (only.text, only.findings, only.share) == ("no common cause", 400, 1.0)


def test_few_findings_are_no_cause() -> None:
    few = [Traits("s", "s G7", "CA", "P", "2026-11-15")] * 4
    assert [cause.pattern for cause in causes_of("claims", "missing", few, SHARES)] == [()]


@given(
    st.lists(
        st.builds(
            Traits,
            source_system=st.just("s"),
            group=st.sampled_from(GROUPS[:3]),
            state=st.sampled_from(["CA", ""]),
            plan=st.sampled_from(["P", "P > Q", ""]),
            changed_on=st.sampled_from(["2026-11-15", ""]),
        ),
        min_size=1,
        max_size=60,
    )
)
@hypothesis_settings(deadline=None)
def test_causes_add_up_to_the_findings(findings: list[Traits]) -> None:
    causes = causes_of("claims", "missing", findings, SHARES)
    assert sum(cause.findings for cause in causes) == len(findings)
    assert all(cause.findings >= 5 for cause in causes if cause.pattern)
