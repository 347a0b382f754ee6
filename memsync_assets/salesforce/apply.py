"""Carries a sync plan out: parents first, each batch journalled before it is sent, each outcome kept.

After a crash the same call goes on: what the journal knows is known, what was under way is asked of the org, the rest
is sent. How records are sent is in `sending`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import groupby

from tenacity import Retrying, retry_if_result, stop_after_attempt, wait_random_exponential

from memsync_assets.mart.engine import Mart, ReplacePartition
from memsync_assets.mart.queries import read_query
from memsync_assets.salesforce import diff
from memsync_assets.salesforce.changes import Change, Outcome, in_waves, read_changes
from memsync_assets.salesforce.client import Org
from memsync_assets.salesforce.errors import (
    LOCKED,
    BudgetError,
    RefusedError,
    StalePlanError,
    TransientError,
    UnknownOutcomeError,
    passes,
)
from memsync_assets.salesforce.journal import Journal
from memsync_assets.salesforce.plan import match_records
from memsync_assets.salesforce.sending import Target, as_update, ask, batches, send
from memsync_assets.salesforce.snapshot import take_snapshot
from memsync_assets.salesforce.specifications import Specifications, UploadSpecification, read_specifications
from memsync_assets.settings import MemsyncError, Project

_TRIES = 4


@dataclass(frozen=True)
class SyncCounts:
    """What became of a plan.

    Attributes:
        planned: rows of sync_plan; always succeeded + failed + skipped.
        codes: rows that failed or were skipped, by error code.
        write_calls: calls that wrote to the org.
        api_calls: all calls.
        skipped_because: why nothing was sent; None: it was.
    """

    plan_hash: str
    planned: int
    succeeded: int
    failed: int
    skipped: int
    codes: dict[str, int] = field(default_factory=dict)
    write_calls: int = 0
    api_calls: int = 0
    skipped_because: str | None = None


@dataclass(frozen=True)
class _Plan:
    plan_hash: str
    organization_id: str | None
    state: str
    held: str | None


def apply_plan(mart: Mart, project: Project, org: Org | None, approve: str | None = None) -> SyncCounts:
    """Carry out the plan that sync_plan holds, once: a plan that was carried out is not sent again.

    Args:
        mart: the mart.
        project: its settings say whether the org may be written to.
        org: None: nothing is sent, every change is skipped as `plan_only`.
        approve: the hash of the plan that a person has approved; needed where the breaker holds it.

    Raises:
        StalePlanError: another plan than this one was approved.
        MemsyncError: there is no plan, or it was made for another org.
    """
    plan = _current_plan(mart)
    if approve is not None and approve != plan.plan_hash:
        raise StalePlanError(
            f"the plan {approve[:12]} is not the one at hand ({plan.plan_hash[:12]}). Look at it again."
        )
    journal = Journal(mart, plan.plan_hash)
    if plan.state == "applied":
        return count_results(mart, plan.plan_hash)
    if plan.state == "made":
        journal.clear()
    calls = org.calls if org else 0
    skipped_because = _why_not(mart, project, org, plan, approve)
    write_calls = 0
    if org and not skipped_because:
        _set_state(mart, plan, "applying")
        run = _Run(mart, org, read_specifications(project), journal)
        run.carry_out()
        write_calls = run.write_calls
    _finish(mart, journal, plan, skipped_because, read_specifications(project))
    counts = count_results(mart, plan.plan_hash)
    api_calls = org.calls - calls if org else 0
    return replace(counts, write_calls=write_calls, api_calls=api_calls, skipped_because=skipped_because)


def count_current_results(mart: Mart) -> SyncCounts:
    """The results of the plan that sync_plan holds. Raises MemsyncError where there is none."""
    return count_results(mart, _current_plan(mart).plan_hash)


def count_results(mart: Mart, plan_hash: str) -> SyncCounts:
    """The results of a plan, as they are stored."""
    given = {"plan_hash": plan_hash}
    planned = mart.fetch("SELECT COUNT(*) AS n FROM sync_plan WHERE plan_hash = @plan_hash", given)
    rows = mart.fetch(
        "SELECT status, error_code, COUNT(*) AS n FROM salesforce_sync_results WHERE plan_hash = @plan_hash"
        " GROUP BY status, error_code ORDER BY status, error_code",
        given,
    ).to_pylist()

    def total(status: str) -> int:
        return sum(int(row["n"]) for row in rows if row["status"] == status)

    codes = {row["error_code"]: int(row["n"]) for row in rows if row["error_code"]}
    return SyncCounts(
        plan_hash, int(planned["n"][0].as_py()), total("succeeded"), total("failed"), total("skipped"), codes
    )


class _Run:
    """One apply under way."""

    def __init__(self, mart: Mart, org: Org, specifications: Specifications, journal: Journal) -> None:
        self.mart = mart
        self.org = org
        self.specifications = specifications
        self.journal = journal
        self.write_calls = 0
        self._wait = wait_random_exponential(multiplier=org.settings.retry_wait, max=60)

    def carry_out(self) -> None:
        try:
            self._settle()
            for one in self.specifications:
                self._apply_object(Target(self.org, self.specifications, one))
        except BudgetError as error:
            self.journal.skip_rest(error.code)

    def _settle(self) -> None:
        """Ask the org about the batches that were under way when an earlier run ended."""
        for batch in self.journal.open_batches():
            one = self.specifications.of(batch.object_name)
            wanted = set(batch.external_ids)
            changes = [change for change in read_changes(self.mart, one) if change.external_id in wanted]
            outcomes, _ = ask(Target(self.org, self.specifications, one), changes)
            self.journal.finish(batch.number, one.object, outcomes)

    def _apply_object(self, target: Target) -> None:
        changes = read_changes(self.mart, target.one)
        if not changes:
            return
        if target.one.is_made_by_org:
            changes = self._known_by_now(target, changes)
        for wave in in_waves(target.one, changes):
            self._send_all(target, wave)
        self._learn_new_records(target.one)

    def _known_by_now(self, target: Target, changes: list[Change]) -> list[Change]:
        """New records that the org has made by itself in the meantime are updated instead."""
        if not any(change.operation == "insert" for change in changes):
            return changes
        organization_id = self.org.organization().organization_id
        take_snapshot(self.mart, self.org, target.one, organization_id, datetime.now(UTC))
        with self.mart.transaction():
            match_records(self.mart, target.one)
        rows = self.mart.fetch(
            "SELECT external_id, record_id FROM record_matches WHERE object_name = @object",
            {"object": target.one.object},
        )
        known = dict(zip(rows["external_id"].to_pylist(), rows["record_id"].to_pylist(), strict=True))
        return [
            as_update(target, change, known[change.external_id])
            if change.operation == "insert" and change.external_id in known
            else change
            for change in changes
        ]

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

    def _send_all(self, target: Target, changes: Sequence[Change]) -> None:
        """Send changes until each has an outcome; what met a lock again, one parent at a time."""
        tried: dict[str, int] = {}
        locked: set[str] = set()
        left = list(changes)
        for attempt in Retrying(stop=stop_after_attempt(_TRIES), wait=self._wait, retry=retry_if_result(bool)):
            with attempt:
                sending, left = left, []
                last = attempt.retry_state.attempt_number == _TRIES
                for batch in self._batches(target, sending, locked):
                    left += self._send_batch(target, batch, tried, locked, last=last)
            attempt.retry_state.set_result(left)

    def _batches(self, target: Target, changes: Sequence[Change], locked: set[str]) -> Iterator[list[Change]]:
        yield from batches([change for change in changes if change.external_id not in locked])
        in_series = [change for change in changes if change.external_id in locked]
        for _, siblings in groupby(in_series, lambda change: _parent(target.one, change)):
            yield from batches(list(siblings))

    def _send_batch(
        self, target: Target, batch: list[Change], tried: dict[str, int], locked: set[str], *, last: bool
    ) -> list[Change]:
        """Send one batch, store the outcomes, and give the changes that are to be sent again."""
        number = self.journal.begin(target.one.object, "collections", batch)
        again: list[Change] = []
        self.write_calls += 1
        for change in batch:
            tried[change.external_id] = tried.get(change.external_id, 0) + 1
        try:
            outcomes = send(target, batch)
        except UnknownOutcomeError as error:
            outcomes, again = ask(target, batch)
            if last:
                outcomes += [_failed(change, error.code) for change in again]
                again = []
        except TransientError as error:
            outcomes = [_failed(change, error.code) for change in batch] if last else []
            again = [] if last else list(batch)
        except RefusedError as error:
            outcomes = [_failed(change, error.code) for change in batch]
        by_id = {change.external_id: change for change in batch}
        settled = []
        for outcome in outcomes:
            if outcome.status == "failed" and passes(outcome.error_code or "") and not last:
                again.append(by_id[outcome.external_id])
                if outcome.error_code == LOCKED:
                    locked.add(outcome.external_id)
            else:
                settled.append(replace(outcome, tries=tried[outcome.external_id]))
        self.journal.finish(number, target.one.object, settled)
        return again


def _parent(one: UploadSpecification, change: Change) -> str:
    return next((change.values[name] or "" for name in one.references if name in change.values), change.external_id)


def _failed(change: Change, code: str) -> Outcome:
    return Outcome(change.external_id, "failed", change.record_id, code)


def _current_plan(mart: Mart) -> _Plan:
    rows = mart.fetch("SELECT plan_hash, organization_id, state, held FROM sync_plan_state").to_pylist()
    if not rows:
        raise MemsyncError("there is no sync plan yet. Make one first: memsync plan.")
    return _Plan(**rows[0])


def _why_not(mart: Mart, project: Project, org: Org | None, plan: _Plan, approve: str | None) -> str | None:
    """The code of the reason why nothing may be sent, or None."""
    if org is None or project.plan_only:
        return "plan_only"
    if plan.held and approve != plan.plan_hash:
        return "held_by_breaker"
    if not mart.fetch("SELECT COUNT(*) AS n FROM sync_plan")["n"][0].as_py():
        return None
    organization = org.organization()
    if organization.organization_id != plan.organization_id:
        raise StalePlanError("the plan was made for another org. Make it again: memsync plan.")
    if not (organization.is_sandbox or org.is_local or project.settings.salesforce.allow_production):
        return "production_not_allowed"
    return None


def _set_state(mart: Mart, plan: _Plan, state: str) -> None:
    mart.execute(
        "UPDATE sync_plan_state SET state = @state WHERE plan_hash = @plan_hash",
        {"state": state, "plan_hash": plan.plan_hash},
    )


def _finish(
    mart: Mart, journal: Journal, plan: _Plan, skipped_because: str | None, specifications: Specifications
) -> None:
    given = {"plan_hash": plan.plan_hash}
    with mart.transaction():
        if skipped_because:
            journal.skip_rest(skipped_because)
        mart.store(read_query("salesforce/salesforce_sync_results"), ReplacePartition(("plan_hash",)), given)
        if not skipped_because:
            for one in specifications:
                for statement in diff.agreed(one):
                    mart.execute(statement, given)
            _set_state(mart, plan, "applied")
