"""Merging duplicate accounts or contacts: one master, one or two losers, each request its own transaction.

Losers go to the recycle bin with `MasterRecordId`, their children move to the master. Records that share a
relation are refused, as Salesforce refuses them: the redundant indirect relation has to go first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from memsync_assets.local_org.drafts import WriteOptions, audit
from memsync_assets.local_org.errors import OrgError
from memsync_assets.local_org.ids import canonical
from memsync_assets.local_org.org import Org
from memsync_assets.local_org.relations import RELATION
from memsync_assets.local_org.schema import ObjectDescribe
from memsync_assets.local_org.store import Row

_MAX_LOSERS = 2


@dataclass(frozen=True)
class Merged:
    """What a merge did. `updated_related`: ids of the children that moved."""

    master_id: str
    merged: tuple[str, ...]
    updated_related: tuple[str, ...]


def merge(
    org: Org, sobject: ObjectDescribe, master: Mapping[str, Any], loser_ids: Sequence[str], options: WriteOptions
) -> Merged:
    """Merge losers into the master, whose `Id` and fields to set are given. Raises OrgError."""
    with org.store.transaction():
        rows = _checked(org, sobject, master, loser_ids)
        master_id, losers = rows[0]["Id"], tuple(row["Id"] for row in rows[1:])
        changed = audit(options)
        moved = _move_relations(org, sobject, rows, changed)
        moved += _move_children(org, sobject, master_id, losers, changed)
        gone = {"IsDeleted": 1, "MasterRecordId": master_id, **changed}
        org.store.update(sobject, [{"Id": one, **gone} for one in losers])
        (saved,) = org.records.update(sobject, [master], options)
        if saved.error:
            raise saved.error
        return Merged(master_id, losers, tuple(moved))


def _checked(org: Org, sobject: ObjectDescribe, master: Mapping[str, Any], loser_ids: Sequence[str]) -> list[Row]:
    """The master's row, then the losers'."""
    if not sobject.mergeable:
        raise OrgError("INVALID_TYPE", f"merge is not supported for {sobject.name}")
    if not 1 <= len(loser_ids) <= _MAX_LOSERS:
        raise OrgError("INVALID_NUMBER_FOR_MERGE", f"between 1 and {_MAX_LOSERS} records to merge must be given")
    wanted = [canonical(one, "Id") for one in (master.get("Id"), *loser_ids)]
    if len(set(wanted)) < len(wanted):
        raise OrgError("MERGE_FAILED", "the records of a merge must differ from each other")
    if any(not one.startswith(sobject.keyPrefix) for one in wanted):
        raise OrgError("INVALID_ID_FIELD", "all records of a merge must be of the same type")
    found = org.store.by_ids(sobject, wanted)
    for one in wanted:
        if one not in found:
            raise OrgError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        if found[one]["IsDeleted"]:
            raise OrgError("ENTITY_IS_DELETED", "entity is deleted")
    return [found[one] for one in wanted]


def _move_relations(org: Org, sobject: ObjectDescribe, rows: Sequence[Row], changed: Row) -> list[str]:
    """Give the master the losers' relations; of direct ones to the same account the master's stays."""
    relation = org.schema.by_name.get(RELATION.lower())
    if relation is None:
        return []
    near, far = ("ContactId", "AccountId") if sobject.name == "Contact" else ("AccountId", "ContactId")
    master = rows[0]
    held: dict[str, list[Row]] = {}
    for row in org.store.find(relation, relation.field(near), (one["Id"] for one in rows)):
        held.setdefault(row[far], []).append(row)
    moved, updates = [], []
    for other, shared in held.items():
        if len(shared) > 1 and not all(row["IsDirect"] for row in shared):
            raise _redundant(sobject)
        shared.sort(key=lambda row: row[near] != master["Id"])
        kept, *surplus = shared
        updates += [{"Id": row["Id"], "IsDeleted": 1, **changed} for row in surplus]
        if kept[near] != master["Id"]:
            moved.append(kept["Id"])
            update = {"Id": kept["Id"], near: master["Id"], **changed}
            if sobject.name == "Contact":
                update["IsDirect"] = int(master["AccountId"] == other)
            updates.append(update)
    org.store.update(relation, updates)
    return moved


def _redundant(sobject: ObjectDescribe) -> OrgError:
    other = "account" if sobject.name == "Contact" else "contact"
    return OrgError(
        "MERGE_FAILED",
        f"These {sobject.name.lower()}s have the same related {other}. Open the related {other} record and remove "
        "redundant account-contact relationship, then try merging again.",
    )


def _move_children(org: Org, sobject: ObjectDescribe, master_id: str, losers: Iterable[str], changed: Row) -> list[str]:
    moved = []
    for relation in org.schema.children(sobject.name):
        if relation.field == "MasterRecordId" or relation.childSObject == RELATION:
            continue
        child = org.schema.sobject(relation.childSObject)
        found = org.store.find_pairs(child, child.field(relation.field), losers)
        org.store.update(child, [{"Id": one, relation.field: master_id, **changed} for one, _ in found])
        moved += [one for one, _ in found]
    return moved
