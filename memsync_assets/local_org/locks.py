"""Locks on records. Writing a child locks its parent; who meets a lock is refused with UNABLE_TO_LOCK_ROW.

Salesforce waits ten seconds first. Here nobody waits: a lock is either held, by a fault or by the other
batches of a Bulk job, or it is not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from memsync_assets.local_org.drafts import Draft
from memsync_assets.local_org.errors import OrgError
from memsync_assets.local_org.schema import OrgSchema


@dataclass
class Locks:
    """Locks set by hand: for each record id, how many writes it will still refuse."""

    remaining: dict[str, int] = field(default_factory=dict)

    def hold(self, record_ids: Iterable[str], writes: int) -> None:
        """Let the next writes that need one of the records fail."""
        self.remaining |= dict.fromkeys(record_ids, writes)

    def refusal(self, needed: Iterable[str], held: frozenset[str]) -> OrgError | None:
        """The error of a write that needs these records, if one of them is locked."""
        for record_id in needed:
            if self.remaining.get(record_id, 0) > 0:
                self.remaining[record_id] -= 1
                return _error(record_id)
            if record_id in held:
                return _error(record_id)
        return None


def parent_fields(schema: OrgSchema) -> dict[str, tuple[str, ...]]:
    """For each object, the references whose target is locked with the record: those that cascade."""
    found: dict[str, list[str]] = {sobject.name: [] for sobject in schema.sobjects}
    for parent in schema.sobjects:
        for relation in schema.children(parent.name):
            if relation.cascadeDelete:
                found[relation.childSObject].append(relation.field)
    return {name: tuple(dict.fromkeys(fields)) for name, fields in found.items()}


def needed(draft: Draft, parents: tuple[str, ...]) -> tuple[str, ...]:
    """Ids of the records that writing a draft locks: itself and its parents."""
    wanted = (draft.record_id if not draft.creating else None, *map(draft.after, parents))
    return tuple(record_id for record_id in wanted if record_id)


def _error(record_id: str) -> OrgError:
    return OrgError("UNABLE_TO_LOCK_ROW", f"unable to obtain exclusive access to this record or 1 records: {record_id}")
