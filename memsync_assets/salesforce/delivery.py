"""Gets the changes of a plan to the org: objects in order, batches, tries, and each outcome into the journal.

Collections or a Bulk job, by how many there are. What met a lock is sent again one parent at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import groupby
from math import ceil

from tenacity import Retrying, retry_if_result, stop_after_attempt, wait_random_exponential

from memsync_assets.mart.engine import Mart
from memsync_assets.salesforce import bulk, diff, sending
from memsync_assets.salesforce.changes import Change, Method, Outcome, by_parent, in_waves, read_changes
from memsync_assets.salesforce.client import Org
from memsync_assets.salesforce.errors import (
    LOCKED,
    OF_ONE_VALUE,
    PARENT_FAILED,
    RefusedError,
    TransientError,
    UnknownOutcomeError,
    is_transient,
)
from memsync_assets.salesforce.journal import Journal
from memsync_assets.salesforce.matching import match_records
from memsync_assets.salesforce.sending import BATCH, Target
from memsync_assets.salesforce.snapshot import take_snapshot
from memsync_assets.salesforce.specifications import Specifications, UploadSpecification

_TRIES = 5
# Calls of one Bulk job beside its polling: create, upload, close, state, three results.
_CALLS_OF_A_JOB = 8
_METHODS: tuple[Method, ...] = ("upsert", "update", "delete")


@dataclass(frozen=True)
class _Batch:
    """What one call, or one job, carries. data: the file of a job; None: Collections."""

    changes: list[Change]
    data: bytes | None = None


@dataclass
class _Tries:
    """What is known of changes that were tried before."""

    count: dict[str, int] = field(default_factory=dict)
    locked: set[str] = field(default_factory=set)

    def add(self, changes: Sequence[Change]) -> None:
        for change in changes:
            self.count[change.external_id] = self.count.get(change.external_id, 0) + 1


class Delivery:
    """One plan on its way to the org; `tell` is told how far it is.

    Attributes:
        write_calls: calls and jobs that wrote.
    """

    def __init__(
        self, mart: Mart, org: Org, specifications: Specifications, journal: Journal, tell: Callable[[str], None]
    ) -> None:
        self.mart = mart
        self.org = org
        self.specifications = specifications
        self.journal = journal
        self.write_calls = 0
        self._tell = tell
        self._wait = wait_random_exponential(multiplier=org.settings.retry_wait, max=60)

    def calls_needed(self) -> int:
        """How many calls the plan's changes need at least."""
        limit = self.org.settings.bulk_above
        rows = self.mart.fetch(
            "SELECT object_name, COUNT(DISTINCT external_id) AS n FROM sync_plan GROUP BY object_name"
        ).to_pylist()
        return sum(_CALLS_OF_A_JOB if row["n"] > limit else ceil(row["n"] / BATCH) for row in rows)

    def carry_out(self) -> None:
        """Send all that has no outcome yet.

        Raises:
            BudgetError: the calls of the day, less those reserved for others, are used up.
            SalesforceError: the org can be reached no more.
        """
        for one in self.specifications:
            self._deliver_object(Target(self.org, self.specifications, one))

    def _deliver_object(self, target: Target) -> None:
        known = self._made_by_org(target) if target.one.is_made_by_org else {}
        while changes := read_changes(self.mart, target.one):
            changes = [
                sending.as_update(target, change, known[change.external_id])
                if change.operation == "insert" and change.external_id in known
                else change
                for change in changes
            ]
            for wave in in_waves(target.one, changes):
                self._send_all(target, self._without_blocked(target.one, wave))
        self._learn_new_records(target.one)

    def _made_by_org(self, target: Target) -> dict[str, str]:
        """Ids of planned new records that the org has made by itself in the meantime, by external id."""
        planned = self.mart.fetch(
            "SELECT COUNT(*) AS n FROM changed_records WHERE object_name = @object AND operation = 'insert'",
            {"object": target.one.object},
        )
        if not planned["n"][0].as_py():
            return {}
        take_snapshot(self.mart, self.org, target.one, datetime.now(UTC))
        with self.mart.transaction():
            match_records(self.mart, target.one)
        rows = self.mart.fetch(
            "SELECT m.external_id, m.record_id FROM record_matches AS m INNER JOIN changed_records AS c"
            " ON m.object_name = c.object_name AND m.external_id = c.external_id"
            " WHERE m.object_name = @object AND c.operation = 'insert'",
            {"object": target.one.object},
        )
        return dict(zip(rows["external_id"].to_pylist(), rows["record_id"].to_pylist(), strict=True))

    def _without_blocked(self, one: UploadSpecification, changes: list[Change]) -> list[Change]:
        """Leave out, as skipped, what hangs on a record that could not be written."""
        blocked: set[str] = set()
        for statement in diff.blocked(one):
            blocked |= set(self.mart.fetch(statement)["external_id"].to_pylist())
        skipped = [change for change in changes if change.external_id in blocked]
        self.journal.record(
            one.object, [Outcome(change.external_id, "skipped", change.record_id, PARENT_FAILED) for change in skipped]
        )
        return [change for change in changes if change.external_id not in blocked]

    def _learn_new_records(self, one: UploadSpecification) -> None:
        self.mart.execute(
            "INSERT INTO record_matches (object_name, external_id, record_id, is_adopted)"
            " SELECT o.object_name, o.external_id, o.record_id, 'N' FROM sync_outcomes AS o"
            " INNER JOIN sync_plan_state AS s ON o.plan_hash = s.plan_hash"
            " LEFT OUTER JOIN record_matches AS m"
            " ON o.object_name = m.object_name AND o.external_id = m.external_id"
            " WHERE o.object_name = @object AND o.status = 'succeeded' AND o.record_id IS NOT NULL"
            " AND m.record_id IS NULL",
            {"object": one.object},
        )

    def _send_all(self, target: Target, changes: list[Change]) -> None:
        """Send changes until each has an outcome."""
        tries = _Tries()
        left = changes
        for attempt in Retrying(stop=stop_after_attempt(_TRIES), wait=self._wait, retry=retry_if_result(bool)):
            with attempt:
                now, left = left, []
                last = attempt.retry_state.attempt_number == _TRIES
                for batch in self._batches(target, now, frozenset(tries.locked)):
                    left += self._send_batch(target, batch, tries, last=last)
            outcome = attempt.retry_state.outcome
            if outcome is None or not outcome.failed:
                attempt.retry_state.set_result(left)

    def _batches(self, target: Target, changes: Sequence[Change], locked: frozenset[str]) -> Iterator[_Batch]:
        free = [change for change in changes if change.external_id not in locked]
        for method in _METHODS:
            same = [change for change in free if change.method == method]
            if len(free) > self.org.settings.bulk_above and same:
                for data, held in bulk.write_files(target, same):
                    yield _Batch(held, data)
            else:
                yield from (_Batch(same[at : at + BATCH]) for at in range(0, len(same), BATCH))
        in_series = sorted(
            (change for change in changes if change.external_id in locked),
            key=lambda change: (_METHODS.index(change.method), by_parent(target.one, change)),
        )
        for _, siblings in groupby(in_series, lambda change: (change.method, by_parent(target.one, change)[0])):
            below = list(siblings)
            yield from (_Batch(below[at : at + BATCH]) for at in range(0, len(below), BATCH))

    def _send_batch(self, target: Target, batch: _Batch, tries: _Tries, *, last: bool) -> list[Change]:
        """Send one batch, store the outcomes, and give the changes that are to be sent again."""
        self.org.check_budget()
        changes = batch.changes
        self._tell(f"sending {target.one.object}: {len(changes):,} records, batch {self.write_calls + 1:,}")
        number = self.journal.begin(target.one.object, "bulk" if batch.data else "collections", changes)
        self.write_calls += 1
        tries.add(changes)
        code = "not_processed"
        try:
            if batch.data is not None:
                outcomes = bulk.send(target, batch.data, changes, self._keep(number))
            else:
                outcomes = sending.send(target, changes)
        except UnknownOutcomeError as error:
            if batch.data is not None:
                # The job runs on, and its id is in the journal: the next run reads its results.
                raise
            outcomes, changes = sending.ask(target, changes)
            code = error.code
        except TransientError as error:
            outcomes, code = [], error.code
        except RefusedError as error:
            outcomes = [Outcome(one.external_id, "failed", one.record_id, error.code) for one in changes]
        return self._settle(target.one, number, changes, outcomes, code, tries, last=last)

    def _keep(self, number: int) -> Callable[[str], None]:
        return lambda job_id: self.journal.keep_job(number, job_id)

    def _settle(
        self,
        one: UploadSpecification,
        number: int,
        changes: Sequence[Change],
        outcomes: Sequence[Outcome],
        code: str,
        tries: _Tries,
        *,
        last: bool,
    ) -> list[Change]:
        """Tell outcomes that stand from changes that are to be sent again. code: of changes without an outcome."""
        by_id = {outcome.external_id: outcome for outcome in outcomes}
        again: list[Change] = []
        standing = [outcome for outcome in outcomes if outcome.status == "succeeded"]
        refused: list[tuple[Outcome, str]] = []
        for change in changes:
            outcome = by_id.get(change.external_id) or Outcome(change.external_id, "failed", change.record_id, code)
            if outcome.status == "succeeded":
                continue
            if last:
                standing.append(outcome)
            elif change.external_id not in by_id or is_transient(outcome.error_code):
                again.append(change)
                if outcome.error_code == LOCKED:
                    tries.locked.add(change.external_id)
            elif smaller := _without_refused_values(one, change, outcome):
                refused += [(outcome, name) for name in change.values if name not in smaller.values]
                again.append(smaller)
            else:
                standing.append(outcome)
        settled = [replace(outcome, tries=tries.count.get(outcome.external_id, 1)) for outcome in standing]
        self.journal.finish(number, one.object, settled, refused)
        return again


def _without_refused_values(one: UploadSpecification, change: Change, outcome: Outcome) -> Change | None:
    """The rest of a change of which Salesforce refuses single values; None where that is not the trouble."""
    bad = set(outcome.fields) & change.values.keys() - {one.external_id.field}
    if outcome.error_code not in OF_ONE_VALUE or not bad:
        return None
    rest = {name: value for name, value in change.values.items() if name not in bad}
    return replace(change, values=rest) if rest else None
