"""One raw phone text -> a number in E.164 and its extension. Numbers without a country are of the USA."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import phonenumbers

from memsync_assets.contacts.text import CAP, clean

VERSION = 1

# Ten digits of the North American Numbering Plan, with the separators that people write.
_PLAIN = re.compile(r"(?:\+?1[ .-]?)?\(?([2-9]\d{2})\)?[ .-]?([2-9]\d{2})[ .-]?(\d{4})")
_EXTENSION = re.compile(r"[,;]?\s*(?:ext(?:ension)?|x|#)\s*\.?\s*:?\s*(\d{1,7})$", re.IGNORECASE)
_FLOAT = re.compile(r"(\d{10,11})\.0+")
_DIGITS = re.compile(r"\d")


@dataclass(frozen=True)
class Phone:
    """What one raw text says: the number in E.164, its extension, or the problem in a word."""

    phone: str | None
    phone_ext: str | None
    problem: str | None


def parse_phone(raw: str) -> Phone:
    """Read one raw text. Never raises on text, however hostile.

    Two numbers in one field are a problem, not a choice: which of them is meant is not known.
    """
    if len(raw) >= CAP:
        return Phone(None, None, "too_long")
    text = clean(raw)
    if number := _FLOAT.fullmatch(text):
        text = number[1]
    if (plain := _PLAIN.fullmatch(text)) and _is_assigned(plain[1] + plain[2]):
        digits = plain[1] + plain[2] + plain[3]
        return _refuse_filler(digits) or Phone(f"+1{digits}", None, None)
    return _parse_any(text)


@cache
def _is_assigned(prefix: str) -> bool:
    """Whether numbers of this area code and exchange can exist; asked of phonenumbers once a prefix."""
    return all(phonenumbers.is_valid_number(phonenumbers.parse(f"+1{prefix}{line}")) for line in ("2368", "7415"))


def _refuse_filler(digits: str) -> Phone | None:
    """555-01xx is reserved for fiction; a number of one digit is typed to get past a form."""
    if len(set(digits[3:])) == 1 or digits[3:] in {"5551234", "1234567"}:
        return Phone(None, None, "placeholder")
    return None


def _parse_any(text: str) -> Phone:
    if not _DIGITS.search(text):
        return Phone(None, None, "no_number")
    extension = None
    if written := _EXTENSION.search(text):
        extension, text = written[1], text[: written.start()]
    several = len(_DIGITS.findall(text)) >= 17
    try:
        number = phonenumbers.parse(text, "US")
    except phonenumbers.NumberParseException:
        return Phone(None, None, "several_numbers" if several else "syntax")
    if several or not phonenumbers.is_valid_number(number):
        return Phone(None, None, "several_numbers" if several else "not_a_number")
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if e164.startswith("+1") and (filler := _refuse_filler(e164[2:])):
        return filler
    return Phone(e164, extension or number.extension or None, None)
