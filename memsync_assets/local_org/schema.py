"""The org's schema in the shape of describe results: which objects and fields there are, and their properties.

A schema file holds `{"sobjects": [describe, ...]}` and, optionally, `organization`, `validationRules` and
`duplicateRules`. An object needs `name` and `fields`, a field `name` and `type`; what a describe result says
beyond that is derived where the file leaves it out, so real describe results and short hand-written ones both
load. User and Organization, which every org has, are the sample org's unless the file describes them.
Rules on values are in `values`, rules on records in `records`.
"""

from __future__ import annotations

import json
import re
import string
import zlib
from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from memsync_assets.local_org.errors import OrgError, not_found

_EVERYWHERE = ("User", "Organization")
SAMPLE = Path(__file__).parent / "schema" / "sample_org.json"

_DIGITS = string.digits + string.ascii_lowercase
_SOAP = {
    "id": "tns:ID", "reference": "tns:ID", "boolean": "xsd:boolean", "int": "xsd:int", "date": "xsd:date",
    "datetime": "xsd:dateTime", "double": "xsd:double", "currency": "xsd:double", "percent": "xsd:double",
    "address": "urn:address",
}  # fmt: skip
_LENGTHS = {"id": 18, "reference": 18, "phone": 40, "email": 80, "url": 255, "picklist": 255}
_LENGTHS |= {"multipicklist": 4099, "textarea": 255, "string": 255}
_SYSTEM: list[dict[str, Any]] = [
    {"name": "IsDeleted", "type": "boolean", "label": "Deleted"},
    {"name": "CreatedDate", "type": "datetime"},
    {"name": "CreatedById", "type": "reference", "referenceTo": ["User"], "relationshipName": "CreatedBy"},
    {"name": "LastModifiedDate", "type": "datetime"},
    {
        "name": "LastModifiedById",
        "type": "reference",
        "referenceTo": ["User"],
        "relationshipName": "LastModifiedBy",
    },
    {"name": "SystemModstamp", "type": "datetime"},
]


def _label(name: str) -> str:
    """The label that a name suggests: AccountId is Account ID, Group_Number__c Group Number."""
    if name.endswith("__c"):
        return name.removesuffix("__c").replace("_", " ")
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", re.sub(r"Id$", "ID", name))


def _key_prefix(name: str) -> str:
    """A key prefix for an object whose describe result has none: always the same for the same name."""
    first, second = divmod(zlib.crc32(name.encode()) % 36**2, 36)
    return f"z{_DIGITS[first]}{_DIGITS[second]}"


class _Described(BaseModel):
    """A part of a describe result: what is not modelled is kept and given back."""

    model_config = ConfigDict(extra="allow", frozen=True)


class PicklistValue(_Described):
    """One value of a picklist."""

    value: str
    label: str | None = None
    active: bool = True
    defaultValue: bool = False


class FieldDescribe(_Described):
    """One field of an object."""

    name: str
    type: str
    label: str
    length: int
    custom: bool
    nillable: bool
    createable: bool = True
    updateable: bool = True
    defaultedOnCreate: bool = False
    unique: bool = False
    externalId: bool = False
    idLookup: bool = False
    caseSensitive: bool = False
    calculated: bool = False
    nameField: bool = False
    compoundFieldName: str | None = None
    picklistValues: tuple[PicklistValue, ...] = ()
    restrictedPicklist: bool = False
    referenceTo: tuple[str, ...] = ()
    relationshipName: str | None = None
    cascadeDelete: bool = False
    precision: int = 0
    scale: int = 0
    digits: int = 0
    byteLength: int = 0
    soapType: str
    filterable: bool = True
    sortable: bool = True
    groupable: bool = True
    aggregatable: bool = True
    defaultValue: Any = None
    inlineHelpText: str | None = None
    extraTypeInfo: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _derive(cls, given: Any) -> Any:
        kind, name = str(given.get("type", "")), str(given.get("name", ""))
        length = given.get("length")
        long = kind == "textarea" and isinstance(length, int) and length > 255
        single = kind not in ("address", "multipicklist") and not long
        derived = {
            "label": _label(name),
            "length": _LENGTHS.get(kind, 0),
            "custom": name.endswith("__c"),
            "nillable": kind != "boolean",
            "defaultedOnCreate": kind == "boolean",
            "soapType": _SOAP.get(kind, "xsd:string"),
            "idLookup": bool(given.get("externalId") or given.get("unique")),
            "restrictedPicklist": kind in ("picklist", "multipicklist") and name.endswith("__c"),
            "groupable": single and kind not in ("textarea", "datetime", "double"),
            "sortable": single,
            "filterable": kind != "address" and not long,
            "defaultValue": False if kind == "boolean" else None,
        }
        given = derived | given
        if isinstance(given.get("picklistValues"), list):
            given["picklistValues"] = [
                {"value": v, "label": v} if isinstance(v, str) else v for v in given["picklistValues"]
            ]
        return given | {"byteLength": given.get("byteLength") or given["length"] * 3}

    @property
    def stored(self) -> bool:
        """Whether the field has a column of its own: compound fields are made of their parts."""
        return self.type not in ("address", "location")


