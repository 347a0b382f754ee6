"""Bulk API 2.0 ingest: an uploaded file written in batches of 10,000 rows, the batches side by side.

Rows are written 200 at a time, which is what a transaction of Salesforce's holds. Batches run in parallel
there; here the n-th 200 rows of every batch count as concurrent, so a parent that two of them share is a
lock that the later one meets. Rows sorted by parent meet none. Results come in no order.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from memsync_assets.local_org.bulk_csv import UnreadableError, record_maker
from memsync_assets.local_org.bulk_jobs import Job, Jobs
from memsync_assets.local_org.drafts import Saved, WriteOptions
from memsync_assets.local_org.errors import OrgError
from memsync_assets.local_org.org import Org
from memsync_assets.local_org.schema import ObjectDescribe

BATCH = 10_000
CHUNK = 200
OPERATIONS = frozenset({"insert", "update", "upsert", "delete", "hardDelete"})
_Rows = Sequence[tuple[int, dict[str, Any]]]


def run(org: Org, jobs: Jobs, job: Job) -> None:
    """Process a job in hand to its end. What was written before a failure stays written."""
    started = time.monotonic()
    state, error = "JobComplete", None
    try:
        _process(org, jobs, job)
    except UnreadableError as unreadable:
        state, error = "Failed", str(unreadable)
    spent = job.milliseconds + int((time.monotonic() - started) * 1000)
    jobs.end(job, state=state, error=error, milliseconds=spent)


def results(jobs: Jobs, job: Job, succeeded: bool) -> str:
    """The successful or the failed results as CSV, in an order of their own."""
    header, rows = _file(jobs, job) or ([], [])
    test = "IS NULL" if succeeded else "IS NOT NULL"
    with jobs.store.lock:
        found = {
            row: (record_id, created, error)
            for row, record_id, created, error in jobs.store.connection.execute(
                f"SELECT row, id, created, error FROM _bulk_result WHERE job = ? AND error {test}",  # noqa: S608
                [job.job_id],
            )
        }
    lines = []
    for number, row in enumerate(rows):
        if number in found:
            record_id, created, error = found[number]
            lines.append([record_id or "", ("false", "true")[created] if succeeded else error, *row])
    random.Random(job.job_id).shuffle(lines)
    second = "sf__Created" if succeeded else "sf__Error"
    return job.dialect.write([["sf__Id", second, *header], *lines])


def unprocessed(jobs: Jobs, job: Job) -> str:
    """The rows that no result is known of, as CSV; all of a file that cannot be read as such, as it came."""
    known = _file(jobs, job)
    if known is None:
        return (jobs.data(job) or b"").decode("utf-8", errors="replace")
    header, rows = known
    done = jobs.rows_done(job)
    return job.dialect.write([header, *(row for number, row in enumerate(rows) if number not in done)])


def _file(jobs: Jobs, job: Job) -> tuple[list[str], list[list[str]]] | None:
    """The header and the rows that were uploaded; None where they cannot be told apart."""
    try:
        header, rows = job.dialect.read(jobs.data(job) or b"")
        return header, list(rows)
    except UnreadableError:
        return None


def _process(org: Org, jobs: Jobs, job: Job) -> None:
    sobject = org.schema.sobject(job.sobject)
    write = _writer(org, job, sobject)
    header, rows = job.dialect.read(jobs.data(job) or b"")
    _check_header(job, header)
    make = record_maker(org.schema, sobject, header)
    done = jobs.rows_done(job)
    processed = len(done)
    for held, chunk in _waves(list(enumerate(rows))):
        fresh = [(number, make(row)) for number, row in chunk if number not in done]
        if not fresh:
            continue
        _meet_limits_and_faults(org, first_row=fresh[0][0], processed=processed)
        with org.store.transaction():
            current = jobs.find("ingest", job.job_id)
            if current is None or current.state == "Aborted":
                return
            saved = write(fresh, frozenset(held))
            _keep(jobs, current, fresh, saved)
        processed += len(saved)
        held.update(locked for one in saved for locked in one.locked)


def _meet_limits_and_faults(org: Org, first_row: int, processed: int) -> None:
    if first_row % BATCH == 0:
        try:
            org.batches.count()
        except OrgError:
            raise UnreadableError("ExceededQuota : ApiBatchItems Limit exceeded.") from None
    org.faults.slow_down()
    message = org.faults.job_failure(processed)
    if message:
        raise UnreadableError(message)


def _waves(rows: list[tuple[int, list[str]]]) -> Iterator[tuple[set[str], list[tuple[int, list[str]]]]]:
    """Chunks in the order in which they run, each with the set of ids that its wave has locked so far."""
    batches = deque(rows[at : at + BATCH] for at in range(0, len(rows), BATCH))
    for at in range(0, BATCH, CHUNK):
        held: set[str] = set()
        for batch in batches:
            if batch[at : at + CHUNK]:
                yield held, batch[at : at + CHUNK]


def _check_header(job: Job, header: Sequence[str]) -> None:
    names = {name.lower() for name in header}
    if job.operation in ("update", "delete", "hardDelete") and "id" not in names:
        raise UnreadableError("InvalidBatch : Field name not found : Id")
    if job.operation in ("delete", "hardDelete") and len(names) > 1:
        raise UnreadableError("InvalidBatch : Delete batches must contain only the Id column")
    if job.operation == "upsert" and str(job.external_id).lower() not in names:
        raise UnreadableError(f"InvalidBatch : Field name not found : {job.external_id}")


def _writer(org: Org, job: Job, sobject: ObjectDescribe) -> Callable[[_Rows, frozenset[str]], list[Saved]]:
    def write(chunk: _Rows, held: frozenset[str]) -> list[Saved]:
        options = WriteOptions(org.user_id, held=held)
        records = [record for _, record in chunk]
        if job.operation == "insert":
            return org.records.create(sobject, records, options)
        if job.operation == "update":
            return org.records.update(sobject, records, options)
        if job.operation == "upsert":
            return org.records.upsert(sobject, sobject.field(str(job.external_id)), records, options)
        wanted = [str(record.get("Id", "")) for record in records]
        return org.recycle_bin.delete(wanted, options, hard=job.operation == "hardDelete")

    return write


def _keep(jobs: Jobs, job: Job, chunk: _Rows, saved: list[Saved]) -> None:
    jobs.store.connection.executemany(
        "INSERT INTO _bulk_result VALUES (?, ?, ?, ?, ?)",
        [
            (job.job_id, number, one.record_id, one.created, one.error.as_bulk_error() if one.error else None)
            for (number, _), one in zip(chunk, saved, strict=True)
        ],
    )
    failed = sum(1 for one in saved if one.error)
    jobs.change(job, processed=job.processed + len(saved), failed=job.failed + failed)


def check_request(org: Org, body: dict[str, Any]) -> None:
    """Hold a new ingest job against the org. Raises OrgError."""
    operation = str(body.get("operation"))
    if operation not in OPERATIONS:
        raise OrgError("INVALIDJOB", f"InvalidJob : Unsupported operation: {operation}")
    sobject = org.schema.by_name.get(str(body.get("object", "")).lower())
    if sobject is None:
        raise OrgError("INVALIDENTITY", f"InvalidEntity : Unable to find object: {body.get('object')}")
    if operation == "upsert":
        key = sobject.by_name.get(str(body.get("externalIdFieldName", "")).lower())
        if key is None or not (key.externalId or key.idLookup):
            raise OrgError("INVALIDJOB", f"InvalidJob : No external id of that name: {body.get('externalIdFieldName')}")
