"""What makes two contacts two persons, whatever else they share.

`sql/contacts/pair_names.sql` and `contact_links.sql` hold the same of each candidate pair; here it is asked of contacts
that are no candidates themselves, and that a third one would make one person.
"""

from __future__ import annotations

from dataclasses import dataclass

from memsync_assets.contacts.name_comparison import compare_first


@dataclass(frozen=True)
class Marks:
    """What tells a contact from others, as contact_evidence has it; empty where it is not known.

    Attributes:
        email, domain: the personal mailbox.
    """

    first_key: str
    middle_key: str
    last_key: str
    suffix_key: str
    email: str
    domain: str


def veto(one: Marks, other: Marks) -> str | None:
    """Why two contacts can be no one person; None where nothing forbids it."""
    if _differ(one.suffix_key, other.suffix_key):
        return "other suffix"
    if _differ(one.middle_key[:1], other.middle_key[:1]):
        return "other middle name"
    if one.domain == other.domain and _differ(one.email, other.email):
        return "two personal addresses of one mail domain"
    # `Smith Mary` may have first and last name changed over, also beside `M Smith`.
    is_swapped = one.first_key == other.last_key or one.last_key == other.first_key
    if not is_swapped and compare_first(one.first_key, other.first_key) == "different":
        return "incompatible first names"
    return None


def _differ(one: str, other: str) -> bool:
    return bool(one and other and one != other)
