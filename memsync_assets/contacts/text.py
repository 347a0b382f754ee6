"""What every raw value goes through before it is parsed, and the keys that names are compared by.

Pure functions on one text. What a kind of value means is the matter of names, emails, phones and addresses.
"""

from __future__ import annotations

import re
import unicodedata

#: Raw values are looked up by this many characters; a value that fills the cap is `too_long`.
CAP = 400
#: Joins the parts of a raw value that comes from several columns (ASCII unit separator).
SEPARATOR = "\x1f"

#: The longest name or line of an address that a table has room for, in UTF-16 units.
LONGEST = 200

_SPACES = re.compile(r"\s+")
_NOT_LETTERS = re.compile(r"[^a-z]+")


def clean(raw: str) -> str:
    """The text in its compatible Unicode form, without control or format characters, spaces single.

    Fullwidth digits and letters become plain ones.
    """
    if raw.isascii() and raw.isprintable():
        return " ".join(raw.split())
    text = unicodedata.normalize("NFKC", raw)
    text = "".join(c if unicodedata.category(c)[0] != "C" else " " if c.isspace() else "" for c in text)
    return _SPACES.sub(" ", text).strip()


def is_too_long(text: str, longest: int = LONGEST) -> bool:
    """Whether a column of so many UTF-16 units, as SQL Server counts, has no room for a text."""
    return len(text) > longest or len(text.encode("utf-16-le")) > 2 * longest


def cut(text: str, longest: int) -> str:
    """The beginning of a text that fits a column of so many UTF-16 units."""
    return text.encode("utf-16-le")[: 2 * longest].decode("utf-16-le", errors="ignore")


def letters_key(text: str) -> str:
    """Lower-case ASCII letters only, accents dropped: `O'Brien-Núñez` -> `obriennunez`.

    A name in another script keeps its case-folded letters.
    """
    folded = text.lower()
    if not folded.isascii():
        folded = unicodedata.normalize("NFKD", text.casefold())
        if plain := _NOT_LETTERS.sub("", folded):
            return plain
        return "".join(c for c in folded if c.isalpha())
    return _NOT_LETTERS.sub("", folded)
