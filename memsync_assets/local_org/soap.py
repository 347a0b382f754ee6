"""The partner SOAP API, as far as REST has no way: merge, undelete, and a few calls that clients begin with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from memsync_assets.local_org.drafts import Saved, WriteOptions
from memsync_assets.local_org.errors import OrgError
from memsync_assets.local_org.merge import merge
from memsync_assets.local_org.org import Org
from memsync_assets.local_org.schema import ObjectDescribe
from memsync_assets.local_org.values import from_csv

_ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
_PARTNER = "urn:partner.soap.sforce.com"
_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_MAX_REQUESTS = 200


def handle(org: Org, body: bytes) -> tuple[int, str]:
    """Answer an envelope: status and envelope. The session is checked here, since SOAP carries it within."""
    try:
        header, operation = _opened(body)
        session = header.find(".//{*}SessionHeader/{*}sessionId") if header is not None else None
        org.sessions.check((session.text or "").strip() if session is not None else "")
        org.requests.count()
        call = _OPERATIONS.get(_local(operation))
        if call is None:
            raise OrgError("UNSUPPORTED_API_VERSION", f"operation {_local(operation)} is not served here")
        response = Element(f"{{{_PARTNER}}}{_local(operation)}Response")
        for result in call(org, operation):
            response.append(result)
        return 200, _closed(response)
    except OrgError as error:
        fault = Element(f"{{{_ENVELOPE}}}Fault")
        SubElement(fault, "faultcode").text = f"sf:{error.code}"
        SubElement(fault, "faultstring").text = f"{error.code}: {error.message}"
        return 500, _closed(fault)


def _opened(body: bytes) -> tuple[Element | None, Element]:
    try:
        envelope = ElementTree.fromstring(body)
    except (ElementTree.ParseError, DefusedXmlException):
        raise OrgError("UNKNOWN_EXCEPTION", "the envelope is not well-formed XML") from None
    content = envelope.find(f"{{{_ENVELOPE}}}Body")
    if content is None or len(content) != 1:
        raise OrgError("UNKNOWN_EXCEPTION", "the envelope has no body with one operation")
    return envelope.find(f"{{{_ENVELOPE}}}Header"), content[0]


def _closed(content: Element) -> str:
    envelope = Element(f"{{{_ENVELOPE}}}Envelope")
    SubElement(envelope, f"{{{_ENVELOPE}}}Body").append(content)
    return '<?xml version="1.0" encoding="UTF-8"?>' + tostring(envelope, encoding="unicode")


def _merge(org: Org, operation: Element) -> Iterable[Element]:
    requests = operation.findall("{*}request")
    if len(requests) > _MAX_REQUESTS:
        raise OrgError("LIMIT_EXCEEDED", f"at most {_MAX_REQUESTS} merge requests a call")
    return [_merge_one(org, request) for request in requests]


def _merge_one(org: Org, request: Element) -> Element:
    result = Element(f"{{{_PARTNER}}}result")
    try:
        given = request.find("{*}masterRecord")
        if given is None:
            raise OrgError("MISSING_ARGUMENT", "masterRecord is missing")
        sobject, record = _record(org, given)
        losers = [(one.text or "").strip() for one in request.findall("{*}recordToMergeIds")]
        merged = merge(org, sobject, record, losers, WriteOptions(org.user_id))
    except OrgError as error:
        _add_error(result, error)
        return result
    _add(result, "id", merged.master_id)
    for one in merged.merged:
        _add(result, "mergedRecordIds", one)
    _add(result, "success", "true")
    for one in merged.updated_related:
        _add(result, "updatedRelatedIds", one)
    return result


def _record(org: Org, given: Element) -> tuple[ObjectDescribe, dict[str, Any]]:
    named = given.findtext("{*}type") or given.get(_TYPE, "").rpartition(":")[2]
    sobject = org.schema.by_name.get(named.strip().lower())
    if sobject is None:
        raise OrgError("INVALID_TYPE", f"sObject type '{named}' is not supported.")
    record: dict[str, Any] = {}
    for child in given:
        name, text = _local(child), (child.text or "").strip()
        if name == "fieldsToNull":
            record[sobject.field(text).name] = None
        elif name != "type":
            described = sobject.field(name)
            record[described.name] = from_csv(described)(text) if text else None
    return sobject, record


def _undelete(org: Org, operation: Element) -> Iterable[Element]:
    return _results(org.recycle_bin.undelete(_ids(operation), WriteOptions(org.user_id)))


def _delete(org: Org, operation: Element) -> Iterable[Element]:
    return _results(org.recycle_bin.delete(_ids(operation), WriteOptions(org.user_id)))


def _user_info(org: Org, operation: Element) -> Iterable[Element]:
    result = Element(f"{{{_PARTNER}}}result")
    user = org.store.by_ids(org.schema.sobject("User"), [org.user_id])[org.user_id]
    for name, value in (
        ("organizationId", org.org_id),
        ("userId", org.user_id),
        ("userName", user["Username"]),
        ("userFullName", user["Name"]),
        ("userEmail", user["Email"]),
    ):
        _add(result, name, value)
    return [result]


def _timestamp(org: Org, operation: Element) -> Iterable[Element]:
    result = Element(f"{{{_PARTNER}}}result")
    _add(result, "timestamp", datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"))
    return [result]


def _ids(operation: Element) -> list[str]:
    found = [(one.text or "").strip() for one in operation.findall("{*}ids")]
    if len(found) > _MAX_REQUESTS:
        raise OrgError("EXCEEDED_ID_LIMIT", f"at most {_MAX_REQUESTS} ids a call")
    return found


def _results(saved: Iterable[Saved]) -> Iterable[Element]:
    for one in saved:
        result = Element(f"{{{_PARTNER}}}result")
        if one.error:
            _add_error(result, one.error)
        else:
            _add(result, "id", str(one.record_id))
            _add(result, "success", "true")
        yield result


def _add_error(result: Element, error: OrgError) -> None:
    errors = SubElement(result, f"{{{_PARTNER}}}errors")
    for name in error.fields:
        _add(errors, "fields", name)
    _add(errors, "message", error.message)
    _add(errors, "statusCode", error.code)
    _add(result, "success", "false")


def _add(parent: Element, name: str, text: str) -> None:
    SubElement(parent, f"{{{_PARTNER}}}{name}").text = text


def _local(element: Element) -> str:
    return element.tag.rpartition("}")[2]


_OPERATIONS: dict[str, Callable[[Org, Element], Iterable[Element]]] = {
    "merge": _merge,
    "undelete": _undelete,
    "delete": _delete,
    "getUserInfo": _user_info,
    "getServerTimestamp": _timestamp,
}
