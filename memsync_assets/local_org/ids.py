"""Salesforce record ids: 15 case-sensitive characters, 18 with the case-insensitive suffix."""

from __future__ import annotations

from memsync_assets.local_org.errors import OrgError

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def suffix(fifteen: str) -> str:
    """The three check characters: one bit for each upper-case letter, five letters a character."""
    return "".join(
        _SUFFIX[sum(1 << i for i, char in enumerate(fifteen[at : at + 5]) if "A" <= char <= "Z")] for at in (0, 5, 10)
    )


def make(prefix: str, number: int) -> str:
    """The 18-character id of the number-th record of an object with this key prefix."""
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    fifteen = prefix + digits.rjust(12, "0")
    return fifteen + suffix(fifteen)


def canonical(value: object, label: str) -> str:
    """An id in its 18-character form.

    Raises OrgError MALFORMED_ID for anything that is not an id; `label` names it in the message.
    """
    if isinstance(value, str) and value.isascii() and value.isalnum():
        if len(value) == 15:
            return value + suffix(value)
        if len(value) == 18:
            return _restored(value)
    raise OrgError("MALFORMED_ID", f"{label}: id value of incorrect type: {value}", (label,))


def _restored(eighteen: str) -> str:
    """The id with the letter case its suffix records: 18 characters may arrive in any case."""
    fifteen = eighteen[:15]
    if suffix(fifteen) == eighteen[15:]:
        return eighteen
    chars = []
    for at in range(15):
        letter = eighteen[15 + at // 5].upper()
        bits = _SUFFIX.find(letter)
        chars.append(fifteen[at].upper() if bits >> (at % 5) & 1 else fifteen[at].lower())
    return "".join(chars) + eighteen[15:].upper()
