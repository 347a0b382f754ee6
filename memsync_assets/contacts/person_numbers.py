"""Persistent person ids for many contacts at once: arrays for all that is plain, `person_ids` for what is entangled.

Pure; gives what `person_ids.assign` gives, which says what the rules are. A cluster whose contacts and whose person
have nothing to do with any other keeps the person's number; one that knows no person is new; only the others, few in
any run but the first, are looked at one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memsync_assets.contacts.person_ids import Assignment, assign

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Numbering:
    """What becomes of the ids; see `person_ids.Assignment`.

    Attributes:
        person_of: the number of each contact's person.
    """

    person_of: Ints
    created: Ints
    aliases: Mapping[int, int]
    retired: frozenset[int]
    revived: frozenset[int]
    split: frozenset[int]


def number_persons(
    cluster_of: Ints, living: Ints, vanished: Ints, former: Mapping[int, Sequence[int]], next_number: int
) -> Numbering:
    """Give each cluster a person's number.

    Args:
        cluster_of: for each contact the smallest contact of its cluster; contacts are counted from 0.
        living: for each contact the number of its person until now; 0: none.
        vanished: the numbers of persons of contacts that are no more.
        former: for some contacts, the numbers that do not live now and whose last contact it was.
        next_number: the first number that was never given.
    """
    plain = _keeps_its_person(cluster_of, living)
    remembered = np.isin(cluster_of, cluster_of[np.fromiter(former, np.int64, len(former))])
    known = _any_of_cluster(cluster_of, living > 0)
    entangled = ~plain & (known | remembered)
    few = _assign_few(np.flatnonzero(entangled), cluster_of, living, former, next_number)
    fresh = np.flatnonzero(~known & ~remembered & (cluster_of == np.arange(len(cluster_of))))
    new_keys = np.sort(
        np.concatenate([fresh, np.array([k for k, n in few.person_of.items() if n in few.created], int)])
    )
    created = next_number + np.arange(len(new_keys), dtype=np.int64)
    of_cluster = np.zeros(len(cluster_of), dtype=np.int64)
    np.maximum.at(of_cluster, cluster_of[plain], living[plain])
    for key, number in few.person_of.items():
        of_cluster[key] = number
    of_cluster[new_keys] = created
    everyone = np.unique(np.concatenate([living[living > 0], vanished]))
    return Numbering(
        of_cluster[cluster_of],
        created,
        few.aliases,
        frozenset(np.setdiff1d(everyone, living).tolist()),
        few.revived,
        few.split,
    )


def _keeps_its_person(cluster_of: Ints, living: Ints) -> Bools:
    """Contacts of clusters that know one person, all of whose contacts they hold."""
    had = living > 0
    lowest, highest = _range_of(cluster_of[had], living[had], len(cluster_of))
    one_person = (lowest == highest)[cluster_of] & _any_of_cluster(cluster_of, had)
    low, high = _range_of(living[had], cluster_of[had], int(living.max(initial=0)) + 1)
    in_one_place = np.ones(len(living), dtype=bool)
    in_one_place[had] = (low == high)[living[had]]
    keeps: Bools = one_person & ~_any_of_cluster(cluster_of, ~in_one_place)
    return keeps


def _range_of(keys: Ints, values: Ints, size: int) -> tuple[Ints, Ints]:
    """The least and the greatest value of each key."""
    least = np.full(size, np.iinfo(np.int64).max)
    greatest = np.full(size, -1, dtype=np.int64)
    np.minimum.at(least, keys, values)
    np.maximum.at(greatest, keys, values)
    return least, greatest


def _any_of_cluster(cluster_of: Ints, is_so: Bools) -> Bools:
    """For each contact, whether it is so of any contact of its cluster."""
    found = np.zeros(len(cluster_of), dtype=bool)
    found[cluster_of[is_so]] = True
    of_contact: Bools = found[cluster_of]
    return of_contact


def _assign_few(
    contacts: Ints, cluster_of: Ints, living: Ints, former: Mapping[int, Sequence[int]], next_number: int
) -> Assignment[int]:
    clusters: dict[int, list[int]] = {}
    for contact, key in zip(contacts.tolist(), cluster_of[contacts].tolist(), strict=True):
        clusters.setdefault(key, []).append(contact)
    had = contacts[living[contacts] > 0]
    return assign(clusters, dict(zip(had.tolist(), living[had].tolist(), strict=True)), former, next_number)
