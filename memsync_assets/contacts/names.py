"""One raw name -> its parts and the keys that names are compared by, or why it is no person's name."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nameparser import HumanName
from nameparser.config import CONSTANTS

from memsync_assets.contacts.text import CAP, SEPARATOR, clean, is_too_long, letters_key

VERSION = 4

_PLAIN_WORD = re.compile(r"[A-Z][a-z]+|[A-Z]{2,}|[a-z]{2,}")
_WORDS = re.compile(r"[^\W\d_]+(?:['’.-][^\W\d_]+)*")
_SUFFIXES = {"jr": "Jr", "junior": "Jr", "sr": "Sr", "senior": "Sr", "ii": "II", "iii": "III", "iv": "IV", "v": "V"}
# Words of an organization or a department. Any one of the first set, which nobody is called, makes the whole no person;
# so does one of the second, unless it is a first or a last name by itself; the others need to be the whole.
_NOBODYS_WORDS = {
    "inc", "incorporated", "llc", "llp", "ltd", "corp", "corporation", "company", "plc", "department", "dept",
}  # fmt: skip
_COMPANY_WORDS = {
    "co", "office", "services", "solutions", "associates", "group", "holdings", "industries", "enterprises",
    "university", "college", "district", "county", "city", "hospital", "clinic", "bank", "insurance", "agency",
    "resources", "partners", "team", "desk", "committee", "foundation", "school",
}  # fmt: skip
_DEPARTMENT_WORDS = {
    "human", "resources", "hr", "benefits", "benefit", "payroll", "accounting", "accounts", "payable", "receivable",
    "billing", "finance", "admin", "administrator", "administration", "manager", "director", "coordinator",
    "reception", "front", "main", "operations", "enrollment", "eligibility", "customer", "service", "support",
    "help", "general", "contact", "broker", "claims", "member", "membership", "the", "of", "and", "mailbox",
    "shared", "info", "personnel", "vacant", "position", "open",
}  # fmt: skip
_TELLING_WORDS = _NOBODYS_WORDS | _COMPANY_WORDS
_NO_NAMES = _COMPANY_WORDS | _DEPARTMENT_WORDS
_PLACEHOLDERS = {
    "none", "na", "test", "unknown", "null", "nil", "tbd", "tba", "xxx", "xx", "x", "asdf", "noname", "nolastname",
    "nofirstname", "donotuse", "duplicate", "vacant", "testtest", "testuser", "nocontact", "deleted", "inactive",
}  # fmt: skip
_COUPLE = re.compile(r"(?:\band\b|&|/|;|\bor\b)", re.IGNORECASE)
_PARTICLES = {"de", "la", "del", "der", "den", "van", "von", "da", "di", "du", "le", "el", "bin", "ben", "y", "st"}
# Words to which nameparser gives a meaning of their own: a name that has one is left to it.
_SPECIAL_WORDS = frozenset(
    set(CONSTANTS.titles)
    | set(CONSTANTS.prefixes)
    | set(CONSTANTS.suffix_acronyms)
    | set(CONSTANTS.suffix_not_acronyms)
    | set(CONSTANTS.conjunctions)
    | set(CONSTANTS.bound_first_names)
)
_INITIAL = re.compile(r"[A-Za-z]\.?")
# `Smith, Jr, John`, of which nameparser would lose John.
_SUFFIX_BEFORE_FIRST = re.compile(r"^([^,]+), *((?:jr|junior|sr|senior|ii|iii|iv)\.?), *([^,]+)$", re.IGNORECASE)
_DEGREES = re.compile(r",?\s+(?:md|dds|phd|cpa|esq|rn|mba|sphr|phr|shrm-cp|shrm-scp|cebs)\.?$", re.IGNORECASE)


@dataclass(frozen=True)
class Name:
    """What one raw name says. The keys are lower-case letters; problem says why it is no person's name."""

    first_name: str | None
    middle_name: str | None
    last_name: str | None
    name_suffix: str | None
    first_key: str | None
    middle_key: str | None
    last_key: str | None
    problem: str | None


def parse_name(raw: str) -> Name:
    """Read one raw name: a whole one, or first and last name joined by the separator.

    Never raises on text, however hostile.
    """
    # Nameparser takes seconds for thousands of words.
    if len(raw) >= CAP or is_too_long(raw):
        return _no_person("too_long")
    if SEPARATOR in raw:
        first, _, last = raw.partition(SEPARATOR)
        return _structured(clean(first), clean(last))
    return _free_text(clean(raw))


def _no_person(problem: str) -> Name:
    return Name(None, None, None, None, None, None, None, problem)


