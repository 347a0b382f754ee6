"""Persistent person ids: which id each cluster of contacts carries, given what every id stood for before.

Pure. An id is never reused; a cluster that did not change keeps its id; on a split the part with most of the
person's contacts keeps the id (ties: see `_keeper`); on a merge the oldest id survives and
the others become its aliases; a part that is left without an id revives one that its contacts had before, else
gets a new one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", int, tuple[str, str])


@dataclass(frozen=True)
class Assignment(Generic[Key]):
    """What becomes of the ids.

    Attributes:
        person_of: the number of the person of each cluster, by the cluster's key.
        aliases: for each number that was merged away in this run, the number that it is an alias of.
        retired: numbers that lived before and have no contact now, nor were merged.
        revived: numbers that did not live before and live again.
        created: numbers that were never given before.
        split: numbers that kept only a part of their contacts, because others now are another person's.
    """

    person_of: dict[Key, int]
    aliases: dict[int, int]
    retired: frozenset[int]
    revived: frozenset[int]
    created: frozenset[int]
    split: frozenset[int]


def assign(
    clusters: Mapping[Key, Iterable[Key]],
    living: Mapping[Key, int],
    former: Mapping[Key, Iterable[int]],
    next_number: int,
) -> Assignment[Key]:
    """Give each cluster a person's number.

    Args:
        clusters: the contacts of each cluster, by its smallest contact.
        living: the number of the person that each contact belonged to until now.
        former: for each contact, the numbers that do not live now and whose last contact it was.
        next_number: the first number that was never given.
    """
    claims: dict[int, Counter[Key]] = defaultdict(Counter)
    for key, members in clusters.items():
        for member in members:
            if member in living:
                claims[living[member]][key] += 1
    won: dict[Key, list[int]] = defaultdict(list)
    for number in sorted(claims):
        won[_keeper(claims[number], clusters, won, former)].append(number)
    person_of = {key: min(numbers) for key, numbers in won.items()}
    aliases = {n: person_of[key] for key, numbers in won.items() for n in numbers if n != person_of[key]}
    homeless = sorted(key for key in clusters if key not in person_of)
    revived = _revive(clusters, homeless, former)
    created = {}
    for key in homeless:
        if key not in revived:
            created[key] = next_number
            next_number += 1
    return Assignment(
        person_of | revived | created,
        aliases,
        frozenset(set(living.values()) - claims.keys()),
        frozenset(revived.values()),
        frozenset(created.values()),
        frozenset(number for number, held in claims.items() if len(held) > 1),
    )


def _keeper(
    held: Mapping[Key, int],
    clusters: Mapping[Key, Iterable[Key]],
    won: Mapping[Key, list[int]],
    former: Mapping[Key, Iterable[int]],
) -> Key:
    """The part with most of a person's contacts.

    Of equal parts one that would be without an id otherwise: no older person's, and with no id of its own to revive, so
    that taking a merge back gives both ids back. Then the part with the smallest contact.
    """

    def has_other_id(key: Key) -> bool:
        return key in won or any(former.get(member) for member in clusters[key])

    return min(held, key=lambda key: (-held[key], has_other_id(key), key))


def _revive(
    clusters: Mapping[Key, Iterable[Key]],
    homeless: list[Key],
    former: Mapping[Key, Iterable[int]],
) -> dict[Key, int]:
    """Each id that does not live goes to the cluster that holds most of its last contacts; a cluster takes the
    oldest."""
    claims: dict[int, Counter[Key]] = defaultdict(Counter)
    for key in homeless:
        for member in clusters[key]:
            for number in former.get(member, ()):
                claims[number][key] += 1
    revived: dict[Key, int] = {}
    for number in sorted(claims):
        free = {key: count for key, count in claims[number].items() if key not in revived}
        if free:
            revived[min(free, key=lambda key: (-free[key], key))] = number
    return revived
