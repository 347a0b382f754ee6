"""The sync plan: the smallest set of changes that makes the org agree with the mart, field by field.

The org is read, never written. What is done about the plan is in `apply`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.csv

from memsync_assets.contacts.as_of import date_of_roles
from memsync_assets.mart.engine import Mart, Replace
from memsync_assets.mart.queries import all_queries
from memsync_assets.salesforce import diff
from memsync_assets.salesforce.breaker import why_held
from memsync_assets.salesforce.client import Org
from memsync_assets.salesforce.dead_letters import hold_back
from memsync_assets.salesforce.fit import check_org, check_table
from memsync_assets.salesforce.matching import match_records
from memsync_assets.salesforce.recovery import close_interrupted
from memsync_assets.salesforce.snapshot import SnapshotCounts, clear_snapshot, take_snapshot
from memsync_assets.salesforce.specifications import Specifications, UploadSpecification, read_specifications
from memsync_assets.settings import Project

_COLUMNS = "object_name, external_id, record_id, operation, field_name, before_value, after_value, reason"


@dataclass(frozen=True)
class PlanCounts:
    """What a plan holds.

    Attributes:
        plan_hash: stands for the content of the plan; an empty plan has one too.
        changes: rows of sync_plan: one for each record and field.
        records: records, by object and operation.
        reasons: rows, by reason.
        read: records read from the org, by object.
        held_back: changes that are not planned again, since they or what they hang on failed for good.
        held: why the breaker holds the plan; None: it may be applied.
        api_calls: calls that making the plan took.
    """

    plan_hash: str
    changes: int
    records: dict[str, int]
    reasons: dict[str, int]
    read: dict[str, int] = field(default_factory=dict)
    held_back: int = 0
    held: str | None = None
    api_calls: int = 0


def make_plan(
    mart: Mart,
    project: Project,
    org: Org | None,
    *,
    retry_failed: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> PlanCounts:
    """Fill the upload tables, bring the snapshot of the org up to date, and store what differs in sync_plan.

    What an apply that was cut short left open is settled first. Without an org, the plan is for an empty one.

    Args:
        mart: the mart.
        project: its settings, and the as-of date on which roles are in force.
        org: the org to read.
        retry_failed: plan what failed for good before, too.
        tell: is told what is being done.

    Raises:
        MemsyncError: an upload specification is wrong, or does not fit the mart or the org.
    """
    calls = org.calls if org else 0
    specifications = read_specifications(project)
    close_interrupted(mart, org, specifications)
    found = find_changes(mart, project, org, specifications, retry_failed=retry_failed, tell=tell)
    held = why_held(mart, project.settings.salesforce, specifications)
    given = {
        "plan_hash": found.plan_hash,
        "organization_id": org.organization.organization_id if org else None,
        "made_at": datetime.now(UTC).replace(tzinfo=None),
        "held": held,
        "retries_failed": "Y" if retry_failed else "N",
    }
    with mart.transaction():
        mart.execute("DELETE FROM sync_plan")
        mart.execute(
            f"INSERT INTO sync_plan (plan_hash, {_COLUMNS}) SELECT @plan_hash, {_COLUMNS} FROM planned_changes",  # noqa: S608
            given,
        )
        mart.execute("DELETE FROM sync_plan_state")
        mart.execute(
            "INSERT INTO sync_plan_state (plan_hash, organization_id, made_at, state, held, retries_failed)"
            " VALUES (@plan_hash, @organization_id, @made_at, 'made', @held, @retries_failed)",
            given,
        )
    return PlanCounts(
        found.plan_hash,
        _count(mart, "SELECT COUNT(*) AS n FROM sync_plan"),
        _counts(
            mart,
            "SELECT CONCAT(object_name, ' ', operation) AS name, COUNT(DISTINCT external_id) AS n FROM sync_plan"
            " GROUP BY object_name, operation ORDER BY name",
        ),
        _counts(mart, "SELECT reason AS name, COUNT(*) AS n FROM sync_plan GROUP BY reason ORDER BY name"),
        {name: counts.read for name, counts in found.read.items()},
        found.held_back,
        held,
        org.calls - calls if org else 0,
    )


@dataclass(frozen=True)
class FoundChanges:
    """What differs now, in planned_changes."""

    plan_hash: str
    read: dict[str, SnapshotCounts]
    held_back: int


def find_changes(
    mart: Mart,
    project: Project,
    org: Org | None,
    specifications: Specifications,
    *,
    retry_failed: bool,
    tell: Callable[[str], None] = lambda _: None,
) -> FoundChanges:
    """Find what differs between mart and org now, whatever was planned before. Raises MemsyncError."""
    fill_upload_tables(mart, specifications, project.as_of)
    read: dict[str, SnapshotCounts] = {}
    now = datetime.now(UTC)
    for one in specifications:
        if org:
            tell(f"reading {one.object} from the org")
            check_org(mart, specifications, one, org)
            read[one.object] = take_snapshot(mart, org, one, now)
        else:
            clear_snapshot(mart, one)
    tell("comparing")
    with mart.transaction():
        find_differences(mart, specifications)
        held_back = 0 if retry_failed else hold_back(mart, specifications)
    return FoundChanges(hash_changes(mart), read, held_back)


def fill_upload_tables(mart: Mart, specifications: Specifications, as_of: date | None) -> None:
    """Store what Salesforce is to hold. as_of: roles in force on this date; None: the loads' latest as-of date.

    Raises:
        MemsyncError: a specification names a table or a column that is not there.
    """
    _store_picklist_values(mart, specifications)
    by_table = {query.table: query for query in all_queries() if query.name.startswith("salesforce/")}
    given = {"as_of": date_of_roles(mart, as_of)}
    for one in specifications:
        if one.table in by_table:
            mart.store(by_table[one.table], Replace(), given)
        check_table(mart, specifications, one)


def _store_picklist_values(mart: Mart, specifications: Specifications) -> None:
    rows = [
        {"object_name": one.object, "field_name": name, "source_value": source, "picklist_value": value}
        for one in specifications
        for name, rule in one.fields.items()
        for source, value in rule.values.items()
    ]
    with mart.transaction():
        mart.execute("DELETE FROM picklist_values")
        if rows:
            mart.append("picklist_values", pa.Table.from_pylist(rows))


def find_differences(mart: Mart, specifications: Specifications) -> None:
    """Fill planned_changes from the upload tables and the live values as they stand in the mart."""
    for table in ("record_matches", "changed_records", "planned_changes"):
        mart.execute(f"DELETE FROM {table}")  # noqa: S608
    for one in specifications:
        match_records(mart, one)
        mart.execute(diff.new_records(one))
        mart.execute(diff.different_records(one))
        if one.removed.action != "ignore":
            mart.execute(diff.removed_records(one))
        _list_changes(mart, specifications, one)


def _list_changes(mart: Mart, specifications: Specifications, one: UploadSpecification) -> None:
    mart.execute(diff.external_ids(one))
    for name in one.fields:
        mart.execute(diff.changed_fields(specifications, one, name))
    for name in one.removed.set:
        mart.execute(diff.deactivations(one, name))
    mart.execute(diff.removals(one))


class _Digest:
    """A file that only keeps the SHA-256 of what is written to it."""

    closed = False

    def __init__(self) -> None:
        self.sha256 = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        return len(data)

    def flush(self) -> None:
        pass

    def writable(self) -> bool:
        return True


def hash_changes(mart: Mart) -> str:
    """SHA-256 over planned_changes: the same changes give the same hash. Read a field at a time, to bound memory."""
    digest = _Digest()
    fields = mart.fetch(
        "SELECT DISTINCT object_name, field_name FROM planned_changes ORDER BY object_name, field_name"
    ).to_pylist()
    for field_of_object in fields:
        rows = mart.fetch(
            f"SELECT {_COLUMNS} FROM planned_changes"  # noqa: S608
            " WHERE object_name = @object_name AND field_name = @field_name ORDER BY external_id",
            field_of_object,
        )
        pa.csv.write_csv(rows, pa.PythonFile(digest, mode="w"))
    return digest.sha256.hexdigest()


def _count(mart: Mart, sql: str, parameters: Mapping[str, object] | None = None) -> int:
    return int(mart.fetch(sql, parameters)["n"][0].as_py())


def _counts(mart: Mart, sql: str) -> dict[str, int]:
    return {row["name"]: int(row["n"]) for row in mart.fetch(sql).to_pylist()}
