"""The planned changes of single records, as they are sent, and what became of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from memsync_assets.mart.engine import Mart
from memsync_assets.salesforce.specifications import UploadSpecification

Status = Literal["succeeded", "failed", "skipped"]


@dataclass(frozen=True)
class Change:
    """What is to be done to one record.

    Attributes:
        operation: insert, update, deactivate or delete.
        values: the new values by field, as text; a reference is the external id of its record.
        record_id: the live record; None where it is new.
    """

    external_id: str
    operation: str
    values: dict[str, str | None] = field(repr=False)
    record_id: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of one change. tries: how often it was sent."""

    external_id: str
    status: Status
    record_id: str | None = None
    error_code: str | None = None
    message: str | None = field(default=None, repr=False)
    tries: int = 0


def read_changes(mart: Mart, one: UploadSpecification) -> list[Change]:
    """The changes of an object that have no outcome yet, in the order of their parents, so that one parent's records
    share a batch. Deletions come last.
    """
    rows = mart.fetch(
        "SELECT p.external_id, p.operation, p.record_id, p.field_name, p.after_value FROM sync_plan AS p"
        " LEFT OUTER JOIN sync_outcomes AS o"
        " ON p.plan_hash = o.plan_hash AND p.object_name = o.object_name AND p.external_id = o.external_id"
        " WHERE p.object_name = @object AND o.status IS NULL"
        " ORDER BY p.external_id",
        {"object": one.object},
    )
    changes: dict[str, Change] = {}
    columns = [rows.column(name).to_pylist() for name in rows.column_names]
    for external_id, operation, record_id, name, value in zip(*columns, strict=True):
        change = changes.get(external_id)
        if change is None:
            change = changes[external_id] = Change(external_id, operation, {}, record_id)
        if name:
            change.values[name] = value
    parents = list(one.references)
    return sorted(
        changes.values(),
        key=lambda change: (
            change.operation == "delete",
            *(change.values.get(name) or "" for name in parents),
            change.external_id,
        ),
    )


def in_waves(one: UploadSpecification, changes: Sequence[Change]) -> Iterator[list[Change]]:
    """Changes in such an order that a record comes after the new record of its own object that it refers to."""
    own = [name for name, target in one.references.items() if target == one.object]
    unborn = {change.external_id for change in changes if change.operation == "insert"}
    left = list(changes)
    while left:
        ready = [change for change in left if not any(change.values.get(name) in unborn for name in own)]
        # Records that refer to each other in a circle: the org will say so.
        ready = ready or left
        yield ready
        sent = {change.external_id for change in ready}
        unborn -= sent
        left = [change for change in left if change.external_id not in sent]
