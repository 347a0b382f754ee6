"""Persistent ids over random histories of loads."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from memsync_assets.contacts.clustering import Link, cluster
from memsync_assets.contacts.person_ids import assign
from memsync_assets.contacts.person_numbers import number_persons

CONTACTS = [("s", str(n)) for n in range(7)]
Key = tuple[str, str]

pairs = st.tuples(st.sampled_from(CONTACTS), st.sampled_from(CONTACTS)).filter(lambda p: p[0] != p[1])
links = st.builds(lambda p, tier: Link(*p, tier, "rule", "because"), pairs, st.integers(1, 5))


@given(st.lists(links, max_size=12), st.lists(pairs, max_size=6), st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_clusters_never_break_a_decision_and_do_not_depend_on_order(found, never, random) -> None:
    clusters = cluster(found, never)
    of = clusters.cluster_of
    for left, right in never:
        assert left not in of or right not in of or of[left] != of[right]
    assert all(of[link.left] == of[link.right] for link in clusters.joined)
    shuffled = list(found)
    random.shuffle(shuffled)
    again = cluster(shuffled, never)
    assert again.cluster_of == of
    # Every link is inside a cluster, or refused because its clusters hold a pair that must stay apart.
    for link in found:
        if of[link.left] != of[link.right]:
            assert any({of[a], of[b]} == {of[link.left], of[link.right]} for a, b in never if a in of and b in of)


Load = list[tuple[Key, ...]]


@st.composite
def histories(draw: st.DrawFn) -> list[dict[Key, list[Key]]]:
    """For each run the contacts that exist, in clusters by their smallest contact."""
    runs = []
    for _ in range(draw(st.integers(1, 8))):
        present = draw(st.lists(st.sampled_from(CONTACTS), unique=True))
        label = {c: draw(st.integers(0, 3)) for c in present}
        clusters: dict[int, list[Key]] = defaultdict(list)
        for contact in sorted(present):
            clusters[label[contact]].append(contact)
        runs.append({members[0]: members for members in clusters.values()})
    return runs


@given(histories())
@settings(max_examples=400, deadline=None)
def test_ids_over_random_histories(runs: list[dict[Key, list[Key]]]) -> None:
    living: dict[Key, int] = {}
    former: dict[Key, list[int]] = defaultdict(list)
    given_out: dict[int, set[Key]] = defaultdict(set)  # every contact that an id ever stood for
    next_number = 1
    for clusters in runs:
        result = assign(clusters, living, former, next_number)
        _assert_that_arrays_give_the_same(result, clusters, living, former, next_number)
        now = {c: result.person_of[key] for key, members in clusters.items() for c in members}
        before, after = _by_person(living), _by_person(now)

        assert len(set(result.person_of.values())) == len(clusters), "one id for each cluster"
        assert all(number >= next_number for number in result.created), "an id is never given twice"
        for number, members in before.items():
            if members in after.values():
                assert after.get(number) == members, "an unchanged person keeps its id"
        for number in result.revived:
            assert not given_out[number].isdisjoint(after[number]), (
                "a revived id comes back to a contact that it stood for"
            )
        for number, survivor in result.aliases.items():
            assert survivor < number, "the oldest survives"
            assert number not in after
            assert survivor in after
        for number in result.split - result.aliases.keys():
            kept = len(before[number] & after[number])
            assert all(len(before[number] & other) <= kept for other in after.values()), "most contacts keep the id"
        assert set(before) == (set(before) & set(after)) | result.aliases.keys() | result.retired
        # The same run again changes nothing.
        for number in result.revived:
            for contact in former:
                former[contact] = [n for n in former[contact] if n != number]
        for contact, number in living.items():
            if number in result.aliases or number in result.retired:
                former[contact].append(number)
        living, next_number = now, next_number + len(result.created)
        again = assign(clusters, living, former, next_number)
        assert again.person_of == result.person_of
        changes = again.aliases, again.retired, again.created, again.revived, again.split
        assert not any(changes)
        for number, members in after.items():
            given_out[number] |= members


def _assert_that_arrays_give_the_same(result, clusters, living, former, next_number) -> None:
    contacts = sorted(c for members in clusters.values() for c in members)
    place = {contact: number for number, contact in enumerate(contacts)}
    key_of = {c: key for key, members in clusters.items() for c in members}
    numbering = number_persons(
        np.array([place[key_of[c]] for c in contacts], dtype=np.int64),
        np.array([living.get(c, 0) for c in contacts], dtype=np.int64),
        np.array([number for c, number in living.items() if c not in place], dtype=np.int64),
        {place[c]: numbers for c, numbers in former.items() if c in place and numbers},
        next_number,
    )
    assert numbering.person_of.tolist() == [result.person_of[key_of[c]] for c in contacts]
    assert frozenset(numbering.created.tolist()) == result.created
    assert (numbering.aliases, numbering.retired, numbering.revived, numbering.split) == (
        result.aliases,
        result.retired,
        result.revived,
        result.split,
    )


def _by_person(persons: dict[Key, int]) -> dict[int, set[Key]]:
    found: dict[int, set[Key]] = defaultdict(set)
    for contact, number in persons.items():
        found[number].add(contact)
    return found


A, B, C = CONTACTS[:3]


def test_a_merge_keeps_the_oldest_and_an_unmerge_revives_the_other() -> None:
    merged = assign({A: [A, B]}, {A: 4, B: 2}, {}, 5)
    assert (merged.person_of, merged.aliases) == ({A: 2}, {4: 2})
    apart = assign({A: [A], B: [B]}, {A: 2, B: 2}, {A: [4]}, 5)
    assert apart.person_of == {A: 4, B: 2}


def test_a_contact_that_returns_gets_its_id_back() -> None:
    gone = assign({}, {A: 1}, {}, 2)
    assert gone.retired == {1}
    assert assign({A: [A]}, {}, {A: [1]}, 2).person_of == {A: 1}
