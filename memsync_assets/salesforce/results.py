"""What became of a plan: stored at the grain of the plan, counted, and compared with what the org then holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from memsync_assets.mart.engine import Mart, ReplacePartition
from memsync_assets.mart.queries import read_query
from memsync_assets.salesforce import dead_letters, diff
from memsync_assets.salesforce.client import Org
from memsync_assets.salesforce.errors import GONE
from memsync_assets.salesforce.plan_state import current_plan, find_plan
from memsync_assets.salesforce.snapshot import forget_snapshots, take_snapshot
from memsync_assets.salesforce.specifications import Specifications

#: Why changes that were to be sent wait, by code. What an option or a setting leaves unsent on purpose does not.
_WAITING = {
    "held_by_breaker": "held by the breaker",
    "api_budget": "what is left of the org's API calls of the day is reserved for others",
    "REQUEST_LIMIT_EXCEEDED": "the org's API calls of the day are used up",
}


@dataclass(frozen=True)
class Unsent:
    """Changes of the plan at hand that were to be sent and wait.

    Attributes:
        reason: why, for people.
        remedy: the command that sends them.
    """

    changes: int
    code: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class SyncCounts:
    """What became of a plan.

    Attributes:
        planned: rows of sync_plan; always succeeded + failed + skipped.
        codes: rows that failed or were skipped, by error code.
        read_back_differences: rows that succeeded and are not what the org was found to hold afterwards.
        write_calls: calls and jobs that wrote to the org.
        api_calls: all calls.
        skipped_because: why nothing was sent; None: it was.
    """

    plan_hash: str
    planned: int
    succeeded: int
    failed: int
    skipped: int
    codes: dict[str, int] = field(default_factory=dict)
    read_back_differences: int = 0
    write_calls: int = 0
    api_calls: int = 0
    skipped_because: str | None = None


def store_results(mart: Mart, specifications: Specifications, plan_hash: str) -> None:
    """Turn the outcomes of records into salesforce_sync_results; keep dead letters and the values agreed on."""
    given = {"plan_hash": plan_hash}
    mart.store(read_query("salesforce/salesforce_sync_results"), ReplacePartition(("plan_hash",)), given)
    dead_letters.keep(mart, plan_hash)
    _forget_where_records_are_gone(mart, plan_hash)
    for one in specifications:
        for statement in diff.agreed(one):
            mart.execute(statement, given)


def _forget_where_records_are_gone(mart: Mart, plan_hash: str) -> None:
    """Read an object whole next time, where one of its records is not there: a delta never tells of some deletions."""
    codes = ", ".join(f"'{code}'" for code in sorted(GONE))
    gone = mart.fetch(
        "SELECT COUNT(*) AS n FROM salesforce_sync_results"  # noqa: S608
        f" WHERE plan_hash = @plan_hash AND status = 'failed' AND error_code IN ({codes})",
        {"plan_hash": plan_hash},
    )
    if gone["n"][0].as_py():
        # The one that is gone can be a parent of the record that failed.
        forget_snapshots(mart)


def store_skipped(mart: Mart, plan_hash: str) -> None:
    """The results of a plan of which nothing was sent."""
    query = read_query("salesforce/salesforce_sync_results")
    mart.store(query, ReplacePartition(("plan_hash",)), {"plan_hash": plan_hash})


def read_back(mart: Mart, org: Org, specifications: Specifications, plan_hash: str) -> None:
    """Read from the org what was sent, and store where it holds something else."""
    given = {"plan_hash": plan_hash}
    now = datetime.now(UTC)
    for one in specifications:
        take_snapshot(mart, org, one, now)
    with mart.transaction():
        mart.execute("DELETE FROM read_back_differences")
        for one in specifications:
            for statement in diff.read_back(specifications, one):
                mart.execute(statement, given)


def count_current_results(mart: Mart) -> SyncCounts:
    """The results of the plan at hand. Raises MemsyncError where there is none."""
    return count_results(mart, current_plan(mart).plan_hash)


def count_results(mart: Mart, plan_hash: str) -> SyncCounts:
    """The results of a plan, as they are stored."""
    given = {"plan_hash": plan_hash}
    rows = mart.fetch(
        "SELECT status, error_code, COUNT(*) AS n FROM salesforce_sync_results WHERE plan_hash = @plan_hash"
        " GROUP BY status, error_code ORDER BY status, error_code",
        given,
    ).to_pylist()

    def total(status: str) -> int:
        return sum(int(row["n"]) for row in rows if row["status"] == status)

    def count(table: str) -> int:
        counted = mart.fetch(f"SELECT COUNT(*) AS n FROM {table} WHERE plan_hash = @plan_hash", given)  # noqa: S608
        return int(counted["n"][0].as_py())

    codes: dict[str, int] = {}
    for row in rows:
        if row["error_code"]:
            codes[row["error_code"]] = codes.get(row["error_code"], 0) + int(row["n"])
    return SyncCounts(
        plan_hash,
        count("sync_plan"),
        total("succeeded"),
        total("failed"),
        total("skipped"),
        codes,
        count("read_back_differences"),
    )


def find_unsent(mart: Mart) -> Unsent | None:
    """What the last apply had to leave, or None."""
    plan = find_plan(mart)
    if plan is None:
        return None
    rows = mart.fetch(
        "SELECT error_code, COUNT(*) AS n FROM salesforce_sync_results"
        " WHERE plan_hash = @plan_hash AND status = 'skipped' GROUP BY error_code",
        {"plan_hash": plan.plan_hash},
    ).to_pylist()
    waiting = {row["error_code"]: int(row["n"]) for row in rows if row["error_code"] in _WAITING}
    if not waiting:
        return None
    # A plan is left for one reason.
    ((code, changes),) = waiting.items()
    reason = f"{_WAITING[code]}: {plan.held}" if code == "held_by_breaker" else _WAITING[code]
    # A plan of which a part was sent is closed.
    remedy = f"apply --approve {plan.plan_hash}" if plan.state == "made" else "plan, then memsync apply"
    return Unsent(changes, code, reason, f"memsync {remedy}")
