"""The two calls that only the SOAP API has: merge and undelete. Each is one transaction a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from defusedxml import ElementTree

from memsync_assets.salesforce.client import Org
from memsync_assets.salesforce.errors import RefusedError, TransientError, code_of, is_transient

_ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
_PARTNER = "urn:partner.soap.sforce.com"
_OBJECTS = "urn:sobject.partner.soap.sforce.com"


def merge(org: Org, object_name: str, master_id: str, loser_id: str, values: Mapping[str, str]) -> None:
    """Merge one record into another: the loser goes to the recycle bin, what hangs on it to the master.

    Args:
        org: the org.
        object_name: of both.
        master_id: the record that stays.
        loser_id: the record that goes.
        values: fields that the master is given with the merge.

    Raises:
        RefusedError: with Salesforce's code.
        UnknownOutcomeError: it may have been done.
        TransientError: it was not done; another try may go well.
    """
    operation = Element(f"{{{_PARTNER}}}merge")
    request = SubElement(operation, f"{{{_PARTNER}}}request")
    master = SubElement(request, f"{{{_PARTNER}}}masterRecord")
    SubElement(master, f"{{{_OBJECTS}}}type").text = object_name
    SubElement(master, f"{{{_OBJECTS}}}Id").text = master_id
    for name, value in values.items():
        SubElement(master, f"{{{_OBJECTS}}}{name}").text = value
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
            code = code_of(result.findtext(f"{{{_PARTNER}}}errors/{{{_PARTNER}}}statusCode"))
            error = TransientError if is_transient(code) else RefusedError
            raise error(f"SOAP {operation.tag.rpartition('}')[2]}", 200, code)
