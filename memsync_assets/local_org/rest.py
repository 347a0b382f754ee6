"""The REST API as a function from call to answer: routes, parameters and status codes.

HTTP itself is in `app`, so that composite requests can run through the same routes. What a route does is in
the module named after it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from memsync_assets.local_org import describe, sobject_collections
from memsync_assets.local_org.drafts import Saved, WriteOptions
from memsync_assets.local_org.errors import OrgError, not_found
from memsync_assets.local_org.ids import canonical
from memsync_assets.local_org.org import Org
from memsync_assets.local_org.query import Page
from memsync_assets.local_org.schema import FieldDescribe, ObjectDescribe

_MULTIPLE_CHOICES = 300


@dataclass(frozen=True)
class Call:
    """One request. `path` is still percent-encoded; header names are in lower case."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @cached_property
    def json(self) -> Any:
        """The body read as JSON. Raises OrgError JSON_PARSER_ERROR."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise OrgError("JSON_PARSER_ERROR", f"Unexpected character or end of input: {error}") from None

    @property
    def record(self) -> dict[str, Any]:
        """The body as one record. Raises OrgError JSON_PARSER_ERROR."""
        if not isinstance(self.json, dict):
            raise OrgError("JSON_PARSER_ERROR", "A record must be a JSON object")
        return self.json


@dataclass(frozen=True)
class Answer:
    """One response; a body that is text or bytes is sent as it is, any other as JSON."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[["Rest", Call, str, Mapping[str, str]], Answer]
_ROUTES: list[tuple[str, re.Pattern[str], Handler]] = []


def route(method: str, pattern: str) -> Callable[[Handler], Handler]:
    """Register a handler for a path below /services/data/vXX.X, whose groups are passed decoded."""

    def register(handler: Handler) -> Handler:
        _ROUTES.append((method, re.compile(pattern + "/?"), handler))
        return handler

    return register


class Rest:
    """The REST API of one org."""

    def __init__(self, org: Org) -> None:
        self.org = org

    def handle(self, call: Call) -> Answer:
        """Answer a call; errors become answers in Salesforce's shape."""
        try:
            return self._dispatch(call)
        except OrgError as error:
            return Answer(error.status, [error.as_request_error()])

    def options(self, call: Call) -> WriteOptions:
        """How a call's headers and parameters want records written."""
        duplicates = call.headers.get("sforce-duplicate-rule-header", "").lower().replace(" ", "")
        return WriteOptions(
            self.org.user_id,
            update_only=call.params.get("updateOnly", "").lower() == "true",
            allow_duplicates="allowsave=true" in duplicates,
        )

    def _dispatch(self, call: Call) -> Answer:
        match = re.fullmatch(r"(/services/data/v(\d+)\.0)(/.*)?", call.path)
        if match is None or int(match[2]) not in describe.VERSIONS:
            raise not_found()
        base, rest = match[1], match[3] or "/"
        known = False
        for method, pattern, handler in _ROUTES:
            found = pattern.fullmatch(rest)
            if found:
                known = True
                if method == call.method:
                    groups = {name: unquote(value) for name, value in found.groupdict(default="").items()}
                    return handler(self, call, base, groups)
        if known:
            raise OrgError("METHOD_NOT_ALLOWED", f"HTTP Method '{call.method}' not allowed.", status=405)
        raise not_found()


@route("GET", "")
def _resources(rest: Rest, call: Call, base: str, at: Mapping[str, str]) -> Answer:
    return Answer(200, describe.resources(base))


@route("GET", "/limits")
def _limits(rest: Rest, call: Call, base: str, at: Mapping[str, str]) -> Answer:
    return Answer(200, describe.limits(rest.org))


@route("GET", "/sobjects")
def _global_describe(rest: Rest, call: Call, base: str, at: Mapping[str, str]) -> Answer:
    return Answer(200, describe.global_describe(rest.org, base))


@route("GET", "/sobjects/(?P<sobject>[^/]+)")
def _basic(rest: Rest, call: Call, base: str, at: Mapping[str, str]) -> Answer:
    sobject = rest.org.schema.sobject(at["sobject"])
    return Answer(200, {"objectDescribe": describe.summary(sobject, base), "recentItems": []})


@route("GET", "/sobjects/(?P<sobject>[^/]+)/describe")
def _describe(rest: Rest, call: Call, base: str, at: Mapping[str, str]) -> Answer:
    return Answer(200, describe.describe(rest.org, rest.org.schema.sobject(at["sobject"]), base))


