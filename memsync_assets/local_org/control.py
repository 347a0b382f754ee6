"""The control endpoint, `/control/faults`: POST a list of faults, GET those still to come, DELETE them all.

It is no part of Salesforce; it needs no token and counts against no limit.
"""

from __future__ import annotations

from pydantic import ValidationError

from memsync_assets.local_org.errors import OrgError
from memsync_assets.local_org.faults import FAULTS, DuplicatesFault, LimitFault, LockFault
from memsync_assets.local_org.ids import canonical
from memsync_assets.local_org.org import Org
from memsync_assets.local_org.routing import Answer


def handle(org: Org, method: str, body: bytes) -> Answer:
    """Answer a call of the control endpoint."""
    if method == "POST":
        try:
            faults = FAULTS.validate_json(body)
        except ValidationError as error:
            return Answer(400, {"error": str(error)})
        for fault in faults:
            if isinstance(fault, LockFault):
                org.records.locks.hold([_id(one) for one in fault.ids], fault.times)
            elif isinstance(fault, LimitFault):
                org.usage.used = max(org.usage.allowed - fault.remaining, 0)
            elif isinstance(fault, DuplicatesFault):
                org.records.forced_duplicates = fault.times
            else:
                org.faults.add(fault)
    elif method == "DELETE":
        org.faults.clear()
        org.records.locks.remaining.clear()
        org.records.forced_duplicates = 0
        org.usage.used = 0
    return Answer(200, {"pending": [fault.model_dump() for fault in org.faults.pending()]})


def _id(text: str) -> str:
    try:
        return canonical(text, "Id")
    except OrgError:
        return text
