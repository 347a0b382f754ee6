"""Links into clusters: strongest first, refusing every union that would join a pair decided never to be one.

Pure; keys are sortable: a contact's system and id, or its number. Plain connected components cannot do this: whether
a link may join depends on what was joined before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", int, tuple[str, str])


@dataclass(frozen=True)
class Link(Generic[Key]):
    """Two contacts held to be one person. The lowest tier is the strongest; always_link is tier 0.

    weight: log2 of the odds as the model has them, where it scored the pair.
    """

    left: Key
    right: Key
    tier: int
    rule_name: str
    reason: str
    weight: float | None = None


@dataclass(frozen=True)
class Clusters(Generic[Key]):
    """What clustering made.

    Attributes:
        cluster_of: for each contact that some link names, the smallest contact of its cluster.
        joined: the links that joined two clusters, strongest first: a spanning tree of each cluster.
        refused: the links that would have joined a never_link pair.
    """

    cluster_of: dict[Key, Key]
    joined: list[Link[Key]]
    refused: list[Link[Key]]


class _Forest(Generic[Key]):
    """Disjoint sets that know which other sets they must never meet. The smallest key is the root."""

    def __init__(self, never: Iterable[tuple[Key, Key]]) -> None:
        self._parent: dict[Key, Key] = {}
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

    def are_enemies(self, left: Key, right: Key) -> bool:
        return right in self._enemies.get(left, ())

    def join(self, left: Key, right: Key) -> None:
        root, other = sorted((left, right))
        self._parent[other] = root
        for enemy in self._enemies.pop(other, set()):
            self._enemies[enemy].discard(other)
            self._enemies[enemy].add(root)
            self._enemies[root].add(enemy)

    def roots(self) -> dict[Key, Key]:
        return {key: self.find(key) for key in list(self._parent)}


def cluster(links: Iterable[Link[Key]], never: Sequence[tuple[Key, Key]]) -> Clusters[Key]:
    """Join the links, strongest first; ties in the order of their keys, so that the result is always the same."""
    forest = _Forest(never)
    joined, refused = [], []
    for link in sorted(links, key=lambda x: (x.tier, x.left, x.right)):
        left, right = forest.find(link.left), forest.find(link.right)
        if left == right:
            continue
        if forest.are_enemies(left, right):
            refused.append(link)
            continue
        forest.join(left, right)
        joined.append(link)
    return Clusters(forest.roots(), joined, refused)
