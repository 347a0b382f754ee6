"""Bulk API 2.0 query: the result of a query as CSV, in parts that a locator names."""

from __future__ import annotations

import base64
import binascii
import time
from typing import Any

from memsync_assets.local_org.bulk_jobs import Job, Jobs
from memsync_assets.local_org.errors import OrgError
from memsync_assets.local_org.org import Org

PAGE = 50_000
PAGES_AT_ONCE = 5


def check_request(org: Org, body: dict[str, Any]) -> str:
    """Hold a new query job against the org; gives the name of the object. Raises OrgError."""
    if body.get("operation") not in ("query", "queryAll"):
        raise OrgError("INVALIDJOB", f"InvalidJob : Unsupported operation: {body.get('operation')}")
    statement = org.queries.statement(str(body.get("query", "")), deleted=False)
    if statement.aggregate or statement.children:
        raise OrgError("API_ERROR", "Aggregate Relationships not supported in Bulk Query")
    if statement.offset:
        raise OrgError("API_ERROR", "OFFSET not supported in Bulk Query")
    names = {path for path, _ in statement.nodes}
    if any(column.path[:-1] not in names for column in statement.columns):
        raise OrgError("API_ERROR", "Selecting compound data not supported in Bulk Query")
    return statement.sobject.name


def run(org: Org, jobs: Jobs, job: Job) -> None:
    """Run a query job in hand to its end."""
    started = time.monotonic()
    statement = org.queries.statement(str(job.query), deleted=job.operation == "queryAll")
    skipped = len(statement.nodes)
    kinds = [column.field.type if column.field else "string" for column in statement.columns]
    with org.store.transaction():
        jobs.clear_lines(job)
        found = org.store.connection.execute(statement.sql, statement.parameters)
        lines = (
            job.dialect.write([[_shown(kind, value) for kind, value in zip(kinds, row[skipped:], strict=True)]])
            for row in found
        )
        count = jobs.add_lines(job, lines)
        spent = int((time.monotonic() - started) * 1000)
        jobs.end(job, state="JobComplete", processed=count, milliseconds=spent)


def header(org: Org, job: Job) -> str:
    """The first line of every part of a result."""
    statement = org.queries.statement(str(job.query), deleted=False)
    return job.dialect.write([[".".join(column.path) for column in statement.columns]])


def locator(offset: int) -> str:
    """The name of the part that begins after so many rows."""
    return base64.urlsafe_b64encode(str(offset).encode()).decode().rstrip("=")


def offset(text: str | None) -> int:
    """How many rows come before the part of that name. Raises OrgError INVALID_QUERY_LOCATOR."""
    if not text:
        return 0
    try:
        return int(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error):
        raise OrgError("INVALID_QUERY_LOCATOR", "invalid query locator") from None


def _shown(kind: str, value: Any) -> str:
    if value is None:
        return ""
    if kind == "boolean":
        return "true" if value else "false"
    if kind == "datetime":
        return str(value).replace("+0000", "Z")
    return str(value)