def _structured(first: str, last: str) -> Name:
    # Co, Bank and Or are names of people, too, where a system has one word in each of its fields.
    are_words = bool(_WORDS.fullmatch(first.rstrip(".")) and _WORDS.fullmatch(last))
    if problem := _problem(f"{first} {last}", may_be_organization=not are_words):
        return _no_person(problem)
    if not last:
        return _free_text(first)
    if _PLAIN_WORD.fullmatch(first) and _PLAIN_WORD.fullmatch(last):
        return _name(first, "", last, "")
    last, suffix = _split_suffix(last)
    first, middle = _split_middle(first)
    if not middle:
        first, given_suffix = _split_suffix(first)
        first, middle = _split_middle(first)
        suffix = suffix or given_suffix
    return _name(first, middle, last, suffix)


def _free_text(text: str) -> Name:
    if problem := _problem(text):
        return _no_person(problem)
    if plain := _plain(text):
        return _name(*plain)
    parsed = HumanName(_SUFFIX_BEFORE_FIRST.sub(r"\1, \3, \2", _DEGREES.sub("", text)))
    suffix = next((s for s in re.split(r"[,\s]+", parsed.suffix) if letters_key(s) in _SUFFIXES), "")
    if not parsed.last:
        return _name("", "", parsed.first or parsed.title, "")
    return _name(parsed.first, parsed.middle, parsed.last, suffix)


def _plain(text: str) -> tuple[str, str, str, str] | None:
    """First, middle, last name and suffix of `Mary A Smith Jr` and `Smith, Mary A`; None when not that plain."""
    last, comma, rest = text.partition(", ")
    words = (rest if comma else text).split(" ")
    suffix = ""
    if len(words) > (1 if comma else 2) and letters_key(words[-1]) in ("jr", "sr", "ii", "iii"):
        suffix = words.pop()
    if comma:
        words.append(last)
    if len(words) == 2:
        first, middle, last = words[0], "", words[1]
    elif len(words) == 3:
        first, middle, last = words
    else:
        return None
    if not (_PLAIN_WORD.fullmatch(last) and (_PLAIN_WORD.fullmatch(first) or _INITIAL.fullmatch(first))):
        return None
    if middle and not (_INITIAL.fullmatch(middle) or _PLAIN_WORD.fullmatch(middle)):
        return None
    special = len(words) == 3 or comma or suffix
    if special and not _SPECIAL_WORDS.isdisjoint(word.lower().rstrip(".") for word in (first, last) if word):
        return None
    if len(middle) > 2 and middle.lower() in _SPECIAL_WORDS:
        return None
    return first, middle, last, suffix


def _problem(text: str, *, may_be_organization: bool = True) -> str | None:
    """Why a text cannot be one person's name; None when it can.

    Args:
        text: the whole name.
        may_be_organization: whether a word of a company, or an `and`, says that it is none.
    """
    words = [word.lower() for word in _WORDS.findall(text)]
    if not words:
        return "no_name"
    if letters_key(text) in _PLACEHOLDERS:
        return "placeholder_name"
    if all(word in _NO_NAMES for word in words):
        return "not_a_person"
    telling = _TELLING_WORDS if may_be_organization else _NOBODYS_WORDS
    if any(word.rstrip(".") in telling for word in words):
        return "not_a_person"
    if may_be_organization and _COUPLE.search(text):
        return "several_persons"
    if "@" in text:
        return "not_a_person"
    return None


def _split_middle(first: str) -> tuple[str, str]:
    """`Mary A.` -> Mary, A.; `Mary Ann` stays one first name."""
    head, _, tail = first.rpartition(" ")
    return (head, tail) if head and len(letters_key(tail)) == 1 else (first, "")


def _split_suffix(name: str) -> tuple[str, str]:
    head, _, tail = name.rpartition(" ")
    return (head.rstrip(", "), tail) if head and letters_key(tail) in _SUFFIXES else (name, "")


def _name(first: str, middle: str, last: str, suffix: str) -> Name:
    first_key, middle_key, last_key = map(letters_key, (first, middle, last))
    if not last_key:
        return _no_person("no_name")
    first, middle, last = map(_cased, (first, middle, last))
    # Compatible forms may be longer than what was written: one ligature becomes three letters.
    if any(map(is_too_long, (first, middle, last, first_key, middle_key, last_key))):
        return _no_person("too_long")
    name_suffix = _SUFFIXES.get(letters_key(suffix)) if suffix else None
    return Name(first or None, middle or None, last, name_suffix, first_key, middle_key, last_key, None)


def _cased(text: str) -> str:
    """Names in capitals or small letters are written as names; mixed case was meant and stays."""
    text = text.strip(" ,")
    if text.isupper() or text.islower():
        return " ".join(_cased_word(word) for word in text.split(" "))
    return text


def _cased_word(word: str) -> str:
    if word.lower() in _PARTICLES and word.islower():
        return word
    parts = [part[:1].upper() + part[1:].lower() for part in re.split(r"(?<=['’-])", word)]
    joined = "".join(parts)
    return f"Mc{joined[2:].capitalize()}" if joined.startswith("Mc") and len(joined) > 3 else joined
