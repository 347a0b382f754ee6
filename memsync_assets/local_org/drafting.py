"""From a record as a client sent it to a draft: names settled, values in their stored form, ids canonical."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from memsync_assets.local_org.drafts import Draft, Lookup
from memsync_assets.local_org.errors import OrgError
from memsync_assets.local_org.ids import canonical
from memsync_assets.local_org.schema import FieldDescribe, ObjectDescribe, OrgSchema
from memsync_assets.local_org.values import Coercer, Stored, coercer


class Drafter:
    """Makes the drafts of one org."""

    def __init__(self, schema: OrgSchema) -> None:
        self.schema = schema
        self._coercers: dict[str, dict[str, tuple[FieldDescribe, Coercer]]] = {
            sobject.name: {f.name.lower(): (f, coercer(f)) for f in sobject.fields} for sobject in schema.sobjects
        }

    def stored(self, sobject: ObjectDescribe, field: FieldDescribe, value: Any) -> Stored:
        """The stored form of a value. Raises OrgError."""
        return self._coercers[sobject.name][field.name.lower()][1](value)

    def draft(self, sobject: ObjectDescribe, row: Mapping[str, Any], keyed: bool = False) -> Draft:
        """A record as it was sent, on its way in; `keyed` by its Id. What is wrong with it goes into its error."""
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
        target = self._lookup_target(reference, value.get("attributes"))
        if len(keys) != 1 or target is None:
            raise OrgError("INVALID_FIELD", f"Exactly one external ID must be given for {name}", (name,))
        ((key_name, key_value),) = keys.items()
        key = target.field(key_name)
        if not (key.externalId or key.idLookup):
            raise OrgError("INVALID_FIELD", f"{key.name} is not an External ID or indexed field for {target.name}")
        draft.lookups.append(Lookup(reference, target, key, self.stored(target, key, key_value)))

    def _lookup_target(self, reference: FieldDescribe, attributes: Any) -> ObjectDescribe | None:
        named = attributes.get("type") if isinstance(attributes, Mapping) else None
        return self.schema.by_name.get(str(named).lower()) if named else self.schema.target(reference)
