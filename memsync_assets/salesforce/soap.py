"""The two calls that only the SOAP API has: merge and undelete. Each is one transaction a request."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from defusedxml import ElementTree

from memsync_assets.salesforce.client import Org
from memsync_assets.salesforce.errors import RefusedError

_ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
_PARTNER = "urn:partner.soap.sforce.com"
_OBJECTS = "urn:sobject.partner.soap.sforce.com"


def merge(org: Org, object_name: str, master_id: str, loser_id: str) -> None:
    """Merge one record into another: the loser goes to the recycle bin, what hangs on it to the master.

    Raises:
        RefusedError: with Salesforce's code.
        UnknownOutcomeError: it may have been done.
    """
    operation = Element(f"{{{_PARTNER}}}merge")
    request = SubElement(operation, f"{{{_PARTNER}}}request")
    master = SubElement(request, f"{{{_PARTNER}}}masterRecord")
    SubElement(master, f"{{{_OBJECTS}}}type").text = object_name
    SubElement(master, f"{{{_OBJECTS}}}Id").text = master_id
    SubElement(request, f"{{{_PARTNER}}}recordToMergeIds").text = loser_id
    _run(org, operation)


def undelete(org: Org, record_ids: Sequence[str]) -> None:
    """Bring records back from the recycle bin. Raises as `merge`."""
    operation = Element(f"{{{_PARTNER}}}undelete")
    for record_id in record_ids:
        SubElement(operation, f"{{{_PARTNER}}}ids").text = record_id
    _run(org, operation)


def _run(org: Org, operation: Element) -> None:
    def envelope(token: str) -> bytes:
        whole = Element(f"{{{_ENVELOPE}}}Envelope")
        header = SubElement(SubElement(whole, f"{{{_ENVELOPE}}}Header"), f"{{{_PARTNER}}}SessionHeader")
        SubElement(header, f"{{{_PARTNER}}}sessionId").text = token
        SubElement(whole, f"{{{_ENVELOPE}}}Body").append(operation)
        return bytes(tostring(whole, encoding="utf-8", xml_declaration=True))

    answer = ElementTree.fromstring(org.post_soap(envelope))
    for result in answer.iter(f"{{{_PARTNER}}}result"):
        if result.findtext(f"{{{_PARTNER}}}success") != "true":
            code = result.findtext(f"{{{_PARTNER}}}errors/{{{_PARTNER}}}statusCode") or "NO_CODE"
            raise RefusedError(f"SOAP {operation.tag.rpartition('}')[2]}", 200, code)
