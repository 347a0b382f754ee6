"""The planned changes of single records, as they are sent, and what became of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from memsync_assets.mart.engine import Mart
from memsync_assets.salesforce.specifications import UploadSpecification

Status = Literal["succeeded", "failed", "skipped"]
Method = Literal["upsert", "update", "delete"]
#: The text that empties a field in a Bulk file, so that it can be no value.
CLEARED = "#N/A"
#: So many changes are held in memory at a time.
MOST_AT_ONCE = 100_000
_ALL = 2**31 - 1
_NEXT = """
SELECT p.external_id, p.operation, p.record_id, p.field_name, p.after_value
FROM (
    SELECT
        q.plan_hash, q.object_name, q.external_id, MAX(CASE WHEN q.operation = 'delete' THEN 1 ELSE 0 END) AS is_delete,
        MAX(CASE WHEN q.field_name = @parent THEN COALESCE(q.after_value, '') ELSE '' END) AS parent
    FROM sync_plan AS q
    LEFT OUTER JOIN sync_outcomes AS o
        ON q.plan_hash = o.plan_hash AND q.object_name = o.object_name AND q.external_id = o.external_id
    WHERE q.object_name = @object AND o.status IS NULL
    GROUP BY q.plan_hash, q.object_name, q.external_id
    ORDER BY is_delete, parent, q.external_id
    OFFSET 0 ROWS FETCH NEXT @most ROWS ONLY
) AS n
INNER JOIN sync_plan AS p
    ON n.plan_hash = p.plan_hash AND n.object_name = p.object_name AND n.external_id = p.external_id
LEFT OUTER JOIN sync_refused_values AS v
    ON p.plan_hash = v.plan_hash AND p.object_name = v.object_name AND p.external_id = v.external_id
    AND p.field_name = v.field_name
WHERE v.error_code IS NULL
"""


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

    @property
    def method(self) -> Method:
        """How it is sent: by id where the record is known, else as an upsert, which cannot make a second one."""
        if self.operation == "delete":
            return "delete"
        return "update" if self.record_id else "upsert"


@dataclass(frozen=True)
class Outcome:
    """What became of one change.

    Attributes:
        fields: the fields that the error is about, as Salesforce names them.
        tries: how often it was sent.
    """

    external_id: str
    status: Status
    record_id: str | None = None
    error_code: str | None = None
    message: str | None = field(default=None, repr=False)
    fields: tuple[str, ...] = ()
    tries: int = 0


def read_changes(mart: Mart, one: UploadSpecification, most: int = MOST_AT_ONCE) -> list[Change]:
    """The next changes of an object that have no outcome yet, in the order of their parents, deletions last.

    So the records of one parent share a batch, and do not wait for each other's lock on it. `most` bounds memory; an
    object whose records refer to each other is read whole, since their order is found among all of them.
    """
    if one.object in one.references.values():
        most = _ALL
    given = {"object": one.object, "parent": next(iter(one.references), ""), "most": most}
    rows = mart.fetch(_NEXT, given)
    changes: dict[str, Change] = {}
    columns = [rows.column(name).to_pylist() for name in rows.column_names]
    for external_id, operation, record_id, name, value in zip(*columns, strict=True):
        change = changes.get(external_id)
        if change is None:
            change = changes[external_id] = Change(external_id, operation, {}, record_id)
        if name:
            change.values[name] = value
    return sorted(changes.values(), key=lambda change: (change.operation == "delete", *by_parent(one, change)))


def by_parent(one: UploadSpecification, change: Change) -> tuple[str, ...]:
    """What to sort by, so that the changes below one parent are neighbours."""
    return (*(change.values.get(name) or "" for name in one.references), change.external_id)


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
