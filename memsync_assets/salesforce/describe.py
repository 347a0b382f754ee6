"""What an org says of its objects and fields, as far as memsync cares, and the text form of their values.

Values are compared as text: `true` and `false`, dates as yyyy-mm-dd, the values of a multipicklist sorted.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from functools import cached_property

from pydantic import BaseModel, Field


def _truth(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError
    return text == "true"


#: What reads the text form of a type; raises ValueError. Of the types that are not here, every text is a value.
_PARSERS: dict[str, Callable[[str], object]] = {
    "boolean": _truth,
    "int": int,
    "long": int,
    "double": float,
    "currency": float,
    "percent": float,
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
}
_SENT_AS_TEXT = {"date", "datetime"}


class PicklistValue(BaseModel):
    """One value of a picklist."""

    value: str
    active: bool = True


class FieldDescription(BaseModel):
    """One field. See the vendor's documentation of describe for the names."""

    name: str
    type: str
    length: int = 0
    createable: bool = True
    updateable: bool = True
    externalId: bool = False
    unique: bool = False
    caseSensitive: bool = False
    restrictedPicklist: bool = False
    relationshipName: str | None = None
    referenceTo: list[str] = Field(default_factory=list)
    picklistValues: list[PicklistValue] = Field(default_factory=list)

    def text(self, value: object) -> str | None:
        """The text form of a value as the org gives it; None for nothing."""
        if value is None or value == "":
            return None
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, float) and value.is_integer():
            return str(int(value))
        if self.type == "multipicklist":
            return ";".join(sorted(str(value).split(";")))
        # The org ends the lines of long texts in its own way.
        return str(value).replace("\r\n", "\n")

    @property
    def is_typed(self) -> bool:
        """Whether not every text is a value of it."""
        return self.type in _PARSERS

    def takes(self, text: str) -> bool:
        """Whether a text is the text form of a value of its type."""
        try:
            _PARSERS.get(self.type, str)(text)
        except ValueError:
            return False
        return True

    def value(self, text: str | None) -> object:
        """The JSON value of a text form that the field `takes`."""
        if text is None:
            return None
        return text if self.type in _SENT_AS_TEXT else _PARSERS.get(self.type, str)(text)


class ChildRelationship(BaseModel):
    """A field of another object that refers to this one."""

    childSObject: str
    field: str


class ObjectDescription(BaseModel):
    """One object."""

    name: str
    createable: bool = True
    updateable: bool = True
    deletable: bool = True
    fields: list[FieldDescription]
    childRelationships: list[ChildRelationship] = Field(default_factory=list)

    @cached_property
    def by_name(self) -> dict[str, FieldDescription]:
        """Its fields by name, as Salesforce spells them."""
        return {field.name: field for field in self.fields}
