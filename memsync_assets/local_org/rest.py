"""Records, describe results, queries and sObject Collections over REST: parameters and status codes.

What a route does is in the module named after it; how routes are found is in `routing`.
"""

from __future__ import annotations

import re
from typing import Any

from memsync_assets.local_org import describe, sobject_collections
from memsync_assets.local_org.drafts import Saved, WriteOptions
from memsync_assets.local_org.errors import OrgError, not_found
from memsync_assets.local_org.ids import canonical
from memsync_assets.local_org.query import Page
from memsync_assets.local_org.routing import Answer, Asked, Routes
from memsync_assets.local_org.schema import FieldDescribe, ObjectDescribe

ROUTES = Routes()
_MULTIPLE_CHOICES = 300


@ROUTES.add("GET", "")
def _resources(asked: Asked) -> Answer:
    return Answer(200, describe.resources(asked.base))


@ROUTES.add("GET", "/limits")
def _limits(asked: Asked) -> Answer:
    return Answer(200, describe.limits(asked.org))


@ROUTES.add("GET", "/sobjects")
def _global_describe(asked: Asked) -> Answer:
    return Answer(200, describe.global_describe(asked.org, asked.base))


@ROUTES.add("GET", "/sobjects/(?P<sobject>[^/]+)")
def _basic(asked: Asked) -> Answer:
    sobject = asked.org.schema.sobject(asked.at["sobject"])
    return Answer(200, {"objectDescribe": describe.summary(sobject, asked.base), "recentItems": []})


@ROUTES.add("GET", "/sobjects/(?P<sobject>[^/]+)/describe")
def _describe(asked: Asked) -> Answer:
    return Answer(200, describe.describe(asked.org, asked.org.schema.sobject(asked.at["sobject"]), asked.base))


@ROUTES.add("GET", "/query(?:/(?P<locator>[^/]+))?")
def _query(asked: Asked) -> Answer:
    return _run_query(asked, deleted=False)


@ROUTES.add("GET", "/queryAll(?:/(?P<locator>[^/]+))?")
def _query_all(asked: Asked) -> Answer:
    return _run_query(asked, deleted=True)


def _run_query(asked: Asked, *, deleted: bool) -> Answer:
    if asked.at.get("locator"):
        return Answer(200, _page(asked.org.queries.more(asked.at["locator"], asked.base), asked.base))
    wanted = re.search(r"batchsize=(\d+)", asked.call.headers.get("sforce-query-options", "").lower())
    size = min(max(int(wanted[1]), 200), 2000) if wanted else 2000
    text = asked.call.params.get("q")
    if not text:
        raise OrgError("MALFORMED_QUERY", "A query string has to be specified")
    if asked.call.params.get("columns") == "true":
        statement = asked.org.queries.statement(text, deleted=deleted)
        return Answer(200, describe.columns(statement, asked.org.queries.child_statements(statement, text)))
    return Answer(200, _page(asked.org.queries.run(text, asked.base, deleted=deleted, size=size), asked.base))


def _page(page: Page, base: str) -> dict[str, Any]:
    shown: dict[str, Any] = {"totalSize": page.total, "done": page.locator is None}
    if page.locator:
        shown["nextRecordsUrl"] = f"{base}/query/{page.locator}"
    return shown | {"records": page.records}


@ROUTES.add("POST", "/sobjects/(?P<sobject>[^/]+)")
def _create(asked: Asked) -> Answer:
    sobject = asked.org.schema.sobject(asked.at["sobject"])
    (saved,) = asked.org.records.create(sobject, [asked.call.record], _options(asked))
    return _saved(saved, 201)


@ROUTES.add("GET", "/sobjects/(?P<sobject>[^/]+)/(?P<id>[^/]+)")
def _read(asked: Asked) -> Answer:
    sobject = asked.org.schema.sobject(asked.at["sobject"])
    return _record(asked, sobject, _record_id(sobject, asked.at["id"]))


@ROUTES.add("PATCH", "/sobjects/(?P<sobject>[^/]+)/(?P<id>[^/]+)")
def _update(asked: Asked) -> Answer:
    sobject = asked.org.schema.sobject(asked.at["sobject"])
    record = asked.call.record
    if any(name.lower() == "id" for name in record):
        raise OrgError("INVALID_FIELD", "The Id field should not be specified in the sobject data.")
    row = {**record, "Id": _record_id(sobject, asked.at["id"])}
    (saved,) = asked.org.records.update(sobject, [row], _options(asked))
    return _changed(saved)


@ROUTES.add("DELETE", "/sobjects/(?P<sobject>[^/]+)/(?P<id>[^/]+)")
def _delete(asked: Asked) -> Answer:
    sobject = asked.org.schema.sobject(asked.at["sobject"])
    (saved,) = asked.org.recycle_bin.delete([_record_id(sobject, asked.at["id"])], _options(asked))
    return _changed(saved)


@ROUTES.add("GET", "/sobjects/(?P<sobject>[^/]+)/(?P<key>[^/]+)/(?P<value>.+)")
def _read_by_key(asked: Asked) -> Answer:
    sobject, key = _keyed(asked)
    found = asked.org.records.matching(sobject, key, asked.at["value"])
    if len(found) > 1:
        return _choices(asked, sobject, found)
    return _record(asked, sobject, found[0] if found else "")


