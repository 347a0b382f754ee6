"""One Bulk API 2.0 ingest job: its file, its life, its results.

Our own CSV and result handling: `#N/A` clears a field (an empty cell would leave it), results come in any order and
are joined on the external id or the id, values may hold newlines, and a job that failed half way keeps what it did.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterator, Sequence

from memsync_assets.salesforce.changes import CLEARED, Change, Outcome
from memsync_assets.salesforce.errors import RefusedError, TransientError, UnknownOutcomeError, code_of
from memsync_assets.salesforce.sending import Target, deleted_already

#: The vendor takes 150 MB in base64: no more than 100 MB of CSV.
MAX_BYTES = 100_000_000
_JOBS = "/jobs/ingest"
_ENDED = ("JobComplete", "Failed", "Aborted")
_LONGEST_WAIT = 10.0
_CSV = {"Content-Type": "text/csv; charset=UTF-8"}


def write_files(target: Target, changes: Sequence[Change]) -> Iterator[tuple[bytes, list[Change]]]:
    """The changes, all of one method, as CSV files of at most 100 MB, each with the changes that it holds."""
    header = _columns(target, changes)
    head = _line([title for title, _ in header])
    lines, held, size = [head], list[Change](), len(head)
    for change in changes:
        line = _line(_cells(target, change, header))
        if held and size + len(line) > MAX_BYTES:
            yield b"".join(lines), held
            lines, held, size = [head], [], len(head)
        lines.append(line)
        held.append(change)
        size += len(line)
    if held:
        yield b"".join(lines), held


def send(target: Target, data: bytes, changes: Sequence[Change], keep: Callable[[str], None]) -> list[Outcome]:
    """Run one job to its end. `keep` is given its id before anything can be written.

    Returns:
        Outcomes of the changes that the job processed; of the others nothing was written.

    Raises:
        TransientError: nothing was written, and another try may go well.
        UnknownOutcomeError: the job runs on; its id is known.
        RefusedError: the org refuses such a job.
    """
    job_id = _create(target, changes[0])
    keep(job_id)
    try:
        target.org.call("PUT", f"{_JOBS}/{job_id}/batches", repeatable=False, data=data, headers=_CSV)
    except UnknownOutcomeError as error:
        # A job that is not closed does nothing: it is left behind and made anew.
        raise TransientError("PUT /jobs/ingest", None, error.code) from None
    _close(target, job_id)
    return finish(target, job_id, changes)


def finish(target: Target, job_id: str, changes: Sequence[Change]) -> list[Outcome]:
    """Wait for a job that was begun, in this process or an earlier one, and read its results.

    A job that was never closed has written nothing: there are no outcomes.
    """
    try:
        state = _state(target, job_id)
    except RefusedError as error:
        if error.code == "NOT_FOUND":
            return []
        raise
    if state == "Open":
        return []
    wait = min(max(target.org.settings.retry_wait, 0.02), _LONGEST_WAIT)
    while state not in _ENDED:
        time.sleep(wait)
        wait = min(wait * 1.5, _LONGEST_WAIT)
        state = _state(target, job_id)
    return list(_results(target, job_id, changes))


def _create(target: Target, first: Change) -> str:
    wanted = {
        "object": target.one.object,
        "operation": first.method,
        "contentType": "CSV",
        "lineEnding": "CRLF",
        "columnDelimiter": "COMMA",
    }
    if first.method == "upsert":
        wanted["externalIdFieldName"] = target.one.external_id.field
    # A second one, left open by an answer that was lost, does no harm.
    return str(target.org.call("POST", _JOBS, repeatable=True, json=wanted).json()["id"])


def _close(target: Target, job_id: str) -> None:
    try:
        target.org.call("PATCH", f"{_JOBS}/{job_id}", repeatable=False, json={"state": "UploadComplete"})
    except UnknownOutcomeError as error:
        if _state(target, job_id) == "Open":
            raise TransientError("PATCH /jobs/ingest", None, error.code) from None


def _state(target: Target, job_id: str) -> str:
    return str(target.org.call("GET", f"{_JOBS}/{job_id}", repeatable=True).json()["state"])


def _columns(target: Target, changes: Sequence[Change]) -> list[tuple[str, str]]:
    """The titles of the columns, each with the field that it holds; the first one is the key."""
    method = changes[0].method
    names = dict.fromkeys(name for change in changes for name in change.values) if method != "delete" else {}
    titles = [(".".join(target.key_of(name)) if name in target.one.references else name, name) for name in names]
    key = target.one.external_id.field
    first = key if method == "upsert" else "Id"
    return [(first, first), *((title, name) for title, name in titles if name != first)]


def _cells(target: Target, change: Change, header: Sequence[tuple[str, str]]) -> Iterator[str]:
    yield change.record_id or change.external_id
    for _, name in header[1:]:
        # A field that this record does not change: an empty cell leaves it alone.
        yield "" if name not in change.values else change.values[name] or CLEARED


def _line(cells: Sequence[str] | Iterator[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().encode()


def _results(target: Target, job_id: str, changes: Sequence[Change]) -> Iterator[Outcome]:
    by_key = {change.external_id: change for change in changes}
    by_key |= {change.record_id: change for change in changes if change.record_id}
    titles = (target.one.external_id.field, "Id", "sf__Id")

    def change_of(row: dict[str, str]) -> Change:
        return next(by_key[row[title]] for title in titles if row.get(title) in by_key)

    for row in _rows(target, f"{_JOBS}/{job_id}/successfulResults"):
        change = change_of(row)
        yield Outcome(change.external_id, "succeeded", row["sf__Id"] or change.record_id)
    for row in _rows(target, f"{_JOBS}/{job_id}/failedResults"):
        change = change_of(row)
        text, _, rest = row["sf__Error"].partition(":")
        code = code_of(text)
        message, _, fields = rest.rpartition(":")
        if deleted_already(change, code):
            yield Outcome(change.external_id, "succeeded", change.record_id)
        else:
            names = tuple(fields.removesuffix("--").replace(",", " ").split())
            yield Outcome(change.external_id, "failed", change.record_id, code, message, names)


def _rows(target: Target, path: str) -> Iterator[dict[str, str]]:
    # The charset is UTF-8 whatever the answer's header leaves out; newlines within values are kept.
    text = target.org.call("GET", path, repeatable=True).content.decode("utf-8")
    return iter(csv.DictReader(io.StringIO(text, newline="")))
