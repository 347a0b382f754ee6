"""Links into clusters: strongest first, refusing every union that would join a pair that must stay apart.

People decide that pairs must (never_link), or a veto holds of two contacts; a veto gives way to people's always_link.

Pure; keys are sortable: a contact's system and id, or its number. Plain connected components cannot do this: whether
a link may join depends on what was joined before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product, starmap
from typing import Generic, TypeVar

Key = TypeVar("Key", int, tuple[str, str])

#: The tier of what people decided.
DECIDED = 0
NEVER = "decided to be two persons"


@dataclass(frozen=True)
class Link(Generic[Key]):
    """Two contacts held to be one person. The lowest tier is the strongest; always_link is `DECIDED`.

    weight: log2 of the odds as the model has them, where it scored the pair.
    """

    left: Key
    right: Key
    tier: int
    rule_name: str
    reason: str
    weight: float | None = None


@dataclass(frozen=True)
class Refused(Generic[Key]):
    """A link that would have joined two contacts that must stay apart, and why they must."""

    link: Link[Key]
    why: str


@dataclass(frozen=True)
class Clusters(Generic[Key]):
    """What clustering made.

    Attributes:
        cluster_of: for each contact that some link names, the smallest contact of its cluster.
        joined: the links that joined two clusters, strongest first: a spanning tree of each cluster.
        refused: the links that would have joined a pair that must stay apart.
    """

    cluster_of: dict[Key, Key]
    joined: list[Link[Key]]
    refused: list[Refused[Key]]


class _Forest(Generic[Key]):
    """Disjoint sets that know their members and which other sets they must never meet. The smallest key is the root."""

    def __init__(self, never: Iterable[tuple[Key, Key]]) -> None:
        self._parent: dict[Key, Key] = {}
        self._members: dict[Key, list[Key]] = {}
        self._enemies: dict[Key, set[Key]] = defaultdict(set)
        for left, right in never:
            self._enemies[left].add(right)
            self._enemies[right].add(left)

    def find(self, key: Key) -> Key:
        self._parent.setdefault(key, key)
        root = key
        while self._parent[root] != root:
            root = self._parent[root]
        while self._parent[key] != root:
            self._parent[key], key = root, self._parent[key]
        return root

    def members(self, root: Key) -> list[Key]:
        return self._members.get(root, [root])

    def are_enemies(self, left: Key, right: Key) -> bool:
        return right in self._enemies.get(left, ())

    def join(self, left: Key, right: Key) -> None:
        root, other = sorted((left, right))
        self._parent[other] = root
        self._members[root] = self.members(root) + self.members(other)
        self._members.pop(other, None)
        for enemy in self._enemies.pop(other, set()):
            self._enemies[enemy].discard(other)
            self._enemies[enemy].add(root)
            self._enemies[root].add(enemy)

    def roots(self) -> dict[Key, Key]:
        return {key: self.find(key) for key in list(self._parent)}


def no_veto(_left: Key, _right: Key) -> None:
    """Nothing but people's decisions keeps contacts apart."""


def cluster(
    links: Iterable[Link[Key]],
    never: Sequence[tuple[Key, Key]],
    veto: Callable[[Key, Key], str | None] = no_veto,
) -> Clusters[Key]:
    """Join the links, strongest first; ties in the order of their keys, so that the result is always the same.

    Args:
        links: what holds pairs to be one person.
        never: pairs that people decided to be two.
        veto: why two contacts can be no one person, if so. It is asked of each pair that a link would bring into one
            cluster, also through others; clusters are small.
    """
    forest = _Forest(never)
    joined: list[Link[Key]] = []
    refused: list[Refused[Key]] = []
    for link in sorted(links, key=lambda x: (x.tier, x.left, x.right)):
        left, right = forest.find(link.left), forest.find(link.right)
        if left == right:
            continue
        why = NEVER if forest.are_enemies(left, right) else None
        if why is None and link.tier != DECIDED:
            sides = product(forest.members(left), forest.members(right))
            why = next(filter(None, starmap(veto, sides)), None)
        if why is None:
            forest.join(left, right)
            joined.append(link)
        else:
            refused.append(Refused(link, why))
    return Clusters(forest.roots(), joined, refused)
