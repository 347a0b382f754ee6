"""Writing records by Salesforce's rules: what is refused, with which error, and what a write entails.

Work goes in batches, each in one transaction: lookups, uniqueness and references are settled for the whole
batch at once, errors stay with their record. The form of single values is in `values`, relations between
accounts and contacts in `relations`, reading in `query`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from memsync_assets.local_org import locks, relations, rules
from memsync_assets.local_org.drafts import Draft, Lookup, Saved, WriteOptions, audit, folded
from memsync_assets.local_org.errors import OrgError
from memsync_assets.local_org.ids import canonical
from memsync_assets.local_org.schema import FieldDescribe, ObjectDescribe, OrgSchema
from memsync_assets.local_org.store import Row, Store
from memsync_assets.local_org.values import Coercer, coercer

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
        self._coercers: dict[str, dict[str, tuple[FieldDescribe, Coercer]]] = {
            sobject.name: {f.name.lower(): (f, coercer(f)) for f in sobject.fields} for sobject in schema.sobjects
        }

    def create(self, sobject: ObjectDescribe, rows: Sequence[Mapping[str, Any]], options: WriteOptions) -> list[Saved]:
        """Insert records; results in the order of the rows."""
        with self.store.transaction():
            return self._save(sobject, [self._draft(sobject, row) for row in rows], options)

    def update(self, sobject: ObjectDescribe, rows: Sequence[Mapping[str, Any]], options: WriteOptions) -> list[Saved]:
        """Update records by the `Id` each row carries."""
        with self.store.transaction():
            drafts = [self._draft(sobject, row, keyed=True) for row in rows]
            self._find_targets(sobject, drafts)
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
            drafts = [self._draft(sobject, row) for row in rows]
            self._find_by_key(sobject, key, drafts, options.update_only)
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
        coerced = self._coercers[sobject.name][key.name.lower()][1](value)
        return [found for found, _ in self.store.find_pairs(sobject, key, [coerced])]

    def _draft(self, sobject: ObjectDescribe, row: Mapping[str, Any], keyed: bool = False) -> Draft:
        draft = Draft()
        known = self._coercers[sobject.name]
        try:
            for name, value in row.items():
                if name == "attributes":
                    continue
                entry = known.get(name.lower())
                if entry is None:
                    self._add_lookup(sobject, draft, name, value)
                elif entry[0].type == "id":
                    if keyed:
                        draft.record_id = canonical(value, entry[0].label)
                    elif value:
                        raise OrgError(
                            "INVALID_FIELD_FOR_INSERT_UPDATE",
                            "cannot specify Id in an insert call",
                            ("Id",),
                        )
                else:
                    draft.values[entry[0].name] = entry[1](value)
            if keyed and draft.record_id is None:
                raise OrgError("MISSING_ARGUMENT", "Id not specified in an update call")
        except OrgError as error:
            draft.error = error
        return draft

    def _add_lookup(self, sobject: ObjectDescribe, draft: Draft, name: str, value: Any) -> None:
        reference = sobject.by_relationship.get(name.lower())
        if reference is None:
            raise OrgError("INVALID_FIELD", f"No such column '{name}' on sobject of type {sobject.name}")
        if value is None:
            draft.values[reference.name] = None
            return
        if not isinstance(value, Mapping):
            raise OrgError("INVALID_FIELD", f"Expected an object with an external ID for {name}", (name,))
        keys = {key: one for key, one in value.items() if key != "attributes"}
        target = self.schema.sobject(value.get("attributes", {}).get("type") or reference.referenceTo[0])
        if len(keys) != 1:
            raise OrgError("INVALID_FIELD", f"Exactly one external ID must be given for {name}", (name,))
        ((key_name, key_value),) = keys.items()
        key = target.field(key_name)
        if not (key.externalId or key.idLookup):
            raise OrgError("INVALID_FIELD", f"{key.name} is not an External ID or indexed field for {target.name}")
        coerce = self._coercers[target.name][key.name.lower()][1]
        draft.lookups.append(Lookup(reference, target, key, coerce(key_value)))

    def _find_targets(self, sobject: ObjectDescribe, drafts: list[Draft]) -> None:
        found = self.store.by_ids(sobject, (d.record_id for d in drafts if d.record_id and not d.error))
        seen: set[str] = set()
        for draft in drafts:
            if draft.error or draft.record_id is None:
                continue
            draft.current = found.get(draft.record_id)
            draft.error = self._missing(sobject, draft.record_id, draft.current)
            if draft.record_id in seen:
                draft.error = OrgError("DUPLICATE_VALUE", f"duplicate id in list: {draft.record_id}")
            seen.add(draft.record_id)

    def _missing(self, sobject: ObjectDescribe, record_id: str, row: Row | None) -> OrgError | None:
        if row is None:
            if not record_id.startswith(sobject.keyPrefix):
                return OrgError("MALFORMED_ID", f"{sobject.label} ID: id value of incorrect type: {record_id}", ("Id",))
            return OrgError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        return OrgError("ENTITY_IS_DELETED", "entity is deleted") if row["IsDeleted"] else None

    def _find_by_key(self, sobject: ObjectDescribe, key: FieldDescribe, drafts: list[Draft], update_only: bool) -> None:
        live = [draft for draft in drafts if not draft.error]
        found: dict[Any, list[Row]] = {}
        for row in self.store.find(sobject, key, (draft.values.get(key.name) for draft in live)):
            found.setdefault(folded(row[key.name]), []).append(row)
        times = Counter(folded(draft.values.get(key.name)) for draft in live)
        for draft in live:
            value = draft.values.get(key.name)
            rows = found.get(folded(value), [])
            if value is None:
                draft.error = OrgError("MISSING_ARGUMENT", f"{key.name} not specified")
            elif times[folded(value)] > 1:
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

    def _upsert_by_id(
        self, sobject: ObjectDescribe, rows: Sequence[Mapping[str, Any]], options: WriteOptions
    ) -> list[Saved]:
        with self.store.transaction():
            drafts = [self._draft(sobject, row, keyed=bool(row.get("Id") or row.get("id"))) for row in rows]
            self._find_targets(sobject, drafts)
            return self._save(sobject, drafts, options)

    def _save(self, sobject: ObjectDescribe, drafts: list[Draft], options: WriteOptions) -> list[Saved]:
        self._resolve_lookups(sobject, drafts)
        self._check_references(sobject, drafts)
        _check_each(drafts, lambda draft: _access_error(sobject, draft))
        _check_each(drafts, lambda draft: _required_error(sobject, draft))
        if sobject.name == "AccountContactRelation":
            relations.check(self.store, self.schema, drafts)
        self._check_unique(sobject, drafts)
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

    def _resolve_lookups(self, sobject: ObjectDescribe, drafts: list[Draft]) -> None:
        wanted: dict[tuple[str, str], set[Any]] = {}
        for draft in drafts:
            for one in draft.lookups if not draft.error else ():
                wanted.setdefault((one.target.name, one.key.name), set()).add(one.value)
        found: dict[tuple[str, str, Any], list[str]] = {}
        for (target_name, key_name), values in wanted.items():
            target = self.schema.sobject(target_name)
            for record_id, value in self.store.find_pairs(target, target.field(key_name), values):
                found.setdefault((target_name, key_name, folded(value)), []).append(record_id)
        for draft in drafts:
            for one in draft.lookups if not draft.error else ():
                matches = found.get((one.target.name, one.key.name, folded(one.value)), [])
                if len(matches) == 1:
                    draft.values[one.reference.name] = matches[0]
                elif matches:
                    draft.error = OrgError("DUPLICATE_EXTERNAL_ID", f"{one.key.label}: more than one record found")
                else:
                    draft.error = OrgError(
                        "INVALID_FIELD",
                        f"Foreign key external ID: {one.value} not found for field {one.key.name} "
                        f"in entity {one.target.name}",
                    )

    def _check_references(self, sobject: ObjectDescribe, drafts: list[Draft]) -> None:
        for reference in sobject.fields:
            if not reference.referenceTo:
                continue
            looked_up = {id(draft) for draft in drafts for lookup in draft.lookups if lookup.reference is reference}
            given = [d for d in drafts if not d.error and d.values.get(reference.name) and id(d) not in looked_up]
            if not given:
                continue
            states: dict[str, int] = {}
            for name in reference.referenceTo:
                target = self.schema.by_name.get(name.lower())
                if target:
                    rows = self.store.by_ids(target, (str(d.values[reference.name]) for d in given))
                    states |= {record_id: row["IsDeleted"] for record_id, row in rows.items()}
            for draft in given:
                draft.error = self._reference_error(reference, str(draft.values[reference.name]), states)

    def _reference_error(self, reference: FieldDescribe, value: str, states: dict[str, int]) -> OrgError | None:
        if value in states:
            return OrgError("ENTITY_IS_DELETED", "entity is deleted") if states[value] else None
        target = self.schema.by_prefix.get(value[:3])
        if target is None or target.name not in reference.referenceTo:
            return OrgError(
                "FIELD_INTEGRITY_EXCEPTION" if target else "MALFORMED_ID",
                f"{reference.label}: id value of incorrect type: {value}",
                (reference.name,),
            )
        return OrgError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", (reference.name,))

    def _check_unique(self, sobject: ObjectDescribe, drafts: list[Draft]) -> None:
        owners: dict[str, dict[Any, str]] = {}
        for key in sobject.unique_fields:
            values = {d.values[key.name] for d in drafts if not d.error and d.values.get(key.name) is not None}
            pairs = self.store.find_pairs(sobject, key, values)
            owners[key.name] = {folded(value): record_id for record_id, value in pairs}
        for draft in drafts:
            if draft.error:
                continue
            for name, owned in owners.items():
                value = draft.values.get(name)
                other = owned.get(folded(value)) if value is not None else None
                if other and other != draft.record_id:
                    draft.error = OrgError(
                        "DUPLICATE_VALUE",
                        f"duplicate value found: {name} duplicates value on record with id: {other[:15]}",
                    )
                    break
            else:
                if draft.creating:
                    draft.record_id = self.store.new_id(sobject)
                for name, owned in owners.items():
                    if draft.values.get(name) is not None:
                        owned[folded(draft.values[name])] = str(draft.record_id)


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
