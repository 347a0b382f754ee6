"""sObject Collections: up to 200 records a call, results in the order of the request."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from memsync_assets.local_org.drafts import Saved, WriteOptions
from memsync_assets.local_org.errors import OrgError
from memsync_assets.local_org.org import Org
from memsync_assets.local_org.schema import FieldDescribe, ObjectDescribe

MAX_RECORDS = 200
_MAX_RUNS = 10
_Write = Callable[[ObjectDescribe, Sequence[Mapping[str, Any]]], list[Saved]]


def create(org: Org, body: Any, options: WriteOptions) -> list[dict[str, Any]]:
    """Insert records of any objects."""
    return _run(org, body, lambda sobject, rows: org.records.create(sobject, rows, options))


def update(org: Org, body: Any, options: WriteOptions) -> list[dict[str, Any]]:
    """Update records of any objects by Id."""
    return _run(org, body, lambda sobject, rows: org.records.update(sobject, rows, options))


def upsert(
    org: Org, body: Any, sobject: ObjectDescribe, key: FieldDescribe, options: WriteOptions
) -> list[dict[str, Any]]:
    """Upsert records of one object by an external id that each record carries."""

    def write(found: ObjectDescribe, rows: Sequence[Mapping[str, Any]]) -> list[Saved]:
        if found is not sobject:
            raise OrgError("INVALID_TYPE", f"Records must be of type {sobject.name}")
        return org.records.upsert(sobject, key, rows, options)

    return _run(org, body, write, show_created=True)


def delete(org: Org, record_ids: list[str], all_or_none: bool, options: WriteOptions) -> list[dict[str, Any]]:
    """Delete records of any objects by id."""
    _check_size(record_ids)

    def write() -> list[Saved]:
        return org.recycle_bin.delete(record_ids, options)

    return [result(one) for one in (org.records.all_or_none(write) if all_or_none else write())]


def result(saved: Saved, *, show_created: bool = False) -> dict[str, Any]:
    """A save result in JSON."""
    if saved.error:
        shown: dict[str, Any] = {"success": False, "errors": [saved.error.as_row_error()]}
    else:
        shown = {"id": saved.record_id, "success": True, "errors": []}
    return shown | {"created": saved.created} if show_created else shown


def _run(org: Org, body: Any, write: _Write, *, show_created: bool = False) -> list[dict[str, Any]]:
    if not isinstance(body, dict) or not isinstance(body.get("records"), list):
        raise OrgError("JSON_PARSER_ERROR", "The request body must hold records")
    records = body["records"]
    _check_size(records)
    runs = [(name, list(rows)) for name, rows in itertools.groupby(records, _type_name)]
    if len(runs) > _MAX_RUNS:
        raise OrgError("INVALID_INPUT", f"Cannot have more than {_MAX_RUNS} chunks in a single operation.")
    known = [(_sobject(org, name), rows) for name, rows in runs]

    def write_all() -> list[Saved]:
        return [saved for sobject, rows in known for saved in write(sobject, rows)]

    saved = org.records.all_or_none(write_all) if body.get("allOrNone") else write_all()
    return [result(one, show_created=show_created) for one in saved]


def _type_name(record: Any) -> str:
    attributes = record.get("attributes") if isinstance(record, dict) else None
    if not isinstance(attributes, dict) or not isinstance(attributes.get("type"), str):
        raise OrgError("INVALID_TYPE", "Each record needs attributes with its type")
    return str(attributes["type"])


def _sobject(org: Org, name: str) -> ObjectDescribe:
    found = org.schema.by_name.get(name.lower())
    if found is None:
        raise OrgError("INVALID_TYPE", f"sObject type '{name}' is not supported.")
    return found


def _check_size(records: Sequence[Any]) -> None:
    if len(records) > MAX_RECORDS:
        raise OrgError(
            "EXCEEDED_ID_LIMIT",
            f"record limit reached. cannot submit more than {MAX_RECORDS} records in this operation",
        )
