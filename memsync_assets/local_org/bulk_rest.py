"""Bulk API 2.0 over REST: jobs are made, fed, watched and read here, and worked off in a thread of their own."""

from __future__ import annotations

import logging
import queue
import threading
from datetime import UTC, datetime
from typing import Any

from memsync_assets.local_org import bulk_ingest, bulk_query
from memsync_assets.local_org.bulk_csv import DELIMITERS, LINE_ENDINGS
from memsync_assets.local_org.bulk_jobs import Job, Jobs, Kind
from memsync_assets.local_org.errors import OrgError
from memsync_assets.local_org.org import Org
from memsync_assets.local_org.routing import Answer, Asked, Routes

_CSV = {"Content-Type": "text/csv; charset=UTF-8"}
_MAX_UPLOAD = 150_000_000 * 3 // 4  # bytes: the limit of 150 MB is on the Base64 form


class BulkApi:
    """The bulk jobs of one org and the thread that works them off, one after the other."""

    def __init__(self, org: Org) -> None:
        self.org = org
        self.jobs = Jobs(org.store)
        self.routes = Routes()
        self._waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._register()

    def start(self) -> None:
        """Begin working, first on what an earlier process left behind."""
        self.jobs.forget_old(datetime.now(UTC))
        for job in self.jobs.all():
            if job.waiting:
                self._waiting.put(job)
        threading.Thread(target=self._work, name="bulk", daemon=True).start()

    def _work(self) -> None:
        while True:
            job = self.jobs.begin(self._waiting.get())
            if job:
                self._run(job)

    def _run(self, job: Job) -> None:
        try:
            (bulk_ingest.run if job.kind == "ingest" else bulk_query.run)(self.org, self.jobs, job)
        except Exception as error:  # a defect of ours may end its job, not the thread that all jobs need
            logging.getLogger(__name__).exception("bulk job %s failed", job.job_id)
            self.jobs.end(job, state="Failed", error=f"InternalServerError : {type(error).__name__}")

    def _register(self) -> None:
        ingest, one = "/jobs/ingest", "/jobs/ingest/(?P<id>[^/]+)"
        self.routes.add("POST", ingest)(self._create_ingest)
        self.routes.add("PUT", f"{one}/batches")(self._upload)
        self.routes.add("GET", f"{one}/(?P<what>successfulResults|failedResults|unprocessedRecords)")(self._results)
        query, one = "/jobs/query", "/jobs/query/(?P<id>[^/]+)"
        self.routes.add("POST", query)(self._create_query)
        self.routes.add("GET", f"{one}/results")(self._query_results)
        self.routes.add("GET", f"{one}/resultPages")(self._result_pages)
        each = "/jobs/(?P<kind>ingest|query)"
        self.routes.add("GET", each)(self._list)
        self.routes.add("GET", f"{each}/(?P<id>[^/]+)")(self._info)
        self.routes.add("PATCH", f"{each}/(?P<id>[^/]+)")(self._change)
        self.routes.add("DELETE", f"{each}/(?P<id>[^/]+)")(self._delete)

    def _create_ingest(self, asked: Asked) -> Answer:
        body = asked.call.record
        bulk_ingest.check_request(self.org, body)
        job = self.jobs.new(
            kind="ingest",
            operation=body["operation"],
            sobject=self.org.schema.sobject(body["object"]).name,
            external_id=body.get("externalIdFieldName"),
            **self._common(asked, body),
        )
        return Answer(200, job.shown())

    def _upload(self, asked: Asked) -> Answer:
        job = self._job(asked, "ingest")
        if job.state != "Open" or self.jobs.data(job) is not None:
            raise OrgError("INVALIDJOBSTATE", f"InvalidJobState : Data was already uploaded, state is {job.state}")
        if len(asked.call.body) > _MAX_UPLOAD:
            raise OrgError("CONTENT_TOO_LARGE", "The upload is larger than 150 MB", status=413)
        self.jobs.set_data(job, asked.call.body)
        return Answer(201)

    def _results(self, asked: Asked) -> Answer:
        job = self._job(asked, "ingest")
        if not job.ended:
            raise OrgError("INVALIDJOBSTATE", f"InvalidJobState : Job is not finished, state is {job.state}")
        what = asked.at["what"].lower()
        if what == "unprocessedrecords":
            return Answer(200, bulk_ingest.unprocessed(self.jobs, job), _CSV)
        return Answer(200, bulk_ingest.results(self.jobs, job, what == "successfulresults"), _CSV)

    def _create_query(self, asked: Asked) -> Answer:
        body = asked.call.record
        sobject = bulk_query.check_request(self.org, body)
        job = self.jobs.new(
            kind="query",
            operation=body["operation"],
            sobject=sobject,
            query=body["query"],
            state="UploadComplete",
            **self._common(asked, body),
        )
        self._waiting.put(job)
        return Answer(200, job.shown())

    def _query_results(self, asked: Asked) -> Answer:
        job = self._finished_query(asked)
        wanted = asked.call.params.get("maxRecords", "")
        first = bulk_query.offset(asked.call.params.get("locator"))
        lines = self.jobs.lines(job, first, int(wanted) if wanted.isdigit() else bulk_query.PAGE)
        end = first + len(lines)
        following = bulk_query.locator(end) if end < job.processed else "null"
        headers = {"Sforce-Locator": following, "Sforce-NumberOfRecords": str(len(lines))}
        return Answer(200, bulk_query.header(self.org, job) + "".join(lines), _CSV | headers)

    def _result_pages(self, asked: Asked) -> Answer:
        job = self._finished_query(asked)
        first = bulk_query.offset(asked.call.params.get("locator"))
        end = min(first + bulk_query.PAGE * bulk_query.PAGES_AT_ONCE, max(job.processed, 1))
        here = f"{asked.base}/jobs/query/{job.job_id}"
        urls = [f"{here}/results?locator={bulk_query.locator(at)}" for at in range(first, end, bulk_query.PAGE)]
        shown: dict[str, Any] = {"resultPages": [{"resultUrl": url} for url in urls], "done": end >= job.processed}
        if not shown["done"]:
            shown["nextRecordsUrl"] = f"{here}/resultPages?locator={bulk_query.locator(end)}"
        return Answer(200, shown)

    def _list(self, asked: Asked) -> Answer:
        kind: Kind = "ingest" if asked.at["kind"].lower() == "ingest" else "query"
        return Answer(
            200, {"done": True, "records": [job.shown() for job in self.jobs.all(kind)], "nextRecordsUrl": None}
        )

    def _info(self, asked: Asked) -> Answer:
        return Answer(200, self._job(asked).shown())

    def _change(self, asked: Asked) -> Answer:
        job, state = self._job(asked), asked.call.record.get("state")
        if state == "UploadComplete" and job.kind == "ingest":
            if job.state != "Open":
                raise OrgError("INVALIDJOBSTATE", f"InvalidJobState : Job is not open, state is {job.state}")
            job = self.jobs.change(job, state="UploadComplete")
            self._waiting.put(job)
        elif state == "Aborted":
            if job.ended:
                raise OrgError("INVALIDJOBSTATE", f"InvalidJobState : Job is already finished, state is {job.state}")
            job = self.jobs.change(job, state="Aborted")
        else:
            raise OrgError("INVALIDJOBSTATE", f"InvalidJobState : Cannot change to state {state}")
        return Answer(200, job.shown())

    def _delete(self, asked: Asked) -> Answer:
        job = self._job(asked)
        if job.waiting:
            raise OrgError("INVALIDJOBSTATE", f"InvalidJobState : Job is not finished, state is {job.state}")
        self.jobs.delete(job)
        return Answer(204)

    def _job(self, asked: Asked, kind: Kind | None = None) -> Job:
        named: Kind = "ingest" if asked.at.get("kind", "").lower() == "ingest" else "query"
        return self.jobs.get(kind or named, asked.at["id"])

    def _finished_query(self, asked: Asked) -> Job:
        job = self._job(asked, "query")
        if job.state != "JobComplete":
            raise OrgError("INVALIDJOBSTATE", f"InvalidJobState : Job is not complete, state is {job.state}")
        return job

    def _common(self, asked: Asked, body: dict[str, Any]) -> dict[str, Any]:
        delimiter, ending = str(body.get("columnDelimiter") or "COMMA"), str(body.get("lineEnding") or "LF")
        if delimiter not in DELIMITERS or ending not in LINE_ENDINGS:
            raise OrgError("INVALIDJOB", f"InvalidJob : Unknown columnDelimiter or lineEnding: {delimiter}, {ending}")
        if body.get("contentType", "CSV") != "CSV":
            raise OrgError("INVALIDJOB", "InvalidJob : The contentType must be CSV")
        return {
            "version": asked.version,
            "created_by": self.org.user_id,
            "column_delimiter": delimiter,
            "line_ending": ending,
        }