@route("GET", "/query(?:/(?P<locator>[^/]+))?")
def _query(rest: Rest, call: Call, base: str, at: Mapping[str, str]) -> Answer:
    return _run_query(rest, call, base, at, deleted=False)


@route("GET", "/queryAll(?:/(?P<locator>[^/]+))?")
def _query_all(rest: Rest, call: Call, base: str, at: Mapping[str, str]) -> Answer:
    return _run_query(rest, call, base, at, deleted=True)


def _run_query(rest: Rest, call: Call, base: str, at: Mapping[str, str], *, deleted: bool) -> Answer:
    if at.get("locator"):
        return Answer(200, _page(rest.org.queries.more(at["locator"], base), base))
    wanted = re.search(r"batchsize=(\d+)", call.headers.get("sforce-query-options", "").lower())
    size = min(max(int(wanted[1]), 200), 2000) if wanted else 2000
    text = call.params.get("q")
    if not text:
        raise OrgError("MALFORMED_QUERY", "A query string has to be specified")
    return Answer(200, _page(rest.org.queries.run(text, base, deleted=deleted, size=size), base))


def _page(page: Page, base: str) -> dict[str, Any]:
    shown: dict[str, Any] = {"totalSize": page.total, "done": page.locator is None}
    if page.locator:
        shown["nextRecordsUrl"] = f"{base}/query/{page.locator}"
    return shown | {"records": page.records}


@route("POST", "/sobjects/(?P<sobject>[^/]+)")
def _create(rest: Rest, call: Call, base: str, at: Mapping[str, str]) -> Answer:
    sobject = rest.org.schema.sobject(at["sobject"])
    (saved,) = rest.org.records.create(sobject, [call.record], rest.options(call))
    return _saved(saved, 201)


@route("GET", "/sobjects/(?P<sobject>[^/]+)/(?P<id>[^/]+)")
def _read(rest: Rest, call: Call, base: str, at: Mapping[str, str]) -> Answer:
    sobject = rest.org.schema.sobject(at["sobject"])
    return _record(rest, call, base, sobject, _record_id(sobject, at["id"]))


@route("PATCH", "/sobjects/(?P<sobject>[^/]+)/(?P<id>[^/]+)")
def _update(rest: Rest, call: Call, base: str, at: Mapping[str, str]) -> Answer:
    sobject = rest.org.schema.sobject(at["sobject"])
    record = call.record
    if any(name.lower() == "id" for name in record):
        raise OrgError("INVALID_FIELD", "The Id field should not be specified in the sobject data.")
    row = {**record, "Id": _record_id(sobject, at["id"])}
    (saved,) = rest.org.records.update(sobject, [row], rest.options(call))
    return _changed(saved)


@route("DELETE", "/sobjects/(?P<sobject>[^/]+)/(?P<id>[^/]+)")
def _delete(rest: Rest, call: Call, base: str, at: Mapping[str, str]) -> Answer:
    sobject = rest.org.schema.sobject(at["sobject"])
    (saved,) = rest.org.recycle_bin.delete([_record_id(sobject, at["id"])], rest.options(call))
    return _changed(saved)


@route("GET", "/sobjects/(?P<sobject>[^/]+)/(?P<key>[^/]+)/(?P<value>.+)")
def _read_by_key(rest: Rest, call: Call, base: str, at: Mapping[str, str]) -> Answer:
    sobject, key = _keyed(rest, at)
    found = rest.org.records.matching(sobject, key, at["value"])
    if len(found) > 1:
        return _choices(base, sobject, found)
    return _record(rest, call, base, sobject, found[0] if found else "")


@route("PATCH", "/sobjects/(?P<sobject>[^/]+)/(?P<key>[^/]+)/(?P<value>.+)")
def _upsert(rest: Rest, call: Call, base: str, at: Mapping[str, str]) -> Answer:
    sobject, key = _keyed(rest, at)
    found = rest.org.records.matching(sobject, key, at["value"])
    if len(found) > 1:
        return _choices(base, sobject, found)
    record = call.record
    if any(name.lower() in (key.name.lower(), "id") for name in record):
        raise OrgError(
            "INVALID_FIELD", f"The {key.name} field should not be specified in the sobject data.", (key.name,)
        )
    (saved,) = rest.org.records.upsert(sobject, key, [{**record, key.name: at["value"]}], rest.options(call))
    if saved.error:
        raise saved.error
    return Answer(201 if saved.created else 200, sobject_collections.result(saved, show_created=True))


