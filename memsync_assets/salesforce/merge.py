"""Contacts that the org has twice are merged, and a merge can be undone.

Salesforce has no undo: before a merge both records, their relations and the ids of all that hangs on the loser are
kept in contact_merges. Each state is stored before the step that follows it, and each step can be taken again, so that
a merge or an undo that was cut short goes on when it is called again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from memsync_assets.mart.engine import Mart
from memsync_assets.salesforce import soap
from memsync_assets.salesforce.client import Org
from memsync_assets.salesforce.describe import ChildRelationship
from memsync_assets.salesforce.errors import BudgetError, RefusedError, UnknownOutcomeError
from memsync_assets.salesforce.permission import why_not_to_write
from memsync_assets.salesforce.specifications import read_specifications
from memsync_assets.settings import Breaker, MemsyncError, Project

_CONTACT = "Contact"
_RELATION = "AccountContactRelation"
#: Rules that merge by themselves; what another rule finds waits for a person.
CERTAIN = frozenset({"one person in the mart", "same email and name"})
_APPROVABLE = ("review", "failed", "undone")
_LIVE = "salesforce_contact_live"
_CANDIDATES = f"""
SELECT lm.record_id AS master_id, ll.record_id AS loser_id, 'one person in the mart' AS rule_name
FROM person_ids AS i
INNER JOIN {_LIVE} AS ll ON i.person_id = ll.external_id
INNER JOIN {_LIVE} AS lm ON i.alias_of = lm.external_id
UNION ALL
SELECT lm.record_id AS master_id, ll.record_id AS loser_id, 'same email and name' AS rule_name
FROM {_LIVE} AS lm
INNER JOIN contact_upload AS u ON lm.external_id = u.person_id AND u.email_status = 'valid'
INNER JOIN {_LIVE} AS ll
    ON LOWER(u.email) = LOWER(ll.[Email]) AND LOWER(u.last_name) = LOWER(ll.[LastName])
    AND LOWER(u.first_name) = LOWER(ll.[FirstName])
WHERE ll.external_id IS NULL
UNION ALL
SELECT lm.record_id AS master_id, ll.record_id AS loser_id, 'same name at one account' AS rule_name
FROM {_LIVE} AS lm
INNER JOIN contact_upload AS u ON lm.external_id = u.person_id
INNER JOIN {_LIVE} AS ll
    ON lm.[AccountId] = ll.[AccountId] AND LOWER(u.last_name) = LOWER(ll.[LastName])
    AND LOWER(u.first_name) = LOWER(ll.[FirstName])
