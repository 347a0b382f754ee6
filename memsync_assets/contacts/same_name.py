"""Whether two names as they are written are one person's, given that the personal mailbox is the same."""

from __future__ import annotations

from functools import cache

from memsync_assets.contacts.name_comparison import compare_first, compare_last
from memsync_assets.contacts.names import parse_name
from memsync_assets.contacts.text import SEPARATOR
from memsync_assets.contacts.vetoes import Marks, veto


def is_same_name(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether two names, each first and last with its suffix, are one person's."""
    if tuple(map(str.lower, one)) == tuple(map(str.lower, other)):
        return True
    left, right = _marks(*one), _marks(*other)
    if left is None or right is None or veto(left, right):
        return False
    if compare_first(left.first_key, right.first_key) == "missing":
        return False
    return compare_last(left.last_key, right.last_key) == "same"


@cache
def _marks(first: str, last: str) -> Marks | None:
    name = parse_name(f"{first}{SEPARATOR}{last}")
    if name.last_key is None:
        return None
    return Marks(
        name.first_key or "",
        name.middle_key or "",
        name.last_key,
        (name.name_suffix or "").lower(),
        email="",
        domain="",
    )
