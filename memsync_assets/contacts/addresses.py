"""One raw address -> its parts as USPS Publication 28 writes them, ZIP+4 kept."""

from __future__ import annotations

import re
from dataclasses import dataclass

import us
import usaddress
from scourgify import normalize_address_record
from scourgify.exceptions import AddressNormalizationError

from memsync_assets.contacts.text import CAP, LONGEST, SEPARATOR, clean, cut

VERSION = 3

# Publication 28, appendix B; `us` lacks the armed forces.
_STATES = {s.abbr for s in us.states.STATES_AND_TERRITORIES} | {"DC", "AA", "AE", "AP"}
_STATE_NAMES = {s.name.upper(): s.abbr for s in us.states.STATES_AND_TERRITORIES} | {"DISTRICT OF COLUMBIA": "DC"}
_ZIP = re.compile(r"(\d{3,5})(?:\.0+)?(?:[- ]?(\d{4}))?")
# Publication 28, section 225: what stands for the street at APO, FPO and DPO.
_MILITARY = re.compile(r"(?:PSC|CMR|UNIT) \d+(?: BOX \d+)?")
_ATTENTION = re.compile(r"^(?:attn|attention|c/o)\b[:.]?\s*[^,\d]*,?\s*", re.IGNORECASE)
_KEY = re.compile(r"[^A-Z0-9]+")
_DIRECTIONS = {
    "NORTH": "N", "SOUTH": "S", "EAST": "E", "WEST": "W", "NORTHEAST": "NE", "NORTHWEST": "NW",
    "SOUTHEAST": "SE", "SOUTHWEST": "SW", "N": "N", "S": "S", "E": "E", "W": "W", "NE": "NE", "NW": "NW",
    "SE": "SE", "SW": "SW",
}  # fmt: skip
# The common suffixes of Publication 28, appendix C1; the others are left to scourgify.
_SUFFIXES = {
    "STREET": "ST", "ST": "ST", "AVENUE": "AVE", "AVE": "AVE", "ROAD": "RD", "RD": "RD", "DRIVE": "DR", "DR": "DR",
    "LANE": "LN", "LN": "LN", "BOULEVARD": "BLVD", "BLVD": "BLVD", "COURT": "CT", "CT": "CT", "WAY": "WAY",
    "PLACE": "PL", "PL": "PL", "CIRCLE": "CIR", "CIR": "CIR", "PARKWAY": "PKWY", "PKWY": "PKWY",
    "TERRACE": "TER", "TER": "TER",
}  # fmt: skip
_UNITS = {"SUITE": "STE", "STE": "STE", "UNIT": "UNIT", "APARTMENT": "APT", "APT": "APT", "FLOOR": "FL", "FL": "FL"}
_PLAIN_STREET = re.compile(r"(\d{1,6}) (?:([NSEW]|NORTH|SOUTH|EAST|WEST) )?([A-Z]{3,}) ([A-Z]+)")
_PLAIN_UNIT = re.compile(r"([A-Z]+) ([A-Z]?\d{1,5}[A-Z]?)")


@dataclass(frozen=True)
class Address:
    """What one raw address says, in capitals as Publication 28 has it.

    Attributes:
        address_key: street, unit and five-digit ZIP without signs: equal for equal places.
        problem: what is wrong with it, in a word; the parts that could be read are there all the same.
    """

    address_line1: str | None
    address_line2: str | None
    city: str | None
    state_code: str | None
    postal_code: str | None
    address_key: str | None
    problem: str | None


def parse_address(raw: str) -> Address:
    """Read line 1, line 2, city, state and postal code joined by the separator.

    Never raises on text, however hostile.
    """
    if len(raw) >= CAP:
        return Address(None, None, None, None, None, None, "too_long")
    parts = [clean(part).upper().rstrip(",") for part in raw.split(SEPARATOR)]
    line1, line2, city, state_text, zip_text = (*parts, "", "", "", "", "")[:5]
    state, postal = _state(state_text), _postal_code(zip_text)
    line1, line2, problem = _street(line1, line2)
    if problem is None:
        problem = _missing(line1, city, state, state_text, postal, zip_text)
    key = _KEY.sub("", f"{line1}{line2}") + (f"|{postal[:5]}" if postal else f"|{_KEY.sub('', city)}")
    return Address(
        cut(line1, LONGEST) or None,
        cut(line2, LONGEST) or None,
        cut(city, 100) or None,
        state,
        postal,
        cut(key, 300) if line1 else None,
        problem,
    )


def _state(text: str) -> str | None:
    """A state by its code or its exact name; a guess at a misspelt one would be silent."""
    text = text.replace(".", "")
    return text if text in _STATES else _STATE_NAMES.get(text)


def _postal_code(text: str) -> str | None:
    """`2139` is 02139: spreadsheets drop the zero."""
    if found := _ZIP.fullmatch(text):
        five = found[1].zfill(5)
        return f"{five}-{found[2]}" if found[2] else five
    return None


def _missing(
    line1: str, city: str, state: str | None, state_text: str, postal: str | None, zip_text: str
) -> str | None:
    if not line1:
        return "no_street"
    if state is None:
        return "unknown_state" if state_text else "no_state"
    if postal is None:
        return "unknown_postal_code" if zip_text else "no_postal_code"
    return None if city else "no_city"


def _street(line1: str, line2: str) -> tuple[str, str, str | None]:
    line1 = _ATTENTION.sub("", line1) or line1
    if not line1 and line2:
        line1, line2 = line2, ""
    if not line1:
        return "", "", "no_street"
    if _MILITARY.fullmatch(line1) and not line2:
        return line1, "", None
    plain, unit = _plain_street(line1), _plain_unit(line2)
    if plain is not None and unit is not None:
        return plain, unit, None
    return _scourgified(line1, line2)


def _plain_street(line: str) -> str | None:
    found = _PLAIN_STREET.fullmatch(line)
    if not found or found[4] not in _SUFFIXES or found[3] in _SUFFIXES or found[3] in _DIRECTIONS:
        return None
    direction = f"{_DIRECTIONS[found[2]]} " if found[2] else ""
    return f"{found[1]} {direction}{found[3]} {_SUFFIXES[found[4]]}"


def _plain_unit(line: str) -> str | None:
    if not line:
        return ""
    found = _PLAIN_UNIT.fullmatch(line)
    return f"{_UNITS[found[1]]} {found[2]}" if found and found[1] in _UNITS else None


def _scourgified(line1: str, line2: str) -> tuple[str, str, str | None]:
    """Publication 28 form by scourgify; what it refuses (PO boxes, buildings) is kept if usaddress knows it."""
    record = {
        "address_line_1": line1,
        "address_line_2": line2 or None,
        "city": "X",
        "state": "IL",
        "postal_code": "60601",
    }
    try:
        done = normalize_address_record(record)
        return done["address_line_1"] or line1, done["address_line_2"] or "", None
    except (AddressNormalizationError, AttributeError, KeyError, TypeError, ValueError, IndexError):
        pass
    try:
        _, kind = usaddress.tag(f"{line1} {line2}".strip())
    except (usaddress.RepeatedLabelError, AttributeError, ValueError, IndexError):
        return line1, line2, "street_not_understood"
    text = line1.replace("P.O.", "PO").replace("P O BOX", "PO BOX")
    return text, line2, None if kind in ("PO Box", "Street Address", "Intersection") else "street_not_understood"
