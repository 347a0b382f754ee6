"""Bulk API 2.0 jobs as they are kept: durable, so that a restart goes on where the process stopped."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from memsync_assets.local_org import ids
from memsync_assets.local_org.bulk_csv import Dialect
from memsync_assets.local_org.errors import OrgError
from memsync_assets.local_org.store import Store
from memsync_assets.local_org.values import stored_datetime

Kind = Literal["ingest", "query"]
KEPT = timedelta(days=7)
_PREFIX = "750"
_TABLES = (
    "CREATE TABLE IF NOT EXISTS _bulk_job (id TEXT PRIMARY KEY, kind TEXT NOT NULL, info TEXT NOT NULL)",
    # apart from the job, which is written with every chunk of rows
    "CREATE TABLE IF NOT EXISTS _bulk_file (job TEXT PRIMARY KEY, data BLOB NOT NULL)",
    """CREATE TABLE IF NOT EXISTS _bulk_result (
        job TEXT NOT NULL, row INTEGER NOT NULL, id TEXT, created INTEGER, error TEXT, PRIMARY KEY (job, row)
    ) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS _bulk_query_row (
        job TEXT NOT NULL, row INTEGER NOT NULL, line TEXT NOT NULL, PRIMARY KEY (job, row)
    ) WITHOUT ROWID""",
)


@dataclass(frozen=True)
class Job:
    """One job. `processed` counts rows done, `failed` those among them with an error."""

    job_id: str
    kind: Kind
    operation: str
    sobject: str
    version: str
    created_by: str
    created_at: str
    changed_at: str
    state: str = "Open"
    external_id: str | None = None
    query: str | None = None
    column_delimiter: str = "COMMA"
    line_ending: str = "LF"
    processed: int = 0
    failed: int = 0
    milliseconds: int = 0
    error: str | None = None

    @property
    def dialect(self) -> Dialect:
        """How its files are written."""
        return Dialect(self.column_delimiter, self.line_ending)

    @property
    def waiting(self) -> bool:
        """Whether it is to be worked off, or was being worked off when the process stopped."""
        return self.state in ("UploadComplete", "InProgress")

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ("JobComplete", "Failed", "Aborted")

    def shown(self) -> dict[str, Any]:
        """The job in JSON."""
        shown: dict[str, Any] = {
            "id": self.job_id,
            "operation": self.operation,
            "object": self.sobject,
            "createdById": self.created_by,
            "createdDate": self.created_at,
            "systemModstamp": self.changed_at,
            "state": self.state,
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": float(self.version),
            "jobType": "V2Ingest" if self.kind == "ingest" else "V2Query",
            "lineEnding": self.line_ending,
            "columnDelimiter": self.column_delimiter,
        }
        if self.kind == "ingest" and self.state == "Open":
            shown["contentUrl"] = f"services/data/v{self.version}/jobs/ingest/{self.job_id}/batches"
        if self.external_id:
            shown["externalIdFieldName"] = self.external_id
        if self.error:
            shown["errorMessage"] = self.error
        shown |= {"numberRecordsProcessed": self.processed, "retries": 0, "totalProcessingTime": self.milliseconds}
        if self.kind == "ingest":
            shown |= {"numberRecordsFailed": self.failed, "assignmentRuleId": None}
            shown |= {"apiActiveProcessingTime": self.milliseconds, "apexProcessingTime": 0}
        return shown


class Jobs:
    """The jobs of one org."""

    def __init__(self, store: Store) -> None:
        self.store = store
        with store.transaction():
            for statement in _TABLES:
                store.connection.execute(statement)

    def new(self, **given: Any) -> Job:
        """Keep a new job."""
        with self.store.transaction():
            now = stored_datetime(datetime.now(UTC))
            job = Job(job_id=ids.make(_PREFIX, self.store.number(_PREFIX)), created_at=now, changed_at=now, **given)
            self.store.connection.execute(
                "INSERT INTO _bulk_job VALUES (?, ?, ?)", [job.job_id, job.kind, json.dumps(asdict(job))]
            )
        return job

    def get(self, kind: Kind, job_id: str) -> Job:
        """A job by id. Raises OrgError NOT_FOUND (404)."""
        job = self.find(kind, job_id)
        if job is None:
            raise OrgError("NOT_FOUND", f"Unable to find object: {job_id}", status=404)
        return job

    def find(self, kind: Kind, job_id: str) -> Job | None:
        """A job by id; None where it never was or was deleted."""
        with self.store.lock:
            row = self.store.connection.execute(
                "SELECT info FROM _bulk_job WHERE kind = ? AND id IN (?, ?)",
                [kind, job_id, job_id + ids.suffix(job_id) if len(job_id) == 15 else job_id],
            ).fetchone()
        return Job(**json.loads(row[0])) if row else None

    def all(self, kind: Kind | None = None) -> list[Job]:
        """Every job, oldest first."""
        with self.store.lock:
            rows = self.store.connection.execute(
                "SELECT info FROM _bulk_job WHERE kind = coalesce(?, kind) ORDER BY id", [kind]
            ).fetchall()
        return [Job(**json.loads(info)) for (info,) in rows]

    def change(self, job: Job, **changes: Any) -> Job:
        """Keep changes of a job, on top of what it has become meanwhile; gives it. Raises OrgError NOT_FOUND."""
        with self.store.transaction():
            now = stored_datetime(datetime.now(UTC))
            changed = replace(self.get(job.kind, job.job_id), **changes, changed_at=now)
            self.store.connection.execute(
                "UPDATE _bulk_job SET info = ? WHERE id = ?", [json.dumps(asdict(changed)), job.job_id]
            )
        return changed

    def begin(self, job: Job) -> Job | None:
        """Take a waiting job in hand; None where it was aborted or deleted before its turn came."""
        with self.store.transaction():
            current = self.find(job.kind, job.job_id)
            return self.change(current, state="InProgress") if current and current.waiting else None

    def end(self, job: Job, **outcome: Any) -> None:
        """Keep the outcome of a job in hand; one that was aborted or deleted meanwhile stays so."""
        with self.store.transaction():
            current = self.find(job.kind, job.job_id)
            if current and current.state != "Aborted":
                self.change(current, **outcome)

    def forget_old(self, now: datetime) -> None:
        """Delete jobs that ended more than seven days ago."""
        for job in self.all():
            if job.ended and job.changed_at < stored_datetime(now - KEPT):
                self.delete(job)

    def delete(self, job: Job) -> None:
        """Forget a job with its data and results."""
        with self.store.transaction():
            for table in ("_bulk_file", "_bulk_result", "_bulk_query_row"):
                self.store.connection.execute(f"DELETE FROM {table} WHERE job = ?", [job.job_id])  # noqa: S608
            self.store.connection.execute("DELETE FROM _bulk_job WHERE id = ?", [job.job_id])

    def set_data(self, job: Job, data: bytes) -> None:
        """Keep an ingest job's file."""
        with self.store.transaction():
            self.store.connection.execute("INSERT INTO _bulk_file VALUES (?, ?)", [job.job_id, data])

    def data(self, job: Job) -> bytes | None:
        """An ingest job's file, None before its upload."""
        with self.store.lock:
            row = self.store.connection.execute("SELECT data FROM _bulk_file WHERE job = ?", [job.job_id]).fetchone()
        return bytes(row[0]) if row else None

    def rows_done(self, job: Job) -> set[int]:
        """Numbers of the rows of an ingest job that have a result."""
        with self.store.lock:
            rows = self.store.connection.execute("SELECT row FROM _bulk_result WHERE job = ?", [job.job_id])
            return {row for (row,) in rows}

    def add_lines(self, job: Job, lines: Iterable[str]) -> int:
        """Keep the lines of a query's result; gives their number."""
        added = self.store.connection.executemany(
            "INSERT INTO _bulk_query_row VALUES (?, ?, ?)",
            ((job.job_id, number, line) for number, line in enumerate(lines)),
        )
        return max(added.rowcount, 0)

    def clear_lines(self, job: Job) -> None:
        """Forget a query's result, which an earlier process may have left unfinished."""
        self.store.connection.execute("DELETE FROM _bulk_query_row WHERE job = ?", [job.job_id])

    def lines(self, job: Job, first: int, count: int) -> list[str]:
        """Lines of a query's result."""
        with self.store.lock:
            rows = self.store.connection.execute(
                "SELECT line FROM _bulk_query_row WHERE job = ? AND row >= ? ORDER BY row LIMIT ?",
                [job.job_id, first, count],
            )
            return [line for (line,) in rows]
