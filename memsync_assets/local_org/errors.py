"""Salesforce's errors as one exception. What each rule says belongs to the module that holds the rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(eq=False)
class OrgError(Exception):
    """An error in Salesforce's own terms: of a whole request, or of one record in a batch."""

    code: str
    message: str
    fields: tuple[str, ...] = ()
    status: int = 400

    def as_request_error(self) -> dict[str, Any]:
        """The shape of an error answer of REST."""
        error: dict[str, Any] = {"message": self.message, "errorCode": self.code}
        return error | {"fields": list(self.fields)} if self.fields else error

    def as_row_error(self) -> dict[str, Any]:
        """The shape of an error inside a save result."""
        return {"statusCode": self.code, "message": self.message, "fields": list(self.fields)}

    def as_bulk_error(self) -> str:
        """The text of `sf__Error` in Bulk API 2.0."""
        return f"{self.code}:{self.message}:{' '.join(self.fields)} --"


def not_found(message: str = "The requested resource does not exist") -> OrgError:
    """The 404 that every unknown path and record is answered with."""
    return OrgError("NOT_FOUND", message, status=404)
