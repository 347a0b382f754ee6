"""Faults on order: what a test or a demo scripts to go wrong in the next calls and jobs.

Each fault is used up as it strikes. How a call is spoilt is carried out in `app`, a job in `bulk_ingest`.
"""

from __future__ import annotations

import re
import threading
import time
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from memsync_assets.local_org.errors import OrgError

_CODES = {
    401: "INVALID_SESSION_ID",
    403: "REQUEST_LIMIT_EXCEEDED",
    429: "REQUEST_LIMIT_EXCEEDED",
    500: "UNKNOWN_EXCEPTION",
    503: "SERVER_UNAVAILABLE",
}


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _CallFault(_Model):
    """Strikes `times` calls that match, once `after` of them have passed. `path` is a regular expression."""

    method: str | None = None
    path: str = ""
    after: int = 0
    times: int = 1

    def matches(self, method: str, path: str) -> bool:
        """Whether a call is one of those meant."""
        return self.method in (None, method) and re.search(self.path, path) is not None


class StatusFault(_CallFault):
    """The call is refused, unprocessed, with an HTTP status."""

    kind: Literal["status"]
    status: int = 503
    code: str | None = None
    message: str = "scripted fault"
    retry_after: int | None = None

    @property
    def error(self) -> OrgError:
        """The answer's error."""
        return OrgError(self.code or _CODES.get(self.status, "UNKNOWN_EXCEPTION"), self.message, status=self.status)


class DelayFault(_CallFault):
    """The answer comes late, so that a client with a shorter timeout gives up; the call is processed."""

    kind: Literal["delay"]
    seconds: float


class CutFault(_CallFault):
    """The connection is cut, before the call is processed or after its commit."""

    kind: Literal["cut"]
    when: Literal["before", "after"]


class ExpireFault(_CallFault):
    """All sessions end just before the call: it meets 401, and so does all that follows until a new login."""

    kind: Literal["expire"]


class CharsetFault(_CallFault):
    """The answer is encoded in `charset`, whatever its header says; `declared` null leaves the charset out."""

    kind: Literal["charset"]
    charset: str = "latin-1"
    declared: str | None = "UTF-8"


class LockFault(_Model):
    """The next writes that need one of these records fail with UNABLE_TO_LOCK_ROW, `times` for each."""

    kind: Literal["lock"]
    ids: list[str]
    times: int = 1


class LimitFault(_Model):
    """Only so many requests, or batches of bulk jobs, are left of the day's."""

    kind: Literal["limit"]
    of: Literal["requests", "batches"] = "requests"
    remaining: int = 0


class DuplicatesFault(_Model):
    """The next `times` records created meet a duplicate rule that the header can override."""

    kind: Literal["duplicates"]
    times: int = 1


class JobFault(_Model):
    """The next ingest job fails once `rows` rows are done; they stay written, the rest is unprocessed."""

    kind: Literal["job_fails"]
    rows: int = 0
    message: str = "InternalServerError : scripted fault"


class SlowFault(_Model):
    """The next `times` chunks of 200 rows of ingest jobs take this long each."""

    kind: Literal["slow_job"]
    seconds: float
    times: int = 1


CallFault = StatusFault | DelayFault | CutFault | ExpireFault | CharsetFault
Fault = CallFault | LockFault | LimitFault | DuplicatesFault | JobFault | SlowFault
FAULTS: TypeAdapter[list[Fault]] = TypeAdapter(list[Annotated[Fault, Field(discriminator="kind")]])


class Faults:
    """The faults still to come."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[CallFault] = []
        self._jobs: list[JobFault] = []
        self._slow: list[SlowFault] = []

    def add(self, fault: CallFault | JobFault | SlowFault) -> None:
        """Script one more."""
        with self._lock:
            if isinstance(fault, JobFault):
                self._jobs.append(fault)
            elif isinstance(fault, SlowFault):
                self._slow.append(fault)
            else:
                self._calls.append(fault)

    def clear(self) -> None:
        """Forget all that has not struck."""
        with self._lock:
            self._calls, self._jobs, self._slow = [], [], []

    def pending(self) -> list[Fault]:
        """What has not struck yet."""
        with self._lock:
            return [*self._calls, *self._jobs, *self._slow]

    def strike(self, method: str, path: str) -> CallFault | None:
        """The fault that strikes a call, if any; the first that matches and is due."""
        with self._lock:
            for fault in self._calls:
                if fault.matches(method, path):
                    if fault.after:
                        fault.after -= 1
                        continue
                    fault.times -= 1
                    if not fault.times:
                        self._calls.remove(fault)
                    return fault
        return None

    def job_failure(self, processed: int) -> str | None:
        """The message with which a job that has done so many rows fails now, if it does."""
        with self._lock:
            for fault in self._jobs:
                if processed >= fault.rows:
                    self._jobs.remove(fault)
                    return fault.message
        return None

    def slow_down(self) -> None:
        """Take the time that a slow job takes for a chunk."""
        with self._lock:
            fault = self._slow[0] if self._slow else None
            if fault:
                fault.times -= 1
                if not fault.times:
                    self._slow.remove(fault)
        if fault:
            time.sleep(fault.seconds)
