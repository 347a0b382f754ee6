"""Sends one batch of changes to the org by sObject Collections, and asks the org what it has where nobody knows.

Which changes, in which order, and how often again, is decided in `delivery`; Bulk jobs are in `bulk`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from memsync_assets.salesforce.changes import Change, Outcome
from memsync_assets.salesforce.client import Org
from memsync_assets.salesforce.describe import ObjectDescription
from memsync_assets.salesforce.errors import code_of
from memsync_assets.salesforce.specifications import Specifications, UploadSpecification

#: sObject Collections take this many records a call. (Vendor documentation.)
BATCH = 200
# So many external ids fit into the address of a query.
_ASKED_AT_ONCE = 50


@dataclass(frozen=True)
class Target:
    """An object of the org, with what is known of it on both sides."""

    org: Org
    specifications: Specifications
    one: UploadSpecification

    @property
    def described(self) -> ObjectDescription:
        """What the org says of the object."""
        return self.org.describe(self.one.object)

    def key_of(self, name: str) -> tuple[str, str]:
        """The relationship that a reference goes by, and the external id of the object that it refers to."""
        relationship = self.described.by_name[name].relationshipName or name
        return relationship, self.specifications.of(self.one.references[name]).external_id.field


def send(target: Target, batch: Sequence[Change]) -> list[Outcome]:
    """Send at most 200 changes of one method; outcomes in their order.

    Raises:
        SalesforceError: of the whole call; see `Org.call`.
    """
    method = batch[0].method
    path = "/composite/sobjects"
    if method == "delete":
        ids = ",".join(str(change.record_id) for change in batch)
        answer = target.org.call("DELETE", path, repeatable=False, params={"ids": ids, "allOrNone": "false"})
    else:
        if method == "upsert":
            path += f"/{target.one.object}/{target.one.external_id.field}"
        records = [_record(target, change) for change in batch]
        answer = target.org.call("PATCH", path, repeatable=False, json={"allOrNone": False, "records": records})
    return [_outcome(change, result) for change, result in zip(batch, answer.json(), strict=True)]


def ask(target: Target, changes: Sequence[Change]) -> tuple[list[Outcome], list[Change]]:
    """Find out which changes the org has already, by reading their records.

    Returns:
        The outcomes of those that it has, and the changes that are still to be sent: what is there already by its id.
    """
    outcomes: list[Outcome] = []
    open_ones: list[Change] = []
    for at in range(0, len(changes), _ASKED_AT_ONCE):
        some = changes[at : at + _ASKED_AT_ONCE]
        by_id = _read(target, "Id", [change.record_id for change in some if change.record_id], some)
        key = target.one.external_id.field
        by_key = _read(target, key, [change.external_id for change in some if not change.record_id], some)
        for change in some:
            record = by_id.get(change.record_id) if change.record_id else by_key.get(change.external_id)
            if _is_done(target, change, record):
                found = record["Id"] if record else change.record_id
                outcomes.append(Outcome(change.external_id, "succeeded", found, tries=1))
            elif record and not change.record_id:
                open_ones.append(as_update(target, change, record["Id"]))
            else:
                open_ones.append(change)
    return outcomes, open_ones


def as_update(target: Target, change: Change, record_id: str) -> Change:
    """The change of a record that turns out to be there: without what can be written only when it is made."""
    values = {name: value for name, value in change.values.items() if target.described.by_name[name].updateable}
    return Change(change.external_id, change.operation, values, record_id)


def deleted_already(change: Change, code: str | None) -> bool:
    """Whether an error says that what was to be deleted is gone, which is all that was wanted."""
    return change.operation == "delete" and code == "ENTITY_IS_DELETED"


def _read(target: Target, field: str, values: Sequence[str], changes: Sequence[Change]) -> dict[str, dict[str, Any]]:
    if not values:
        return {}
    names = {name for change in changes for name in change.values}
    paths = {".".join(target.key_of(name)) if name in target.one.references else name for name in names}
    wanted = ", ".join(sorted({"Id", field} | paths))
    among = ", ".join("'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'" for value in values)
    soql = f"SELECT {wanted} FROM {target.one.object} WHERE {field} IN ({among})"  # noqa: S608
    return {record[field]: record for page in target.org.query(soql) for record in page}


def _is_done(target: Target, change: Change, record: dict[str, Any] | None) -> bool:
    if change.operation == "delete":
        return record is None
    if record is None:
        return False
    for name, value in change.values.items():
        if name in target.one.references:
            relationship, key = target.key_of(name)
            found = (record[relationship] or {}).get(key)
        else:
            found = target.described.by_name[name].text(record[name])
        if found != value:
            return False
    return True


def _record(target: Target, change: Change) -> dict[str, Any]:
    record: dict[str, Any] = {"attributes": {"type": target.one.object}}
    if change.record_id:
        record["Id"] = change.record_id
    else:
        record[target.one.external_id.field] = change.external_id
    for name, value in change.values.items():
        if name in target.one.references and value is not None:
            relationship, key = target.key_of(name)
            record[relationship] = {key: value}
        else:
            record[name] = target.described.by_name[name].value(value)
    return record


def _outcome(change: Change, result: dict[str, Any]) -> Outcome:
    if result["success"]:
        return Outcome(change.external_id, "succeeded", result.get("id") or change.record_id)
    error = (result.get("errors") or [{}])[0]
    code = code_of(error.get("statusCode"))
    if deleted_already(change, code):
        return Outcome(change.external_id, "succeeded", change.record_id)
    fields = tuple(error.get("fields") or ())
    return Outcome(change.external_id, "failed", change.record_id, code, error.get("message"), fields)
