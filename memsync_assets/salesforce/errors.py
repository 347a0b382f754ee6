"""What can go wrong between memsync and an org, sorted by what may be done about it.

The codes are Salesforce's own; which of them pass by themselves is stated here and nowhere else.
"""

from __future__ import annotations

from memsync_assets.settings import MemsyncError

LOCKED = "UNABLE_TO_LOCK_ROW"
#: Codes of single records that may go well at another time. (Vendor documentation, "Status codes".)
_PASSING = {
    LOCKED,
    "REQUEST_LIMIT_EXCEEDED",
    "REQUEST_RUNNING_TOO_LONG",
    "SERVER_UNAVAILABLE",
    "INVALID_SESSION_ID",
    "UNKNOWN_EXCEPTION",
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
}
#: Codes that say that the record we knew is not there any more.
GONE = {"ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY", "NOT_FOUND"}


def passes(code: str) -> bool:
    """Whether an error of this code is worth another try without anybody changing anything."""
    return code in _PASSING


class SalesforceError(MemsyncError):
    """A call that did not go well. The text holds the call, the status and the code, and no values.

    Attributes:
        code: Salesforce's error code, or the kind of network error.
    """

    def __init__(self, call: str, status: int | None, code: str) -> None:
        super().__init__(f"{call}: {status or 'no answer'} {code}")
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
