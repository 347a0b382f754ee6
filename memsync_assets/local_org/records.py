"""Writing records by Salesforce's rules: what is refused, with which error, and what a write entails.

Work goes in batches, each in one transaction: lookups, uniqueness and references are settled for the whole
batch at once, errors stay with their record. How a record is read is in `drafting`, which one is meant in
`targets`, what it points at in `references`, relations between accounts and contacts in `relations`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from memsync_assets.local_org import locks, references, relations, rules, targets
from memsync_assets.local_org.drafting import Drafter
from memsync_assets.local_org.drafts import Draft, Saved, WriteOptions, audit
from memsync_assets.local_org.errors import OrgError
from memsync_assets.local_org.schema import FieldDescribe, ObjectDescribe, OrgSchema
from memsync_assets.local_org.store import Row, Store

_ROLLED_BACK = OrgError(
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "Record rolled back because not all records were valid and the request was using AllOrNone header",
)


class Records:
    """All writes to one org."""

    def __init__(self, store: Store, schema: OrgSchema) -> None:
        self.store = store
        self.schema = schema
        self.locks = locks.Locks()
        self.forced_duplicates = 0
        self._parents = locks.parent_fields(schema)
        self._drafter = Drafter(schema)

    def create(self, sobject: ObjectDescribe, rows: Sequence[Mapping[str, Any]], options: WriteOptions) -> list[Saved]:
        """Insert records; results in the order of the rows."""
        with self.store.transaction():
            return self._save(sobject, [self._drafter.draft(sobject, row) for row in rows], options)

    def update(self, sobject: ObjectDescribe, rows: Sequence[Mapping[str, Any]], options: WriteOptions) -> list[Saved]:
        """Update records by the `Id` each row carries."""
        with self.store.transaction():
            drafts = [self._drafter.draft(sobject, row, keyed=True) for row in rows]
            targets.find_by_id(self.store, sobject, drafts)
            return self._save(sobject, drafts, options)

    def upsert(
        self,
        sobject: ObjectDescribe,
        key: FieldDescribe,
        rows: Sequence[Mapping[str, Any]],
        options: WriteOptions,
    ) -> list[Saved]:
        """Update the record whose external id `key` has the row's value, or insert it."""
        if key.type == "id":
            return self._upsert_by_id(sobject, rows, options)
        with self.store.transaction():
            drafts = [self._drafter.draft(sobject, row) for row in rows]
            targets.find_by_key(self.store, sobject, key, drafts, options.update_only)
            return self._save(sobject, drafts, options)

    def all_or_none(self, write: Callable[[], list[Saved]]) -> list[Saved]:
        """The results of some writes, which are undone together if any record failed."""
        try:
            with self.store.transaction():
                saved = write()
                if any(one.error for one in saved):
                    raise _UndoneError(saved)
                return saved
        except _UndoneError as undone:
            return undone.saved

    def matching(self, sobject: ObjectDescribe, key: FieldDescribe, value: Any) -> list[str]:
        """Ids of the live records whose external id has the value; OrgError where the field is no key."""
        if not (key.externalId or key.idLookup):
            raise OrgError(
                "NOT_FOUND",
                f"Provided external ID field does not exist or is not accessible: {key.name}",
                status=404,
            )
        coerced = self._drafter.stored(sobject, key, value)
        return [found for found, _ in self.store.find_pairs(sobject, key, [coerced])]

    def _upsert_by_id(
        self, sobject: ObjectDescribe, rows: Sequence[Mapping[str, Any]], options: WriteOptions
    ) -> list[Saved]:
        with self.store.transaction():
            drafts = [self._drafter.draft(sobject, row, keyed=bool(row.get("Id") or row.get("id"))) for row in rows]
            targets.find_by_id(self.store, sobject, drafts)
            return self._save(sobject, drafts, options)

    def _save(self, sobject: ObjectDescribe, drafts: list[Draft], options: WriteOptions) -> list[Saved]:
        references.resolve_lookups(self.store, drafts)
        references.check(self.store, self.schema, sobject, drafts)
        _check_each(drafts, lambda draft: _access_error(sobject, draft))
        _check_each(drafts, lambda draft: _required_error(sobject, draft))
        if sobject.name == "AccountContactRelation":
            relations.check(self.store, self.schema, drafts)
        targets.check_unique(self.store, sobject, drafts)
        rules.check_duplicates(self.store, self.schema, sobject, drafts, options)
        self._force_duplicates(drafts, options)
        locked = self._lock(sobject, drafts, options)
        self._write_valid(sobject, drafts, options)
        return [
            Saved(error=draft.error)
            if draft.error
            else Saved(draft.record_id, draft.creating, locked=locked.get(id(draft), ()))
            for draft in drafts
        ]

    def _force_duplicates(self, drafts: list[Draft], options: WriteOptions) -> None:
        """Refuse as many new records as a fault asks for, as a duplicate rule would."""
        for draft in drafts:
            if self.forced_duplicates and draft.creating and not draft.error and not options.allow_duplicates:
                self.forced_duplicates -= 1
                draft.error = rules.DUPLICATES_DETECTED

    def _lock(self, sobject: ObjectDescribe, drafts: list[Draft], options: WriteOptions) -> dict[int, tuple[str, ...]]:
        """Refuse drafts that need a locked record; gives what the others lock."""
        locked = {}
        for draft in drafts:
            if not draft.error:
                locked[id(draft)] = locks.needed(draft, self._parents[sobject.name])
                draft.error = self.locks.refusal(locked[id(draft)], options.held)
        return locked

    def _write_valid(self, sobject: ObjectDescribe, drafts: list[Draft], options: WriteOptions) -> None:
        """Write, look for broken validation rules, and write again without the records that break one."""
        good = [draft for draft in drafts if not draft.error]
        if not any(rule.sobject == sobject.name for rule in self.schema.validationRules):
            self._write(sobject, good, options)
            return
        try:
            with self.store.transaction():
                self._write(sobject, good, options)
                errors = rules.broken(self.store, self.schema, sobject, [str(d.record_id) for d in good])
                if errors:
                    raise _BrokenError(errors)
        except _BrokenError as broken:
            for draft in good:
                draft.error = broken.errors.get(str(draft.record_id))
            self._write(sobject, [draft for draft in good if not draft.error], options)

    def _write(self, sobject: ObjectDescribe, drafts: list[Draft], options: WriteOptions) -> None:
        changed = audit(options)
        created = {"CreatedDate": changed["SystemModstamp"], "CreatedById": options.user_id, **changed}
        defaults = _defaults(sobject, options)
        self.store.insert(
            sobject, [{**defaults, **d.values, **created, "Id": d.record_id} for d in drafts if d.creating]
        )
        self.store.update(sobject, [{**d.values, **changed, "Id": d.record_id} for d in drafts if not d.creating])
        if sobject.name == "Contact":
            relations.follow(self.store, self.schema, drafts, changed)