@route("DELETE", "/sobjects/(?P<sobject>[^/]+)/(?P<key>[^/]+)/(?P<value>.+)")
def _delete_by_key(rest: Rest, call: Call, base: str, at: Mapping[str, str]) -> Answer:
    sobject, key = _keyed(rest, at)
    found = rest.org.records.matching(sobject, key, at["value"])
    if len(found) > 1:
        return _choices(base, sobject, found)
    if not found:
        raise not_found()
    (saved,) = rest.org.recycle_bin.delete(found, rest.options(call))
    return _changed(saved)


@route("POST", "/composite/sobjects")
def _collections_create(rest: Rest, call: Call, base: str, at: Mapping[str, str]) -> Answer:
    return Answer(200, sobject_collections.create(rest.org, call.json, rest.options(call)))


@route("PATCH", "/composite/sobjects")
def _collections_update(rest: Rest, call: Call, base: str, at: Mapping[str, str]) -> Answer:
    return Answer(200, sobject_collections.update(rest.org, call.json, rest.options(call)))


@route("DELETE", "/composite/sobjects")
def _collections_delete(rest: Rest, call: Call, base: str, at: Mapping[str, str]) -> Answer:
    record_ids = [one.strip() for one in call.params.get("ids", "").split(",") if one.strip()]
    all_or_none = call.params.get("allOrNone", "").lower() == "true"
    return Answer(200, sobject_collections.delete(rest.org, record_ids, all_or_none, rest.options(call)))


@route("PATCH", "/composite/sobjects/(?P<sobject>[^/]+)/(?P<key>[^/]+)")
def _collections_upsert(rest: Rest, call: Call, base: str, at: Mapping[str, str]) -> Answer:
    sobject, key = _keyed(rest, at)
    return Answer(200, sobject_collections.upsert(rest.org, call.json, sobject, key, rest.options(call)))


@route("POST", "/composite/sobjects/(?P<sobject>[^/]+)")
def _collections_retrieve(rest: Rest, call: Call, base: str, at: Mapping[str, str]) -> Answer:
    sobject = rest.org.schema.sobject(at["sobject"])
    return _retrieve(rest, base, sobject, list(call.record.get("ids", [])), list(call.record.get("fields", [])))


@route("GET", "/composite/sobjects/(?P<sobject>[^/]+)")
def _collections_retrieve_short(rest: Rest, call: Call, base: str, at: Mapping[str, str]) -> Answer:
    sobject = rest.org.schema.sobject(at["sobject"])
    split = [call.params.get(name, "").split(",") for name in ("ids", "fields")]
    return _retrieve(rest, base, sobject, *split)


def _retrieve(rest: Rest, base: str, sobject: ObjectDescribe, record_ids: list[str], names: list[str]) -> Answer:
    if len(record_ids) > 2000:
        raise OrgError("EXCEEDED_ID_LIMIT", "record limit reached. cannot retrieve more than 2000 records")
    wanted = [canonical(one, "Id") for one in record_ids]
    return Answer(200, rest.org.queries.fetch(sobject, wanted, names, base))


def _keyed(rest: Rest, at: Mapping[str, str]) -> tuple[ObjectDescribe, FieldDescribe]:
    sobject = rest.org.schema.sobject(at["sobject"])
    key = sobject.by_name.get(at["key"].lower())
    if key is None or not (key.externalId or key.idLookup):
        raise not_found(f"Provided external ID field does not exist or is not accessible: {at['key']}")
    return sobject, key


def _record_id(sobject: ObjectDescribe, text: str) -> str:
    try:
        record_id = canonical(text, "Id")
    except OrgError:
        record_id = ""
    if not record_id.startswith(sobject.keyPrefix):
        raise not_found(f"Provided external ID field does not exist or is not accessible: {text}")
    return record_id


def _record(rest: Rest, call: Call, base: str, sobject: ObjectDescribe, record_id: str) -> Answer:
    wanted = call.params.get("fields")
    names = wanted.split(",") if wanted else [described.name for described in sobject.fields]
    found = rest.org.queries.fetch(sobject, [record_id], names, base) if record_id else [None]
    if found[0] is None:
        raise not_found()
    return Answer(200, found[0])


def _choices(base: str, sobject: ObjectDescribe, found: list[str]) -> Answer:
    return Answer(_MULTIPLE_CHOICES, [f"{base}/sobjects/{sobject.name}/{one}" for one in found])


def _saved(saved: Saved, status: int) -> Answer:
    if saved.error:
        raise saved.error
    return Answer(status, {"id": saved.record_id, "success": True, "errors": []})


def _changed(saved: Saved) -> Answer:
    if saved.error:
        gone = saved.error.code in ("ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY") and not saved.error.fields
        raise OrgError(saved.error.code, saved.error.message, saved.error.fields, 404 if gone else 400)
    return Answer(204)
