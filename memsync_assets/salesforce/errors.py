"""What can go wrong between memsync and an org, sorted by what may be done about it.

The codes are Salesforce's own; which of them pass by themselves is stated here and nowhere else.
"""

from __future__ import annotations

import re

from memsync_assets.settings import MemsyncError

LOCKED = "UNABLE_TO_LOCK_ROW"
NO_CODE = "NO_CODE"
#: The code of a record whose parent could not be written.
PARENT_FAILED = "parent_failed"
#: Codes that say that the record we knew is not there any more; the next plan makes it anew.
GONE = frozenset({"ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY", "NOT_FOUND"})
#: Codes of single values: the rest of the record can be written without them.
OF_ONE_VALUE = frozenset(
    {
        "STRING_TOO_LONG",
        "INVALID_EMAIL_ADDRESS",
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        "NUMBER_OUTSIDE_VALID_RANGE",
        "INVALID_TYPE_ON_FIELD_IN_RECORD",
    }
)
#: Codes of records that may go well at another time. (Vendor documentation, "Status codes".)
_TRANSIENT = frozenset(
    {
        LOCKED,
        "REQUEST_LIMIT_EXCEEDED",
        "REQUEST_RUNNING_TOO_LONG",
        "SERVER_UNAVAILABLE",
        "INVALID_SESSION_ID",
        "UNKNOWN_EXCEPTION",
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    }
)
#: The kinds of network errors, as codes of records whose call never went through.
_NETWORK = frozenset({"ConnectionError", "ConnectTimeout", "ReadTimeout", "ChunkedEncodingError", NO_CODE})
#: Codes with which a later run tries again by itself.
PASSING = _TRANSIENT | _NETWORK | GONE


def is_transient(code: str | None) -> bool:
    """Whether a record that failed with this code is worth another try at once."""
    return code in _TRANSIENT


_CODE = re.compile(r"[A-Z][A-Z0-9_]{2,99}")


def code_of(text: object) -> str:
    """An error code as Salesforce gave it; NO_CODE for anything else, which may quote members' data."""
    return text if isinstance(text, str) and _CODE.fullmatch(text) else NO_CODE


class SalesforceError(MemsyncError):
    """A call that did not go well. The text holds the call, the status and the code, and no values.

    Attributes:
        code: Salesforce's error code, or the kind of network error.
    """

    def __init__(self, call: str, status: int | None, code: str) -> None:
        super().__init__(f"Salesforce, {call}: {status or 'no answer'} {code}")
        self.code = code


class RefusedError(SalesforceError):
    """The org refused the call, and would again."""


class TransientError(SalesforceError):
    """The call was not carried out; another try may go well."""


class UnknownOutcomeError(TransientError):
    """The call may have been carried out or not: ask the org before writing again."""


class BudgetError(SalesforceError):
    """The org's API calls of the day are used up, or what is left is reserved for others."""


class StalePlanError(MemsyncError):
    """The plan is not the one that was approved, or the org or the mart has changed since it was made."""
