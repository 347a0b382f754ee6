"""Single values: what a field accepts, how it is stored, how it is given back.

Rules that need other records (uniqueness, references) are in `records`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from memsync_assets.local_org.errors import OrgError
from memsync_assets.local_org.ids import canonical
from memsync_assets.local_org.schema import FieldDescribe

Stored = str | int | float | None
Coercer = Callable[[Any], Stored]

# Salesforce's own check is looser than RFC 5322 and stricter than "has an @".
_EMAIL = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]([A-Za-z0-9-]*[A-Za-z0-9])?"
)
_TEXT = frozenset({"string", "textarea", "phone", "url", "combobox", "encryptedstring"})
_NUMBERS = frozenset({"double", "currency", "percent"})


def coercer(field: FieldDescribe) -> Coercer:
    """A function that turns a JSON value into the stored form of this field, or raises OrgError."""
    make = _MAKERS.get(field.type, _text)
    convert = make(field)

    def coerce(value: Any) -> Stored:
        if value is None or value == "":
            if field.type == "boolean":
                raise _wrong_type(field, value)
            return None
        return convert(value)

    return coerce


def from_csv(field: FieldDescribe) -> Callable[[str], Any]:
    """A function that turns the text of a CSV cell (never empty, never #N/A) into a JSON value."""
    if field.type == "boolean":
        return lambda text: {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
    if field.type == "int":
        return lambda text: int(text) if re.fullmatch(r"[+-]?\d+", text) else text
    if field.type in _NUMBERS:
        return lambda text: float(text) if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text) else text
    return lambda text: text


def to_json(field: FieldDescribe) -> Callable[[Any], Any] | None:
    """A function that turns the stored form into JSON's, or None where they are the same."""
    return bool if field.type == "boolean" else None


def parse_datetime(text: str) -> datetime | None:
    """A date-time with its zone, in UTC; None where the text is none or names no zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None


def stored_datetime(moment: datetime) -> str:
    """A moment as it is stored and given back: seconds, since Salesforce keeps no finer grain."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def _wrong_type(field: FieldDescribe, value: object) -> OrgError:
    return OrgError(
        "INVALID_TYPE_ON_FIELD_IN_RECORD",
        f"{field.label}: value not of required type: {value}",
        (field.name,),
    )


def _text(field: FieldDescribe) -> Coercer:
    length, name, label = field.length, field.name, field.label

    def convert(value: Any) -> Stored:
        if not isinstance(value, str):
            if isinstance(value, bool | dict | list):
                raise _wrong_type(field, value)
            value = str(value)
        value = value.strip()
        if len(value) > length:
            raise OrgError("STRING_TOO_LONG", f"{label}: data value too large: {value} (max length={length})", (name,))
        return value or None

    return convert


def _email(field: FieldDescribe) -> Coercer:
    text = _text(field)

    def convert(value: Any) -> Stored:
        email = text(value)
        if email is not None and not _EMAIL.fullmatch(str(email)):
            raise OrgError("INVALID_EMAIL_ADDRESS", f"{field.label}: invalid email address: {email}", (field.name,))
        return email

    return convert


def _picklist(field: FieldDescribe) -> Coercer:
    text = _text(field)
    allowed = {value.value.lower(): value.value for value in field.picklistValues if value.active}

    def convert(value: Any) -> Stored:
        chosen = text(value)
        if chosen is None:
            return None
        known = allowed.get(str(chosen).lower())
        if known is None and field.restrictedPicklist:
            raise _bad_picklist(field, chosen)
        return known or chosen

    return convert


def _multipicklist(field: FieldDescribe) -> Coercer:
    text = _text(field)
    allowed = {value.value.lower(): value.value for value in field.picklistValues if value.active}
    order = {value: at for at, value in enumerate(allowed.values())}

    def convert(value: Any) -> Stored:
        given = text(value)
        chosen = dict.fromkeys(part.strip() for part in str(given or "").split(";") if part.strip())
        unknown = [part for part in chosen if part.lower() not in allowed]
        if unknown and field.restrictedPicklist:
            raise _bad_picklist(field, unknown[0])
        known = sorted((allowed[part.lower()] for part in chosen if part not in unknown), key=order.__getitem__)
        return ";".join([*known, *unknown]) or None

    return convert


def _bad_picklist(field: FieldDescribe, value: object) -> OrgError:
    return OrgError(
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        f"{field.label}: bad value for restricted picklist field: {value}",
        (field.name,),
    )


def _boolean(field: FieldDescribe) -> Coercer:
    def convert(value: Any) -> Stored:
        if value is True or value is False:
            return int(value)
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return int(value.lower() == "true")
        raise _wrong_type(field, value)

    return convert


def _int(field: FieldDescribe) -> Coercer:
    def convert(value: Any) -> Stored:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise _wrong_type(field, value)
        if not -(2**31) <= value < 2**31:
            raise OrgError("NUMBER_OUTSIDE_VALID_RANGE", f"{field.label}: value outside of valid range", (field.name,))
        return value

    return convert


def _number(field: FieldDescribe) -> Coercer:
    whole_digits = (field.precision or 18) - field.scale

    def convert(value: Any) -> Stored:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _wrong_type(field, value)
        if abs(value) >= 10**whole_digits:
            raise OrgError(
                "NUMBER_OUTSIDE_VALID_RANGE",
                f"{field.label}: value outside of valid range on numeric field: {value}",
                (field.name,),
            )
        return round(float(value), field.scale) if field.precision else float(value)

    return convert


def _date(field: FieldDescribe) -> Coercer:
    def convert(value: Any) -> Stored:
        if isinstance(value, str) and len(value) >= 10 and (len(value) == 10 or value[10] == "T"):
            try:
                return date.fromisoformat(value[:10]).isoformat()
            except ValueError:
                pass
        raise _wrong_type(field, value)

    return convert


def _datetime(field: FieldDescribe) -> Coercer:
    def convert(value: Any) -> Stored:
        if isinstance(value, str):
            moment = parse_datetime(value if len(value) > 10 else f"{value}T00:00:00Z")
            if moment:
                return stored_datetime(moment)
        raise _wrong_type(field, value)

    return convert


def _reference(field: FieldDescribe) -> Coercer:
    def convert(value: Any) -> Stored:
        return canonical(value, field.label)

    return convert


_MAKERS: dict[str, Callable[[FieldDescribe], Coercer]] = {
    **dict.fromkeys(_TEXT, _text),
    **dict.fromkeys(_NUMBERS, _number),
    "email": _email,
    "picklist": _picklist,
    "multipicklist": _multipicklist,
    "boolean": _boolean,
    "int": _int,
    "date": _date,
    "datetime": _datetime,
    "reference": _reference,
    "id": _reference,
}