class ChildRelationship(_Described):
    """The other end of a reference: what a child subquery names."""

    childSObject: str
    field: str
    relationshipName: str | None = None
    cascadeDelete: bool = False


def _completed(given: Any) -> Any:
    """A describe result with what may be left out: labels, key prefix, Id and system fields."""
    if not isinstance(given, dict) or not all(isinstance(one, dict) for one in given.get("fields") or [None]):
        raise ValueError("an object needs a name and a list of fields")
    name = str(given.get("name", ""))
    label = _label(name)
    given = {"label": label, "labelPlural": label + "s", "custom": name.endswith("__c")} | given
    given |= {"keyPrefix": given.get("keyPrefix") or _key_prefix(name)}
    named = {field.get("name") for field in given["fields"]}
    fixed = {"createable": False, "updateable": False, "nillable": False, "defaultedOnCreate": True}
    system = [field | fixed for field in _SYSTEM if field["name"] not in named]
    ident = {"name": "Id", "type": "id", "label": f"{label} ID", "idLookup": True, "caseSensitive": True}
    first = [] if "Id" in named else [ident | fixed]
    return given | {"fields": [*first, *given["fields"], *system]}


class ObjectDescribe(_Described):
    """One object with its fields."""

    name: str
    keyPrefix: str
    label: str
    labelPlural: str
    custom: bool = False
    createable: bool = True
    updateable: bool = True
    deletable: bool = True
    undeletable: bool = True
    mergeable: bool = False
    queryable: bool = True
    retrieveable: bool = True
    searchable: bool = True
    replicateable: bool = True
    fields: tuple[FieldDescribe, ...]
    childRelationships: tuple[ChildRelationship, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _derive(cls, given: Any) -> Any:
        return _completed(given)

    @cached_property
    def by_name(self) -> dict[str, FieldDescribe]:
        """Fields by lower-case name: Salesforce's names are case-insensitive."""
        return {field.name.lower(): field for field in self.fields}

    @cached_property
    def by_relationship(self) -> dict[str, FieldDescribe]:
        """Reference fields by the lower-case name of their relationship."""
        return {f.relationshipName.lower(): f for f in self.fields if f.relationshipName}

    @cached_property
    def columns(self) -> tuple[FieldDescribe, ...]:
        """The fields that are stored, or computed by the database from those that are."""
        return tuple(field for field in self.fields if field.stored)

    @cached_property
    def unique_fields(self) -> tuple[FieldDescribe, ...]:
        """Fields whose values may not repeat among live records."""
        return tuple(field for field in self.fields if field.unique)

    @cached_property
    def createable_names(self) -> frozenset[str]:
        """Fields that an insert may carry."""
        return frozenset(field.name for field in self.fields if field.createable)

    @cached_property
    def updateable_names(self) -> frozenset[str]:
        """Fields that an update may carry."""
        return frozenset(field.name for field in self.fields if field.updateable)

    @cached_property
    def required_names(self) -> tuple[str, ...]:
        """Fields that must have a value and are not given one by the system."""
        return tuple(
            field.name
            for field in self.fields
            if field.createable and not field.nillable and not field.defaultedOnCreate
        )

    def field(self, name: str) -> FieldDescribe:
        """The field of that name, in any case. Raises OrgError INVALID_FIELD."""
        found = self.by_name.get(name.lower())
        if found is None:
            raise OrgError("INVALID_FIELD", f"No such column '{name}' on sobject of type {self.name}")
        return found


class ValidationRule(_Described):
    """A validation rule: records for which the SOQL condition holds are refused."""

    sobject: str
    condition: str
    errorMessage: str
    errorField: str | None = None


class DuplicateRule(_Described):
    """A duplicate rule: records that agree on all of `fields` are duplicates; `alert` can be overridden."""

    name: str
    sobject: str
    fields: tuple[str, ...]
    action: str = "block"


class OrgSchema(BaseModel):
    """Everything the org knows about its objects before there is any record."""

    model_config = ConfigDict(frozen=True)

    sobjects: tuple[ObjectDescribe, ...]
    organization: dict[str, Any] = Field(default_factory=dict)
    validationRules: tuple[ValidationRule, ...] = ()
    duplicateRules: tuple[DuplicateRule, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        for what, names in (
            ("object", [sobject.name.lower() for sobject in self.sobjects]),
            ("keyPrefix", [sobject.keyPrefix for sobject in self.sobjects]),
        ):
            twice = sorted(name for name, times in Counter(names).items() if times > 1)
            if twice:
                raise ValueError(f"more than one object has the same {what}: {', '.join(twice)}")
        for duplicates in self.duplicateRules:
            self._check_names(f"duplicate rule {duplicates.name!r}", duplicates.sobject, duplicates.fields)
        for rule in self.validationRules:
            self._check_names(f"validation rule {rule.errorMessage!r}", rule.sobject, filter(None, [rule.errorField]))
        return self

    def _check_names(self, rule: str, sobject: str, fields: Iterable[str]) -> None:
        described = self.by_name.get(sobject.lower())
        if described is None:
            raise ValueError(f"{rule}: there is no object {sobject}")
        for name in fields:
            if name.lower() not in described.by_name:
                raise ValueError(f"{rule}: {sobject} has no field {name}")

    @cached_property
    def by_name(self) -> dict[str, ObjectDescribe]:
        """Objects by lower-case name."""
        return {sobject.name.lower(): sobject for sobject in self.sobjects}

    @cached_property
    def by_prefix(self) -> dict[str, ObjectDescribe]:
        """Objects by the first three characters of their records' ids."""
        return {sobject.keyPrefix: sobject for sobject in self.sobjects}

    def sobject(self, name: str) -> ObjectDescribe:
        """The object of that name, in any case. Raises OrgError NOT_FOUND (404)."""
        found = self.by_name.get(name.lower())
        if found is None:
            raise not_found()
        return found

    def target(self, reference: FieldDescribe) -> ObjectDescribe | None:
        """The object a reference points at; of several the first that is described, None where none is."""
        return next((self.by_name[one.lower()] for one in reference.referenceTo if one.lower() in self.by_name), None)

    def children(self, name: str) -> list[ChildRelationship]:
        """Every reference to an object, with the names its describe result gives to child relationships."""
        declared = {(c.childSObject, c.field): c for c in self.sobject(name).childRelationships}
        found = []
        for child in self.sobjects:
            for field in child.fields:
                if name in field.referenceTo:
                    plain = ChildRelationship(
                        childSObject=child.name, field=field.name, cascadeDelete=field.cascadeDelete
                    )
                    found.append(declared.get((child.name, field.name), plain))
        return found


def load(path: Path | None = None) -> OrgSchema:
    """The schema in a file; the sample org's without one. Raises ValueError naming what is wrong, and where."""
    sample = json.loads(SAMPLE.read_text(encoding="utf-8"))
    if path is None:
        return OrgSchema.model_validate(sample)
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"is no JSON in UTF-8: {error}") from None
    if not isinstance(given, dict) or not isinstance(given.get("sobjects"), list):
        raise ValueError('must hold an object with a list "sobjects" of describe results')
    named = {str(one.get("name")).lower() for one in given["sobjects"] if isinstance(one, dict)}
    base = [one for one in sample["sobjects"] if one["name"] in _EVERYWHERE and one["name"].lower() not in named]
    try:
        return OrgSchema.model_validate(given | {"sobjects": [*given["sobjects"], *base]})
    except ValidationError as error:
        raise ValueError("; ".join(_located(one, given) for one in error.errors()[:3])) from None


def _located(error: ErrorDetails, given: dict[str, Any]) -> str:
    """One error of a schema file, with the names of the object and the field it is in."""
    place: list[str] = []
    found: Any = given
    for key in error["loc"]:
        try:
            found = found[key]
        except (KeyError, IndexError, TypeError):
            found = None
        if isinstance(found, dict) and isinstance(found.get("fields"), list) and found["fields"]:
            found = _completed(found)
        place.append(str(found.get("name", key)) if isinstance(found, dict) else str(key))
    return f"{' / '.join(place)}: {error['msg'].removeprefix('Value error, ')}"
