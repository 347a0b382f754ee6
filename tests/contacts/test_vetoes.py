"""What can be no one person is none, also when a third contact fits both."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsync_assets.contacts.clustering import DECIDED, Link, cluster
from memsync_assets.contacts.decisions import decision
from memsync_assets.contacts.vetoes import Marks, veto
from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.settings import Settings
from tests.contacts.rows import contact
from tests.contacts.test_identity import persons, run

PHONE = "312-867-5309"
PAT = [contact(f"a:{n}", f"{first} Quinlan", phone=PHONE) for n, first in enumerate(("Patrick", "Patricia", "Pat"), 1)]
KIM = [
    contact(f"a:{n}", "Kim Vetox", phone=PHONE, email=email)
    for n, email in enumerate(("kim.v@vcorp.com", "kim.vetox@vcorp.com", None), 1)
]


@pytest.mark.parametrize(
    ("contacts", "why"),
    [
        pytest.param(PAT, "incompatible first names", id="first names"),
        pytest.param(KIM, "two personal addresses of one mail domain", id="mailboxes"),
        pytest.param(
            [contact("a:1", "Mary A Smith", phone=PHONE), contact("a:2", "Mary B Smith", phone=PHONE),
             contact("a:3", "Mary Smith", phone=PHONE)],
            "other middle name", id="middle names",
        ),
    ],
)  # fmt: skip
def test_a_third_contact_bridges_no_veto(
    mart: DuckDBMart, settings: Settings, contacts: list[dict[str, object]], why: str
) -> None:
    counts = run(mart, settings, *contacts)
    assert persons(mart) == [{"a:1", "a:3"}, {"a:2"}]
    assert counts.refused_links == 1
    assert mart.fetch("SELECT reason FROM refused_links")["reason"].to_pylist() == [why]


def test_people_go_before_a_veto(mart: DuckDBMart, settings: Settings) -> None:
    run(mart, settings, *PAT, decisions=[decision("always_link", ("a", "1"), ("a", "2"))])
    assert persons(mart) == [{"a:1", "a:2", "a:3"}]


def test_a_contact_that_only_people_linked_brings_its_vetoes(mart: DuckDBMart, settings: Settings) -> None:
    alone = contact("a:9", "Patricia Jones")
    run(mart, settings, PAT[0], PAT[2], alone, decisions=[decision("always_link", ("a", "3"), ("a", "9"))])
    assert persons(mart) == [{"a:1"}, {"a:3", "a:9"}]


def _marks(first: str, suffix: str, middle: str, email: str) -> Marks:
    return Marks(first, middle, "quinlan", suffix, email, email.partition("@")[2])


MARKS = st.builds(
    _marks,
    st.sampled_from(["", "p", "pat", "patrick", "patricia", "quinlan"]),
    st.sampled_from(["", "jr", "iii"]),
    st.sampled_from(["", "a", "anne", "b"]),
    st.sampled_from(["", "p@acme.com", "q@acme.com", "p@other.com"]),
)
PAIRS = st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda pair: pair[0] < pair[1])
LINKS = st.lists(st.builds(lambda pair, tier: Link(*pair, tier, "rule", "because"), PAIRS, st.integers(DECIDED, 3)))


@given(st.lists(MARKS, min_size=8, max_size=8), LINKS, st.lists(PAIRS, max_size=3))
@settings(max_examples=300, deadline=None)
def test_no_cluster_holds_a_vetoed_pair_unless_people_linked_it(
    marks: list[Marks], links: list[Link[int]], never: list[tuple[int, int]]
) -> None:
    found = cluster(links, never, lambda left, right: veto(marks[left], marks[right])).cluster_of
    by_people = cluster([link for link in links if link.tier == DECIDED], never).cluster_of
    for left, right in combinations(sorted(found), 2):
        if found[left] == found[right] and veto(marks[left], marks[right]):
            assert by_people[left] == by_people[right]


@given(MARKS, MARKS)
def test_a_veto_does_not_depend_on_the_order(one: Marks, other: Marks) -> None:
    assert veto(one, other) == veto(other, one)
    assert veto(one, one) is None
