"""The control endpoint, `/control/faults`: POST a list of faults, GET those still to come, DELETE them all.

It is no part of Salesforce; it needs no token and counts against no limit.
"""

from __future__ import annotations

from pydantic import ValidationError

from memsync_assets.local_org.errors import OrgError
from memsync_assets.local_org.faults import FAULTS, DuplicatesFault, Fault, LimitFault, LockFault
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
                (org.requests if fault.of == "requests" else org.batches).leave(fault.remaining)
            elif isinstance(fault, DuplicatesFault):
                org.records.forced_duplicates = fault.times
            else:
                org.faults.add(fault)
    elif method == "DELETE":
        org.faults.clear()
        org.records.locks.remaining.clear()
        org.records.forced_duplicates = 0
        org.requests.used = org.batches.used = 0
    return Answer(200, {"pending": [fault.model_dump() for fault in _pending(org)]})


def _pending(org: Org) -> list[Fault]:
    """What has not struck yet. A limit is not among it: it is in force from its order on."""
    locks = [
        LockFault(kind="lock", ids=[one], times=times) for one, times in org.records.locks.remaining.items() if times
    ]
    forced = org.records.forced_duplicates
    duplicates = [DuplicatesFault(kind="duplicates", times=forced)] if forced else []
    return [*org.faults.pending(), *locks, *duplicates]


def _id(text: str) -> str:
    try:
        return canonical(text, "Id")
    except OrgError:
        return text
