"""Validation rules and duplicate rules, as the schema file states them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from memsync_assets.local_org import soql, soql_sql
from memsync_assets.local_org.drafts import Draft, WriteOptions, folded
from memsync_assets.local_org.errors import OrgError
from memsync_assets.local_org.schema import DuplicateRule, ObjectDescribe, OrgSchema
from memsync_assets.local_org.store import Store

DUPLICATES_DETECTED = OrgError(
    "DUPLICATES_DETECTED",
    "You're creating a duplicate record. We recommend you use an existing record instead.",
)


def broken(store: Store, schema: OrgSchema, sobject: ObjectDescribe, record_ids: Sequence[str]) -> dict[str, OrgError]:
    """Records, already written in this transaction, that break a validation rule; with the rule's error."""
    found: dict[str, OrgError] = {}
    for rule in schema.validationRules:
        if rule.sobject != sobject.name or not record_ids:
            continue
        text = f"SELECT Id FROM {sobject.name} WHERE {rule.condition}"  # noqa: S608  # SOQL, parsed below
        query = soql.parse(text)
        among = soql.Membership(soql.Path(("Id",)), "in", tuple(record_ids))
        both = soql.Junction("AND", (among, query.where)) if query.where else among
        statement = soql_sql.translate(
            schema, soql.with_condition(query, both), text, deleted=False, now=datetime.now(UTC)
        )
        fields = (rule.errorField,) if rule.errorField else ()
        error = OrgError("FIELD_CUSTOM_VALIDATION_EXCEPTION", rule.errorMessage, fields)
        for row in store.connection.execute(statement.sql, statement.parameters):
            found.setdefault(row[0], error)
    return found


def check_duplicates(
    store: Store, schema: OrgSchema, sobject: ObjectDescribe, drafts: Sequence[Draft], options: WriteOptions
) -> None:
    """Refuse drafts that a duplicate rule finds: against live records, and against each other."""
    for rule in schema.duplicateRules:
        if rule.sobject == sobject.name and not (rule.action == "alert" and options.allow_duplicates):
            _apply(store, sobject, rule, drafts)


def _apply(store: Store, sobject: ObjectDescribe, rule: DuplicateRule, drafts: Sequence[Draft]) -> None:
    fields = [sobject.field(name) for name in rule.fields]
    touched = [
        draft
        for draft in drafts
        if not draft.error
        and any(field.name in draft.values for field in fields)
        and all(draft.after(field.name) is not None for field in fields)
    ]
    if not touched:
        return
    known: dict[tuple[object, ...], set[str | None]] = {}
    for row in store.find(sobject, fields[0], (draft.after(fields[0].name) for draft in touched)):
        known.setdefault(tuple(folded(field, row[field.name]) for field in fields), set()).add(row["Id"])
    for draft in touched:
        owners = known.setdefault(tuple(folded(field, draft.after(field.name)) for field in fields), set())
        if owners - {draft.record_id if not draft.creating else None}:
            draft.error = DUPLICATES_DETECTED
        else:
            owners.add(draft.record_id or f"new {id(draft)}")
