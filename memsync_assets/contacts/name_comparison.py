"""How two names agree, by their keys: equal, nickname, initial, typing error, different."""

from __future__ import annotations

from functools import cache

import jellyfish
from nicknames import NickNamer

VERSION = 3


@cache
def _nicknames() -> NickNamer:
    return NickNamer()


@cache
def _forms(name: str) -> frozenset[str]:
    """A name with everything it is short for, and everything short for it."""
    namer = _nicknames()
    return frozenset({name} | namer.nicknames_of(name) | namer.canonicals_of(name))


@cache
def _is_given_name(name: str) -> bool:
    """Two names that people really have are no slip of one: Patrick and Patricia, Erica and Eric."""
    return len(_forms(name)) > 1


def compare_first(left: str, right: str) -> str:
    """same, initial, nickname, typo, slip, prefix or different. Nickname overlap is evidence, never proof."""
    if left == right:
        return "same"
    if not left or not right:
        return "missing"
    if min(len(left), len(right)) == 1:
        return "initial" if left[0] == right[0] else "different"
    if right in _forms(left) or left in _forms(right):
        return "nickname"
    if not (_is_given_name(left) and _is_given_name(right)):
        if _is_typo(left, right):
            return "typo"
        if _is_slip(left, right):
            return "slip"
    if min(len(left), len(right)) >= 3 and (left.startswith(right) or right.startswith(left)):
        return "prefix"
    return "different"


def compare_last(left: str, right: str) -> str:
    """same, typo, part (`Smith` of `Smith-Jones`) or different."""
    if left == right:
        return "same"
    if _is_typo(left, right):
        return "typo"
    short, long = sorted((left, right), key=len)
    if len(short) >= 4 and (long.startswith(short) or long.endswith(short)):
        return "part"
    return "different"


def _is_typo(left: str, right: str) -> bool:
    """One slip of the keyboard, two in a long name. In a short name a slip makes another name: Joan, John."""
    longest = max(len(left), len(right))
    if longest < 5 or abs(len(left) - len(right)) > 2:
        return False
    distance = jellyfish.damerau_levenshtein_distance(left, right)
    return distance <= 1 or (distance == 2 and longest >= 8)


def _is_slip(left: str, right: str) -> bool:
    """Two letters changed over, or one left out or doubled, in a short name: weaker than a typing error in a long one.

    Another letter is no slip there, nor is another beginning: Wei and Lei are two names.
    """
    short, long = sorted((left, right), key=len)
    if len(short) < 3 or len(long) > 4 or left[0] != right[0]:
        return False
    if len(short) == len(long):
        return sorted(left) == sorted(right) and jellyfish.damerau_levenshtein_distance(left, right) == 1
    return any(long[:n] + long[n + 1 :] == short for n in range(len(long)))
