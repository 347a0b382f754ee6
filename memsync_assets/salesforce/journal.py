"""The journal of an apply: what is sent is written here first, so that a crash leaves no doubt about what to ask.

Lives in the mart. A batch is `sent` from before the call until its outcomes are stored with it in one transaction;
one that is still `sent` after a crash may have been carried out or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from memsync_assets.mart.engine import Mart
from memsync_assets.salesforce.changes import Change, Outcome

_MESSAGE = 400


@dataclass(frozen=True)
class OpenBatch:
    """A batch whose outcome is not known.

    Attributes:
        method: collections or bulk.
        job_id: of a Bulk job that was made.
        external_ids: the records that it held.
    """

    number: int
    object_name: str
    method: str
    job_id: str | None
    external_ids: tuple[str, ...]


class Journal:
    """The journal of one plan."""

    def __init__(self, mart: Mart, plan_hash: str) -> None:
        self._mart = mart
        self._plan = {"plan_hash": plan_hash}

    def clear(self) -> None:
        """Begin anew: what earlier plans came to is in salesforce_sync_results."""
        with self._mart.transaction():
            for table in ("sync_batches", "sync_batch_records", "sync_outcomes", "sync_refused_values"):
                self._mart.execute(f"DELETE FROM {table}")  # noqa: S608

    def begin(self, object_name: str, method: str, changes: Sequence[Change]) -> int:
        """Write a batch down before it is sent. Returns its number."""
        with self._mart.transaction():
            last = self._mart.fetch(
                "SELECT COALESCE(MAX(batch_number), 0) AS n FROM sync_batches WHERE plan_hash = @plan_hash", self._plan
            )
            number = int(last["n"][0].as_py()) + 1
            self._mart.execute(
                "INSERT INTO sync_batches (plan_hash, batch_number, object_name, method, state)"
                " VALUES (@plan_hash, @number, @object, @method, 'sent')",
                {**self._plan, "number": number, "object": object_name, "method": method},
            )
            self._mart.append(
                "sync_batch_records",
                pa.table(
                    {
                        "plan_hash": [self._plan["plan_hash"]] * len(changes),
                        "batch_number": pa.array([number] * len(changes), pa.int32()),
                        "object_name": [object_name] * len(changes),
                        "external_id": [change.external_id for change in changes],
                    }
                ),
            )
        return number

    def keep_job(self, number: int, job_id: str) -> None:
        """Remember the Bulk job of a batch, before it can write anything."""
        self._mart.execute(
            "UPDATE sync_batches SET job_id = @job_id WHERE plan_hash = @plan_hash AND batch_number = @number",
            {**self._plan, "number": number, "job_id": job_id},
        )

    def finish(
        self,
        number: int,
        object_name: str,
        outcomes: Sequence[Outcome],
        refused: Sequence[tuple[Outcome, str]] = (),
    ) -> None:
        """Store what became of a batch. Records of it without an outcome are still to be sent.

        Args:
            number: the batch's.
            object_name: the object of its records.
            outcomes: of records.
            refused: fields without which the rest of a record is still to be sent, each with the error.
        """
        with self._mart.transaction():
            self.record(object_name, outcomes)
            for outcome, name in refused:
                self._mart.execute(
                    "INSERT INTO sync_refused_values"
                    " (plan_hash, object_name, external_id, field_name, error_code, message)"
                    " VALUES (@plan_hash, @object, @external_id, @name, @code, @message)",
                    {
                        **self._plan,
                        "object": object_name,
                        "external_id": outcome.external_id,
                        "name": name,
                        "code": outcome.error_code,
                        "message": outcome.message and outcome.message[:_MESSAGE],
                    },
                )
            self._mart.execute(
                "UPDATE sync_batches SET state = 'done' WHERE plan_hash = @plan_hash AND batch_number = @number",
                {**self._plan, "number": number},
            )

    def record(self, object_name: str, outcomes: Sequence[Outcome]) -> None:
        """Store outcomes of records that were in no batch: those that are skipped."""
        if not outcomes:
            return
        text = pa.string()
        self._mart.append(
            "sync_outcomes",
            pa.table(
                {
                    "plan_hash": [self._plan["plan_hash"]] * len(outcomes),
                    "object_name": [object_name] * len(outcomes),
                    "external_id": [one.external_id for one in outcomes],
                    "status": [one.status for one in outcomes],
                    "record_id": pa.array([one.record_id for one in outcomes], text),
                    "error_code": pa.array([one.error_code for one in outcomes], text),
                    "message": pa.array([one.message and one.message[:_MESSAGE] for one in outcomes], text),
                    "tries": pa.array([one.tries for one in outcomes], pa.int32()),
                    "finished_at": [datetime.now(UTC).replace(tzinfo=None)] * len(outcomes),
                }
            ),
        )

    def skip_rest(self, code: str) -> None:
        """Every record of the plan that has no outcome is skipped, for this reason."""
        self._mart.execute(
            "INSERT INTO sync_outcomes"
            " (plan_hash, object_name, external_id, status, record_id, error_code, tries, finished_at)"
            " SELECT DISTINCT p.plan_hash, p.object_name, p.external_id, 'skipped', p.record_id, @code, 0, @now"
            " FROM sync_plan AS p LEFT OUTER JOIN sync_outcomes AS o"
            " ON p.plan_hash = o.plan_hash AND p.object_name = o.object_name AND p.external_id = o.external_id"
            " WHERE p.plan_hash = @plan_hash AND o.status IS NULL",
            {**self._plan, "code": code, "now": datetime.now(UTC).replace(tzinfo=None)},
        )

    def open_batches(self) -> list[OpenBatch]:
        """The batches of which nobody knows whether they were carried out."""
        rows = self._mart.fetch(
            "SELECT b.batch_number, b.object_name, b.method, b.job_id, r.external_id FROM sync_batches AS b"
            " INNER JOIN sync_batch_records AS r"
            " ON b.plan_hash = r.plan_hash AND b.batch_number = r.batch_number"
            " WHERE b.plan_hash = @plan_hash AND b.state = 'sent' ORDER BY b.batch_number, r.external_id",
            self._plan,
        ).to_pylist()
        held: dict[tuple[int, str, str, str | None], list[str]] = {}
        for row in rows:
            batch = (row["batch_number"], row["object_name"], row["method"], row["job_id"])
            held.setdefault(batch, []).append(row["external_id"])
        return [OpenBatch(*batch, tuple(external_ids)) for batch, external_ids in held.items()]
