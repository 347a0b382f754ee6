"""Contacts that the org has twice are merged, and a merge can be undone. Which they are is found in `merge_candidates`.

Salesforce has no undo: before a merge both records, their relations and the ids of all that hangs on the loser are
kept in contact_merges. Each state is stored before the step that follows it, and each step can be taken again, so that
a merge or an undo that was cut short goes on when it is called again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from memsync_assets.mart.engine import Mart
from memsync_assets.salesforce import soap
from memsync_assets.salesforce.client import Org
from memsync_assets.salesforce.describe import ChildRelationship
from memsync_assets.salesforce.errors import GONE, BudgetError, RefusedError, TransientError, UnknownOutcomeError
from memsync_assets.salesforce.merge_candidates import CONTACT, DECIDED, find_candidates
from memsync_assets.salesforce.permission import why_not_to_write
from memsync_assets.salesforce.specifications import UploadSpecification, read_specifications
from memsync_assets.settings import Breaker, MemsyncError, Project

_RELATION = "AccountContactRelation"
_TRIES = 5
#: Before so many merges at a time their records are kept: what hangs on the losers is asked for all of them at once.
_KEPT_AT_ONCE = 50
# Calls of one merge beside those that keep its records: is it done, relations, their deletion, the merge.
_CALLS_OF_A_MERGE = 5
# What is known of an address that bounced is true of that address, not of another record's.
_OF_THE_EMAIL = "EmailBounced"


@dataclass(frozen=True)
class Merge:
    """One merge.

    Attributes:
        state: found (a certain rule or a person asks for it), review (a person decides), started, merged, failed,
            undoing, undone; the first two are not stored.
        error_code: Salesforce's, where it failed.
    """

    merge_id: str
    master_id: str
    loser_id: str
    rule_name: str
    state: str
    error_code: str | None = None
    kept_values: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class MergeCounts:
    """What `merge_duplicates` did.

    Attributes:
        found: merges that certain rules or people's decisions ask for.
        review: merges that wait for a person.
        failed: merges that Salesforce refused; those that may go well at another time are tried again by the next call.
        codes: of failed merges, by Salesforce's code.
        skipped_because: why not everything that was found was merged; None: it was.
    """

    found: int
    review: int
    merged: int
    failed: int
    codes: dict[str, int] = field(default_factory=dict)
    skipped_because: str | None = None


def find_merges(mart: Mart, project: Project) -> list[Merge]:
    """What the last snapshot of the org holds twice, and what an earlier call began, could not do or did not end.

    A merge that was undone or refused is not found again.

    Raises:
        MemsyncError: the snapshot was never taken, or lacks a field.
    """
    stored = {one.merge_id: one for one in _stored(mart)}
    candidates = {one.merge_id: one for one in find_candidates(mart, project)}
    begun = [one for one in stored.values() if one.state in ("started", "undoing")]
    refused = [one for one in stored.values() if one.state == "failed" and one.merge_id in candidates]
    fresh = [
        Merge(key, one.master_id, one.loser_id, one.rule_name, "found" if one.certain else "review")
        for key, one in candidates.items()
        if key not in stored
    ]
    return sorted([*begun, *refused, *fresh], key=lambda one: one.merge_id)


def merge_duplicates(mart: Mart, project: Project, org: Org | None, approve: Sequence[str] = ()) -> MergeCounts:
    """Merge what certain rules found and what a person decided; go on with what was cut short.

    Args:
        mart: the mart, with a snapshot that `make_plan` took.
        project: its settings say whether the org may be written to, and how many removals go without a person.
        org: the org.
        approve: ids of merges to be made, whatever the breaker says: also of those that wait for a person, or that
            failed or were undone before.

    Raises:
        MemsyncError: a merge that is approved is none of these, or the org can be reached no more.
    """
    if org is None:
        return MergeCounts(0, 0, 0, 0, skipped_because=why_not_to_write(project, org))
    merges = find_merges(mart, project)
    undone = [one for one in _stored(mart) if one.state == "undone" and one.merge_id in approve]
    by_id = {one.merge_id: one for one in (*merges, *undone)}
    if unknown := set(approve) - by_id.keys():
        raise MemsyncError(f"no merge {', '.join(sorted(unknown))} waits for approval.")
    said = [one for one in by_id.values() if _is_said(one, approve)]
    found = [one for one in merges if one.state == "found" and one not in said]
    review = sum(one.state == "review" and one not in said for one in merges)
    asked = len(found) + sum(one.state == "found" for one in said)
    reason = why_not_to_write(project, org)
    if reason:
        return MergeCounts(asked, review, 0, 0, skipped_because=reason)
    breaker = project.settings.salesforce.breaker
    if len(found) > breaker.get(CONTACT, breaker.get("default", Breaker())).removals:
        found, reason = [], "held_by_breaker"
    merged, codes = 0, Counter[str]()
    try:
        for one in _begun(mart, org, [*said, *found], codes):
            if code := _merge_with_tries(mart, project, org, one):
                codes[code] += 1
            else:
                merged += 1
    except BudgetError as error:
        reason = error.code
    return MergeCounts(asked, review, merged, codes.total(), dict(codes), reason)


def _is_said(one: Merge, approve: Sequence[str]) -> bool:
    """Whether nobody need be asked: a person said so, or it was begun already."""
    return one.merge_id in approve or one.state == "started" or (one.state == "found" and one.rule_name == DECIDED)


def count_states(mart: Mart) -> dict[str, int]:
    """How many merges came to which state, ever; see `Merge`."""
    rows = mart.fetch("SELECT state, COUNT(*) AS merges FROM contact_merges GROUP BY state ORDER BY state")
    return {row["state"]: row["merges"] for row in rows.to_pylist()}


def undo_merge(mart: Mart, project: Project, org: Org, merge_id: str) -> None:
    """Take a merge back: the loser undeleted, its children and relations its own again, both records' values restored.

    Raises:
        MemsyncError: there is no such merge, or the org may not be written to.
        RefusedError: the loser left the recycle bin; Salesforce keeps it 15 days.
    """
    one = next((merge for merge in _stored(mart) if merge.merge_id == merge_id), None)
    if one is None or one.state not in ("merged", "undoing") or one.kept_values is None:
        raise MemsyncError(f"no merge {merge_id} that could be undone.")
    if reason := why_not_to_write(project, org):
        raise MemsyncError(f"the org may not be written to: {reason}.")
    kept = json.loads(one.kept_values)
    _store(mart, one, "undoing")
    if _master_of_deleted(org, one.loser_id) is not None:
        soap.undelete(org, [one.loser_id])
    _give_children_back(org, one, kept["children"])
    # The accounts of the two first: Salesforce's own relations follow them.
    for record in (kept["master"], kept["loser"]):
        _restore_record(org, CONTACT, record)
    _restore_relations(org, one, kept["relations"])
    _store(mart, one, "undone")


def _begun(mart: Mart, org: Org, merges: Sequence[Merge], codes: Counter[str]) -> Iterator[Merge]:
    """The merges with what an undo needs stored; one of which a record is gone fails."""
    for at in range(0, len(merges), _KEPT_AT_ONCE):
        some = merges[at : at + _KEPT_AT_ONCE]
        fresh = [one for one in some if one.state != "started"]
        _check_budget(org, len(_children(org)) + 2 if fresh else 0, len(some))
        kept = _keep(org, fresh) if fresh else {}
        with mart.transaction():
            for one in fresh:
                if one.merge_id in kept:
                    _store(mart, one, "started", kept_values=json.dumps(kept[one.merge_id], sort_keys=True))
                else:
                    _store(mart, one, "failed", error_code="ENTITY_IS_DELETED")
                    codes["ENTITY_IS_DELETED"] += 1
        wanted = {one.merge_id for one in some}
        yield from (one for one in _stored(mart) if one.merge_id in wanted and one.state == "started")


def _check_budget(org: Org, calls: int, merges: int) -> None:
    org.check_budget(calls + merges * _CALLS_OF_A_MERGE)


def _merge_with_tries(mart: Mart, project: Project, org: Org, one: Merge) -> str | None:
    """Make one merge. Returns the code with which it failed.

    Raises:
        UnknownOutcomeError: the org can be reached no more; the next call goes on.
    """
    owned = read_specifications(project).of(CONTACT)
    retrying = Retrying(
        retry=retry_if_exception_type(TransientError),
        stop=stop_after_attempt(_TRIES),
        wait=wait_random_exponential(multiplier=org.settings.retry_wait, max=60),
        reraise=True,
    )
    try:
        retrying(_merge, mart, org, owned, one)
    except UnknownOutcomeError:
        raise
    except TransientError as error:
        # It stays begun: the next call tries again.
        return error.code
    except RefusedError as error:
        _store(mart, one, "failed", error_code=error.code)
        return error.code
    return None


def _merge(mart: Mart, org: Org, owned: UploadSpecification, one: Merge) -> None:
    if _master_of_deleted(org, one.loser_id) != one.master_id:
        _delete_redundant_relations(org, one)
        soap.merge(org, CONTACT, one.master_id, one.loser_id, _to_fill(org, owned, json.loads(one.kept_values or "{}")))
    _store(mart, one, "merged")


def _to_fill(org: Org, owned: UploadSpecification, kept: Mapping[str, Any]) -> dict[str, str]:
    """What the loser knows and the master does not, of fields that are Salesforce's own: Salesforce would drop it."""
    described = org.describe(CONTACT).by_name
    master, loser = kept["master"], kept["loser"]
    ours = {owned.external_id.field, *owned.fields, *owned.removed.set}
    return {
        name: str(value)
        for name, value in loser.items()
        if value is not None
        and master.get(name) is None
        and name in described.keys() - ours
        and described[name].updateable
        and not described[name].unique
        and not name.startswith(_OF_THE_EMAIL)
        and value != master["Id"]
    }


