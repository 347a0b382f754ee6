"""What a batch of writes is made of: how to write, one record on its way in, what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from memsync_assets.local_org.errors import OrgError
from memsync_assets.local_org.schema import FieldDescribe, ObjectDescribe
from memsync_assets.local_org.store import Row
from memsync_assets.local_org.values import Stored, stored_datetime

_LOWER = {ord(upper): ord(upper) + 32 for upper in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


@dataclass(frozen=True)
class WriteOptions:
    """How a batch is to be written, and as whom. `held`: ids of records that others have locked meanwhile."""

    user_id: str
    update_only: bool = False
    allow_duplicates: bool = False
    held: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Saved:
    """What became of one record of a batch. `locked`: ids of the records that writing it locked."""

    record_id: str | None = None
    created: bool = False
    error: OrgError | None = None
    locked: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lookup:
    """A reference given by an external id of the record it points at."""

    reference: FieldDescribe
    target: ObjectDescribe
    key: FieldDescribe
    value: Stored


@dataclass
class Draft:
    """One record on its way in."""

    values: dict[str, Stored] = field(default_factory=dict)
    lookups: list[Lookup] = field(default_factory=list)
    record_id: str | None = None
    current: Row | None = None
    error: OrgError | None = None

    @property
    def creating(self) -> bool:
        """Whether there is no such record yet."""
        return self.current is None

    def after(self, name: str) -> Any:
        """The field's value once this draft is written."""
        return self.values[name] if name in self.values else (self.current or {}).get(name)


def audit(options: WriteOptions) -> Row:
    """The fields that every change sets."""
    stamp = stored_datetime(datetime.now(UTC))
    return {"LastModifiedDate": stamp, "LastModifiedById": options.user_id, "SystemModstamp": stamp}


def folded(field: FieldDescribe, value: Any) -> Any:
    """The form in which two values of a field are compared: as the column's collation does, ASCII only."""
    if field.caseSensitive or not isinstance(value, str):
        return value
    return value.lower() if value.isascii() else value.translate(_LOWER)