class _UndoneError(Exception):
    """Leaves a transaction that is all or none, carrying its results."""

    def __init__(self, saved: Iterable[Saved]) -> None:
        super().__init__()
        self.saved = [one if one.error else Saved(error=_ROLLED_BACK) for one in saved]


class _BrokenError(Exception):
    """Leaves a transaction in which validation rules were broken, with the errors by record id."""

    def __init__(self, errors: dict[str, OrgError]) -> None:
        super().__init__()
        self.errors = errors


def _check_each(drafts: list[Draft], rule: Callable[[Draft], OrgError | None]) -> None:
    for draft in drafts:
        if not draft.error:
            draft.error = rule(draft)


def _access_error(sobject: ObjectDescribe, draft: Draft) -> OrgError | None:
    allowed = sobject.createable_names if draft.creating else sobject.updateable_names
    refused = tuple(name for name in draft.values if name not in allowed)
    if not refused:
        return None
    return OrgError(
        "INVALID_FIELD_FOR_INSERT_UPDATE",
        f"Unable to create/update fields: {', '.join(refused)}. Please check the security settings of this field "
        "and verify that it is read/write for your profile or permission set.",
        refused,
    )


def _required_error(sobject: ObjectDescribe, draft: Draft) -> OrgError | None:
    values, required = draft.values, sobject.required_names
    missing = tuple(name for name in required if values.get(name) is None and (draft.creating or name in values))
    if not missing:
        return None
    return OrgError("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(missing)}]", missing)


def _defaults(sobject: ObjectDescribe, options: WriteOptions) -> Row:
    given = {f.name: f.defaultValue for f in sobject.fields if f.createable and f.defaultValue is not None}
    return given | ({"OwnerId": options.user_id} if "ownerid" in sobject.by_name else {})