def _keep(org: Org, merges: Sequence[Merge]) -> dict[str, dict[str, Any]]:
    """All that an undo needs, by merge; a merge of which a record is gone is left out."""
    pairs = [one_id for one in merges for one_id in (one.master_id, one.loser_id)]
    records = {record["Id"]: record for record in _records(org, CONTACT, "Id", dict.fromkeys(pairs))}
    relations = _records(org, _RELATION, "ContactId", dict.fromkeys(pairs))
    children = [(child, _child_ids(org, child, [one.loser_id for one in merges])) for child in _children(org)]
    return {
        one.merge_id: {
            "master": records[one.master_id],
            "loser": records[one.loser_id],
            "relations": [item for item in relations if item["ContactId"] in (one.master_id, one.loser_id)],
            "children": [
                [child.childSObject, child.field, ids_of[one.loser_id]]
                for child, ids_of in children
                if one.loser_id in ids_of
            ],
        }
        for one in merges
        if one.master_id in records and one.loser_id in records
    }


def _children(org: Org) -> list[ChildRelationship]:
    return [child for child in org.describe(CONTACT).childRelationships if child.childSObject != _RELATION]


def _child_ids(org: Org, child: ChildRelationship, parents: Sequence[str]) -> dict[str, list[str]]:
    """The ids of what hangs on records by this relationship, by record."""
    among = ", ".join(f"'{one}'" for one in parents)
    found: dict[str, list[str]] = {}
    try:
        for page in org.query(f"SELECT Id, {child.field} FROM {child.childSObject} WHERE {child.field} IN ({among})"):  # noqa: S608
            for record in page:
                found.setdefault(record[child.field], []).append(record["Id"])
    except RefusedError:
        # Histories, feeds and the like cannot be asked this way, nor need they be given back.
        return {}
    return found


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
    soql = f"SELECT MasterRecordId FROM {CONTACT} WHERE Id = '{record_id}' AND IsDeleted = true"  # noqa: S608
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
    """What moved to the master is the loser's again, unless somebody has moved or deleted it since."""
    for object_name, name, ids in children:
        moved = _child_ids(org, ChildRelationship(childSObject=object_name, field=name), [one.master_id])
        for record_id in sorted(set(ids) & set(moved.get(one.master_id, ()))):
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
        if not (method == "DELETE" and error.code in GONE):
            raise


def _stored(mart: Mart) -> list[Merge]:
    rows = mart.fetch(
        "SELECT merge_id, master_id, loser_id, rule_name, state, error_code, kept_values FROM contact_merges"
        " ORDER BY merge_id"
    )
    return [Merge(**row) for row in rows.to_pylist()]


def _store(mart: Mart, one: Merge, state: str, error_code: str | None = None, kept_values: str | None = None) -> None:
    """Say how far a merge has come. What was kept for its undo stays."""
    row = {
        "merge_id": one.merge_id,
        "master_id": one.master_id,
        "loser_id": one.loser_id,
        "rule_name": one.rule_name,
        "state": state,
        "error_code": error_code,
        "kept_values": kept_values or one.kept_values,
    }
    with mart.transaction():
        mart.execute("DELETE FROM contact_merges WHERE merge_id = @id", {"id": one.merge_id})
        mart.append(
            "contact_merges",
            pa.table(
                {
                    **{name: pa.array([value], pa.string()) for name, value in row.items()},
                    "changed_at": [datetime.now(UTC).replace(tzinfo=None)],
                }
            ),
        )
