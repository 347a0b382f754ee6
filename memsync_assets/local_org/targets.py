"""Which record a draft means, by id or by external id, and whose its unique values already are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from memsync_assets.local_org.drafts import Draft, folded
from memsync_assets.local_org.errors import OrgError
from memsync_assets.local_org.schema import FieldDescribe, ObjectDescribe
from memsync_assets.local_org.store import Row, Store


def find_by_id(store: Store, sobject: ObjectDescribe, drafts: Sequence[Draft]) -> None:
    """Find the record each draft names by id; drafts that name none, or the same as another, fail."""
    found = store.by_ids(sobject, (d.record_id for d in drafts if d.record_id and not d.error))
    seen: set[str] = set()
    for draft in drafts:
        if draft.error or draft.record_id is None:
            continue
        draft.current = found.get(draft.record_id)
        draft.error = _missing(sobject, draft.record_id, draft.current)
        if draft.record_id in seen:
            draft.error = OrgError("DUPLICATE_VALUE", f"duplicate id in list: {draft.record_id}")
        seen.add(draft.record_id)


def _missing(sobject: ObjectDescribe, record_id: str, row: Row | None) -> OrgError | None:
    if row is None:
        if not record_id.startswith(sobject.keyPrefix):
            return OrgError("MALFORMED_ID", f"{sobject.label} ID: id value of incorrect type: {record_id}", ("Id",))
        return OrgError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
    return OrgError("ENTITY_IS_DELETED", "entity is deleted") if row["IsDeleted"] else None


def find_by_key(
    store: Store, sobject: ObjectDescribe, key: FieldDescribe, drafts: Sequence[Draft], update_only: bool
) -> None:
    """Find the record whose external id each draft carries; drafts for which there is none stay new."""
    live = [draft for draft in drafts if not draft.error]
    found: dict[Any, list[Row]] = {}
    for row in store.find(sobject, key, (draft.values.get(key.name) for draft in live)):
        found.setdefault(folded(key, row[key.name]), []).append(row)
    times = Counter(folded(key, draft.values.get(key.name)) for draft in live)
    for draft in live:
        value = draft.values.get(key.name)
        rows = found.get(folded(key, value), [])
        if value is None:
            draft.error = OrgError("MISSING_ARGUMENT", f"{key.name} not specified")
        elif times[folded(key, value)] > 1:
            draft.error = OrgError("DUPLICATE_VALUE", f"Duplicate external id specified: {value}", (key.name,))
        elif len(rows) > 1:
            draft.error = OrgError(
                "DUPLICATE_EXTERNAL_ID",
                f"{key.label}: more than one record found for external id field: "
                f"[{', '.join(row['Id'] for row in rows)}]",
                (key.name,),
            )
        elif rows:
            draft.current, draft.record_id = rows[0], rows[0]["Id"]
        elif update_only:
            draft.error = OrgError("NOT_FOUND", f"No record found for external id: {key.name}", status=404)


def check_unique(store: Store, sobject: ObjectDescribe, drafts: Sequence[Draft]) -> None:
    """Refuse drafts whose unique values another record has, in the org or earlier in the batch.

    Drafts that create get their ids here, since a later one may have to name them in its error.
    """
    owners = {key.name: _owners(store, sobject, key, drafts) for key in sobject.unique_fields}
    for draft in drafts:
        if draft.error:
            continue
        mine = [
            (owners[key.name], key.name, folded(key, draft.values[key.name]))
            for key in sobject.unique_fields
            if draft.values.get(key.name) is not None
        ]
        for owned, name, value in mine:
            if owned.get(value, draft.record_id) != draft.record_id:
                draft.error = duplicate(name, owned[value])
        if draft.error:
            continue
        if draft.creating:
            draft.record_id = store.new_id(sobject)
        for owned, _, value in mine:
            owned[value] = str(draft.record_id)


def duplicate(name: str, owner_id: str) -> OrgError:
    """The error of a value of a unique field that another record has."""
    return OrgError(
        "DUPLICATE_VALUE", f"duplicate value found: {name} duplicates value on record with id: {owner_id[:15]}"
    )


def _owners(store: Store, sobject: ObjectDescribe, key: FieldDescribe, drafts: Sequence[Draft]) -> dict[Any, str]:
    """Whose the values are that the drafts want to have."""
    values = {draft.values[key.name] for draft in drafts if not draft.error and draft.values.get(key.name) is not None}
    return {folded(key, value): record_id for record_id, value in store.find_pairs(sobject, key, values)}