@ROUTES.add("PATCH", "/sobjects/(?P<sobject>[^/]+)/(?P<key>[^/]+)/(?P<value>.+)")
def _upsert(asked: Asked) -> Answer:
    sobject, key = _keyed(asked)
    found = asked.org.records.matching(sobject, key, asked.at["value"])
    if len(found) > 1:
        return _choices(asked, sobject, found)
    record = asked.call.record
    if any(name.lower() in (key.name.lower(), "id") for name in record):
        raise OrgError(
            "INVALID_FIELD", f"The {key.name} field should not be specified in the sobject data.", (key.name,)
        )
    (saved,) = asked.org.records.upsert(sobject, key, [{**record, key.name: asked.at["value"]}], _options(asked))
    if saved.error:
        raise saved.error
    return Answer(201 if saved.created else 200, sobject_collections.result(saved, show_created=True))


@ROUTES.add("DELETE", "/sobjects/(?P<sobject>[^/]+)/(?P<key>[^/]+)/(?P<value>.+)")
def _delete_by_key(asked: Asked) -> Answer:
    sobject, key = _keyed(asked)
    found = asked.org.records.matching(sobject, key, asked.at["value"])
    if len(found) > 1:
        return _choices(asked, sobject, found)
    if not found:
        raise not_found()
    (saved,) = asked.org.recycle_bin.delete(found, _options(asked))
    return _changed(saved)


@ROUTES.add("POST", "/composite/sobjects")
def _collections_create(asked: Asked) -> Answer:
    return Answer(200, sobject_collections.create(asked.org, asked.call.json, _options(asked)))


@ROUTES.add("PATCH", "/composite/sobjects")
def _collections_update(asked: Asked) -> Answer:
    return Answer(200, sobject_collections.update(asked.org, asked.call.json, _options(asked)))


@ROUTES.add("DELETE", "/composite/sobjects")
def _collections_delete(asked: Asked) -> Answer:
    record_ids = [one.strip() for one in asked.call.params.get("ids", "").split(",") if one.strip()]
    all_or_none = asked.call.params.get("allOrNone", "").lower() == "true"
    return Answer(200, sobject_collections.delete(asked.org, record_ids, all_or_none, _options(asked)))


@ROUTES.add("PATCH", "/composite/sobjects/(?P<sobject>[^/]+)/(?P<key>[^/]+)")
def _collections_upsert(asked: Asked) -> Answer:
    sobject, key = _keyed(asked)
    return Answer(200, sobject_collections.upsert(asked.org, asked.call.json, sobject, key, _options(asked)))


@ROUTES.add("POST", "/composite/sobjects/(?P<sobject>[^/]+)")
def _collections_retrieve(asked: Asked) -> Answer:
    sobject = asked.org.schema.sobject(asked.at["sobject"])
    return _retrieve(asked, sobject, list(asked.call.record.get("ids", [])), list(asked.call.record.get("fields", [])))


@ROUTES.add("GET", "/composite/sobjects/(?P<sobject>[^/]+)")
def _collections_retrieve_short(asked: Asked) -> Answer:
    sobject = asked.org.schema.sobject(asked.at["sobject"])
    split = [asked.call.params.get(name, "").split(",") for name in ("ids", "fields")]
    return _retrieve(asked, sobject, *split)


def _retrieve(asked: Asked, sobject: ObjectDescribe, record_ids: list[str], names: list[str]) -> Answer:
    if len(record_ids) > 2000:
        raise OrgError("EXCEEDED_ID_LIMIT", "record limit reached. cannot retrieve more than 2000 records")
    wanted = [canonical(one, "Id") for one in record_ids]
    return Answer(200, asked.org.queries.fetch(sobject, wanted, names, asked.base))


def _keyed(asked: Asked) -> tuple[ObjectDescribe, FieldDescribe]:
    sobject = asked.org.schema.sobject(asked.at["sobject"])
    key = sobject.by_name.get(asked.at["key"].lower())
    if key is None or not (key.externalId or key.idLookup):
        raise not_found(f"Provided external ID field does not exist or is not accessible: {asked.at['key']}")
    return sobject, key


def _record_id(sobject: ObjectDescribe, text: str) -> str:
    try:
        record_id = canonical(text, "Id")
    except OrgError:
        record_id = ""
    if not record_id.startswith(sobject.keyPrefix):
        raise not_found(f"Provided external ID field does not exist or is not accessible: {text}")
    return record_id


def _record(asked: Asked, sobject: ObjectDescribe, record_id: str) -> Answer:
    wanted = asked.call.params.get("fields")
    names = wanted.split(",") if wanted else [described.name for described in sobject.fields]
    found = asked.org.queries.fetch(sobject, [record_id], names, asked.base) if record_id else [None]
    if found[0] is None:
        raise not_found()
    return Answer(200, found[0])


def _choices(asked: Asked, sobject: ObjectDescribe, found: list[str]) -> Answer:
    return Answer(_MULTIPLE_CHOICES, [f"{asked.base}/sobjects/{sobject.name}/{one}" for one in found])


def _saved(saved: Saved, status: int) -> Answer:
    if saved.error:
        raise saved.error
    return Answer(status, {"id": saved.record_id, "success": True, "errors": []})


def _changed(saved: Saved) -> Answer:
    if saved.error:
        gone = saved.error.code in ("ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY") and not saved.error.fields
        raise OrgError(saved.error.code, saved.error.message, saved.error.fields, 404 if gone else 400)
    return Answer(204)


def _options(asked: Asked) -> WriteOptions:
    """How a call's headers and parameters want records written."""
    duplicates = asked.call.headers.get("sforce-duplicate-rule-header", "").lower().replace(" ", "")
    return WriteOptions(
        asked.org.user_id,
        update_only=asked.call.params.get("updateOnly", "").lower() == "true",
        allow_duplicates="allowsave=true" in duplicates,
    )