WHERE ll.external_id IS NULL AND (ll.[Email] IS NULL OR u.email IS NULL OR LOWER(ll.[Email]) <> LOWER(u.email))
"""  # noqa: S608


@dataclass(frozen=True)
class Merge:
    """One merge. state: found, review, started, merged, failed, undoing, undone."""

    merge_id: str
    master_id: str
    loser_id: str
    rule_name: str
    state: str
    kept_values: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class MergeCounts:
    """What `merge_duplicates` did.

    Attributes:
        found: merges that certain rules ask for.
        review: merges that wait for a person.
        codes: of failed merges, by Salesforce's code.
        skipped_because: why nothing was merged; None: it was.
    """

    found: int
    review: int
    merged: int
    failed: int
    codes: dict[str, int] = field(default_factory=dict)
    skipped_because: str | None = None


def find_merges(mart: Mart, project: Project) -> list[Merge]:
    """Find what the last snapshot of the org holds twice. Returns every merge that is still to be made.

    A pair is found once: a merge that was undone or refused is not found again.

    Raises:
        MemsyncError: the snapshot was never taken, or lacks a field.
    """
    contact = read_specifications(project).of(_CONTACT)
    if missing := {"Email", "FirstName", "LastName", "AccountId"} - set(mart.columns(contact.live_table)):
        raise MemsyncError(f"merging needs the live values of {', '.join(sorted(missing))}: make a plan first.")
    known = {merge.merge_id for merge in _all(mart)}
    rows = mart.fetch(_CANDIDATES).to_pylist()
    masters: dict[str, set[str]] = {}
    for row in rows:
        masters.setdefault(row["loser_id"], set()).add(row["master_id"])
    fresh: dict[str, Merge] = {}
    for row in rows:
        merge_id = hashlib.sha256(f"{row['master_id']} {row['loser_id']}".encode()).hexdigest()[:12]
        certain = row["rule_name"] in CERTAIN and len(masters[row["loser_id"]]) == 1
        if merge_id not in known:
            found = Merge(
                merge_id, row["master_id"], row["loser_id"], row["rule_name"], "found" if certain else "review"
            )
            fresh.setdefault(merge_id, found)
    _add(mart, fresh.values())
    return [merge for merge in _all(mart) if merge.state in ("found", "review", "started")]


def merge_duplicates(mart: Mart, project: Project, org: Org | None, approve: Sequence[str] = ()) -> MergeCounts:
    """Merge what certain rules found, and what a person approved; go on with what was cut short.

    Args:
        mart: the mart, with a snapshot that `make_plan` took.
        project: its settings say whether the org may be written to, and how many removals go without a person.
        org: the org.
        approve: ids of merges that wait for a person, or that failed or were undone before.

    Raises:
        MemsyncError: a merge that is approved is none of these.
    """
    merges = find_merges(mart, project)
    approved = [one for one in _all(mart) if one.merge_id in approve and one.state in _APPROVABLE]
    if unknown := set(approve) - {one.merge_id for one in (*merges, *approved)}:
        raise MemsyncError(f"no merge {', '.join(sorted(unknown))} waits for approval.")
    chosen = [one for one in merges if one.state in ("found", "started")] + approved
    found = sum(one.state == "found" for one in merges)
    waiting = sum(one.state == "review" and one not in approved for one in merges)
    breaker = project.settings.salesforce.breaker
    most = breaker.get(_CONTACT, breaker.get("default", Breaker())).removals
    reason = why_not_to_write(project, org)
    if not reason and found > most:
        reason = "held_by_breaker"
    if org is None or reason:
        return MergeCounts(found, waiting, 0, 0, skipped_because=reason)
    codes: dict[str, int] = {}
    merged = 0
    for one in chosen:
        try:
            _merge(mart, org, one)
            merged += 1
        except BudgetError as error:
            return MergeCounts(found, waiting, merged, sum(codes.values()), codes, error.code)
        except RefusedError as error:
            _set(mart, one, "failed", error_code=error.code)
            codes[error.code] = codes.get(error.code, 0) + 1
    return MergeCounts(found, waiting, merged, sum(codes.values()), codes)


def undo_merge(mart: Mart, project: Project, org: Org, merge_id: str) -> None:
    """Take a merge back: the loser undeleted, its children and relations its own again, both records' values restored.

    Raises:
        MemsyncError: there is no such merge, or the org may not be written to.
        RefusedError: the loser left the recycle bin; Salesforce keeps it 15 days.
    """
    one = next((merge for merge in _all(mart) if merge.merge_id == merge_id), None)
    if one is None or one.state not in ("merged", "undoing") or one.kept_values is None:
        raise MemsyncError(f"no merge {merge_id} that could be undone.")
    if reason := why_not_to_write(project, org):
        raise MemsyncError(f"the org may not be written to: {reason}.")
    kept = json.loads(one.kept_values)
    _set(mart, one, "undoing")
    if _master_of_deleted(org, one.loser_id) is not None:
        soap.undelete(org, [one.loser_id])
    _give_children_back(org, one, kept["children"])
    # The accounts of the two first: Salesforce's own relations follow them.
    for record in (kept["master"], kept["loser"]):
        _restore_record(org, _CONTACT, record)
    _restore_relations(org, one, kept["relations"])
    _set(mart, one, "undone")


def _merge(mart: Mart, org: Org, one: Merge) -> None:
    if one.state != "started":
        kept = json.dumps(_keep(org, one), sort_keys=True)
        _set(mart, one, "started", kept_values=kept)
    if _master_of_deleted(org, one.loser_id) != one.master_id:
        _delete_redundant_relations(org, one)
        try:
            soap.merge(org, _CONTACT, one.master_id, one.loser_id)
        except UnknownOutcomeError:
            if _master_of_deleted(org, one.loser_id) != one.master_id:
                raise
    _set(mart, one, "merged")


def _keep(org: Org, one: Merge) -> dict[str, Any]:
    """All that an undo needs."""
    pair = [one.master_id, one.loser_id]
    records = {record["Id"]: record for record in _records(org, _CONTACT, "Id", pair)}
    if len(records) < len(pair):
        raise RefusedError("merge", None, "ENTITY_IS_DELETED")
    return {
        "master": records[one.master_id],
        "loser": records[one.loser_id],
        "relations": _records(org, _RELATION, "ContactId", pair),
        "children": [
            [child.childSObject, child.field, ids] for child in _children(org) if (ids := _child_ids(org, child, one))
        ],
    }


def _children(org: Org) -> list[ChildRelationship]:
    return [child for child in org.describe(_CONTACT).childRelationships if child.childSObject != _RELATION]


def _child_ids(org: Org, child: ChildRelationship, one: Merge) -> list[str]:
    try:
        soql = f"SELECT Id FROM {child.childSObject} WHERE {child.field} = '{one.loser_id}'"  # noqa: S608
        return [record["Id"] for page in org.query(soql) for record in page]
    except RefusedError:
        # Histories, feeds and the like cannot be asked this way, nor need they be given back.
        return []


def _records(org: Org, object_name: str, name: str, ids: Iterable[str]) -> list[dict[str, Any]]:
    """Records with all that can be written of them."""
    fields = [one for one in org.describe(object_name).fields if one.createable or one.updateable]
    wanted = ", ".join(
        dict.fromkeys(["Id", *(["IsDirect"] if object_name == _RELATION else []), *(f.name for f in fields)])
    )
    among = ", ".join(f"'{one}'" for one in ids)
    soql = f"SELECT {wanted} FROM {object_name} WHERE {name} IN ({among}) ORDER BY Id"  # noqa: S608
    return [
        {key: value for key, value in record.items() if key != "attributes"}
        for page in org.query(soql)
        for record in page
    ]


def _master_of_deleted(org: Org, record_id: str) -> str | None:
    """Into which record a deleted one was merged; None where it lives."""
    soql = f"SELECT MasterRecordId FROM {_CONTACT} WHERE Id = '{record_id}' AND IsDeleted = true"  # noqa: S608
    found = [record for page in org.query(soql, deleted=True) for record in page]
    return str(found[0]["MasterRecordId"]) if found else None


def _delete_redundant_relations(org: Org, one: Merge) -> None:
    """Of two relations with one account an indirect one goes: Salesforce refuses the merge otherwise."""
    by_account: dict[str, list[dict[str, Any]]] = {}
    for relation in _records(org, _RELATION, "ContactId", [one.master_id, one.loser_id]):
        by_account.setdefault(relation["AccountId"], []).append(relation)
    for relations in by_account.values():
        indirect = [relation for relation in relations if not relation["IsDirect"]]
        if len(relations) > 1 and indirect:
            loser_first = sorted(indirect, key=lambda relation: relation["ContactId"] != one.loser_id)
            _write(org, "DELETE", loser_first[0]["Id"], _RELATION)


def _give_children_back(org: Org, one: Merge, children: Sequence[tuple[str, str, list[str]]]) -> None:
    for object_name, name, ids in children:
        for record_id in ids:
            _write(org, "PATCH", record_id, object_name, {name: one.loser_id})


def _restore_relations(org: Org, one: Merge, kept: Sequence[dict[str, Any]]) -> None:
    """Every relation that was there is there again, with its values; the ends of one that moved cannot be changed."""
    pair = [one.master_id, one.loser_id]
    wanted = {(relation["AccountId"], relation["ContactId"]): relation for relation in kept}
    live = {
        (relation["AccountId"], relation["ContactId"]): relation
        for relation in _records(org, _RELATION, "ContactId", pair)
    }
    for ends, relation in live.items():
        if ends not in wanted and not relation["IsDirect"]:
            _write(org, "DELETE", relation["Id"], _RELATION)
    # Keys that are unique are taken from the one before they are given to the other.
    described = org.describe(_RELATION).by_name
    unique = [name for name, field in described.items() if field.externalId and field.updateable]
    for ends, relation in live.items():
        moved = {name: None for name in unique if ends in wanted and relation[name] != wanted[ends][name]}
        if moved:
            _write(org, "PATCH", relation["Id"], _RELATION, moved)
    for ends, relation in wanted.items():
        values = {name: value for name, value in relation.items() if name in described and described[name].updateable}
        if ends in live:
            _write(org, "PATCH", live[ends]["Id"], _RELATION, values)
        else:
            _write(org, "POST", "", _RELATION, {**values, "AccountId": ends[0], "ContactId": ends[1]})


def _restore_record(org: Org, object_name: str, kept: dict[str, Any]) -> None:
    described = org.describe(object_name).by_name
    (live,) = _records(org, object_name, "Id", [kept["Id"]])
    values = {
        name: value
        for name, value in kept.items()
        if name in described and described[name].updateable and value != live.get(name)
    }
    if values:
        _write(org, "PATCH", kept["Id"], object_name, values)


def _write(org: Org, method: str, record_id: str, object_name: str, values: dict[str, Any] | None = None) -> None:
    path = f"/sobjects/{object_name}/{record_id}".rstrip("/")
    try:
        # Setting values and deleting may be done twice; a second relation of a pair is refused.
        org.call(method, path, repeatable=method != "POST", json=values)
    except RefusedError as error:
        if not (method == "DELETE" and error.code == "ENTITY_IS_DELETED"):
            raise


def _all(mart: Mart) -> list[Merge]:
    rows = mart.fetch(
        "SELECT merge_id, master_id, loser_id, rule_name, state, kept_values FROM contact_merges ORDER BY merge_id"
    )
    return [Merge(**row) for row in rows.to_pylist()]


def _add(mart: Mart, merges: Iterable[Merge]) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    rows = [
        {
            "merge_id": one.merge_id,
            "master_id": one.master_id,
            "loser_id": one.loser_id,
            "rule_name": one.rule_name,
            "state": one.state,
            "changed_at": now,
        }
        for one in merges
    ]
    if rows:
        mart.append("contact_merges", pa.Table.from_pylist(rows))


def _set(mart: Mart, one: Merge, state: str, **values: str | None) -> None:
    given = {"id": one.merge_id, "state": state, "now": datetime.now(UTC).replace(tzinfo=None), **values}
    more = "".join(f", {name} = @{name}" for name in values)
    mart.execute(
        f"UPDATE contact_merges SET state = @state, changed_at = @now{more} WHERE merge_id = @id",  # noqa: S608
        given,
    )
