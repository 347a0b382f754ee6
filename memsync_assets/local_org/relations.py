"""Relations between accounts and contacts (AccountContactRelation), as "Contacts to Multiple Accounts" keeps them.

The direct relation follows Contact.AccountId and is made by the system; indirect ones are written by users.
An org whose schema has no such object keeps none.
On a change of account the former direct relation stays as an indirect one, which is Salesforce's default.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from memsync_assets.local_org.drafts import Draft
from memsync_assets.local_org.errors import OrgError
from memsync_assets.local_org.schema import OrgSchema
from memsync_assets.local_org.store import Row, Store

RELATION = "AccountContactRelation"


def check(store: Store, schema: OrgSchema, drafts: Sequence[Draft]) -> None:
    """Refuse new relations of contacts without an account, and second relations of a pair."""
    creating = [draft for draft in drafts if not draft.error and draft.creating]
    contact_ids = {str(draft.values["ContactId"]) for draft in creating}
    contacts = store.by_ids(schema.sobject("Contact"), contact_ids)
    pairs = set(by_pair(store, schema, contact_ids))
    for draft in creating:
        pair = (str(draft.values["AccountId"]), str(draft.values["ContactId"]))
        if contacts[pair[1]]["AccountId"] is None:
            draft.error = OrgError(
                "FIELD_INTEGRITY_EXCEPTION",
                "A contact without a primary account can't be related to other accounts.",
                ("ContactId",),
            )
        elif pair in pairs:
            draft.error = OrgError("DUPLICATE_VALUE", "This contact already has a relationship with this account.")
        pairs.add(pair)


def check_delete(row: Row) -> None:
    """Refuse to delete a direct relation: it goes with the contact's account. Raises OrgError."""
    if row["IsDirect"]:
        raise OrgError(
            "INSUFFICIENT_ACCESS_OR_READONLY",
            "You can't delete a direct account-contact relationship: change the contact's account instead.",
        )


def follow(store: Store, schema: OrgSchema, drafts: Sequence[Draft], changed: Row) -> None:
    """Bring the direct relations in line with the accounts that contacts were just given.

    `changed` holds the audit fields of the write that caused it.
    """
    moved = [
        draft
        for draft in drafts
        if "AccountId" in draft.values and draft.values["AccountId"] != (draft.current or {}).get("AccountId")
    ]
    relation = schema.by_name.get(RELATION.lower())
    if not moved or relation is None:
        return
    settled = by_pair(store, schema, {str(d.record_id) for d in moved if not d.creating})
    fresh: list[Row] = []
    updates: list[Row] = []
    for draft in moved:
        contact, account = str(draft.record_id), draft.values["AccountId"]
        mine = {pair: row for pair, row in settled.items() if pair[1] == contact} if not draft.creating else {}
        if account is None:
            updates += [{"Id": row["Id"], "IsDeleted": 1, **changed} for row in mine.values()]
            continue
        updates += [{"Id": row["Id"], "IsDirect": 0, **changed} for row in mine.values() if row["IsDirect"]]
        present = mine.get((str(account), contact))
        if present:
            updates.append({"Id": present["Id"], "IsDirect": 1, **changed})
        else:
            fresh.append(direct(store.new_id(relation), str(account), contact, changed))
    store.update(relation, updates)
    store.insert(relation, fresh)


def direct(record_id: str, account_id: str, contact_id: str, changed: Row) -> Row:
    """The relation that the system makes for a contact's own account."""
    return {
        "Id": record_id,
        "AccountId": account_id,
        "ContactId": contact_id,
        "IsDirect": 1,
        "IsActive": 1,
        "CreatedDate": changed["LastModifiedDate"],
        "CreatedById": changed["LastModifiedById"],
        **changed,
    }


def restore_direct(store: Store, schema: OrgSchema, contact: Row, changed: Row) -> None:
    """Give a contact that comes back from a merge its direct relation again."""
    relation = schema.by_name.get(RELATION.lower())
    if contact["AccountId"] and relation:
        store.insert(relation, [direct(store.new_id(relation), contact["AccountId"], contact["Id"], changed)])


def by_pair(store: Store, schema: OrgSchema, contact_ids: set[str]) -> dict[tuple[str, str], dict[str, Any]]:
    """Live relations of contacts, by account and contact."""
    relation = schema.sobject(RELATION)
    rows = store.find(relation, relation.field("ContactId"), contact_ids)
    return {(row["AccountId"], row["ContactId"]): row for row in rows}
