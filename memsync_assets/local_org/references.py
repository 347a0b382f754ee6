"""References between records: by external id, by id, and what is refused of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from memsync_assets.local_org.drafts import Draft, Lookup, folded
from memsync_assets.local_org.errors import OrgError
from memsync_assets.local_org.schema import FieldDescribe, ObjectDescribe, OrgSchema
from memsync_assets.local_org.store import Store


def resolve_lookups(store: Store, drafts: Sequence[Draft]) -> None:
    """Turn external ids of related records into references; drafts whose record is not found, or twice, fail."""
    asked = [(draft, one) for draft in drafts if not draft.error for one in draft.lookups]
    groups: dict[tuple[str, str], list[Lookup]] = {}
    for _, one in asked:
        groups.setdefault((one.target.name, one.key.name), []).append(one)
    found = {group: _matches(store, lookups) for group, lookups in groups.items()}
    for draft, one in asked:
        matches = found[one.target.name, one.key.name].get(folded(one.key, one.value), [])
        if len(matches) == 1:
            draft.values[one.reference.name] = matches[0]
        elif matches:
            draft.error = OrgError("DUPLICATE_EXTERNAL_ID", f"{one.key.label}: more than one record found")
        else:
            draft.error = OrgError(
                "INVALID_FIELD",
                f"Foreign key external ID: {one.value} not found for field {one.key.name} in entity {one.target.name}",
            )


def _matches(store: Store, lookups: Sequence[Lookup]) -> dict[Any, list[str]]:
    """Ids by value of one external id."""
    target, key = lookups[0].target, lookups[0].key
    found: dict[Any, list[str]] = {}
    for record_id, value in store.find_pairs(target, key, (one.value for one in lookups)):
        found.setdefault(folded(key, value), []).append(record_id)
    return found


def check(store: Store, schema: OrgSchema, sobject: ObjectDescribe, drafts: Sequence[Draft]) -> None:
    """Refuse drafts that point at records that are not there, or are of another object."""
    for reference in sobject.fields:
        if not reference.referenceTo:
            continue
        looked_up = {id(draft) for draft in drafts for lookup in draft.lookups if lookup.reference is reference}
        given = [d for d in drafts if not d.error and d.values.get(reference.name) and id(d) not in looked_up]
        if not given:
            continue
        states: dict[str, int] = {}
        for name in reference.referenceTo:
            target = schema.by_name.get(name.lower())
            if target:
                rows = store.by_ids(target, (str(d.values[reference.name]) for d in given))
                states |= {record_id: row["IsDeleted"] for record_id, row in rows.items()}
        for draft in given:
            draft.error = _error(schema, reference, str(draft.values[reference.name]), states)


def _error(schema: OrgSchema, reference: FieldDescribe, value: str, states: dict[str, int]) -> OrgError | None:
    if value in states:
        return OrgError("ENTITY_IS_DELETED", "entity is deleted") if states[value] else None
    target = schema.by_prefix.get(value[:3])
    if target is None or target.name not in reference.referenceTo:
        return OrgError(
            "FIELD_INTEGRITY_EXCEPTION" if target else "MALFORMED_ID",
            f"{reference.label}: id value of incorrect type: {value}",
            (reference.name,),
        )
    return OrgError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", (reference.name,))
