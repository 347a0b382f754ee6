"""Every fault that the local org can script, struck in a sync that inserts, updates, deactivates and deletes.

Each time the results say of each planned change what the org then holds, and the next run leaves nothing to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest

from memsync_assets.local_org.faults import Fault
from memsync_assets.salesforce import client
from memsync_assets.salesforce.specifications import read_specifications
from memsync_assets.settings import MemsyncError
from tests.salesforce.scene import Scene
from tests.salesforce.test_failures import adds_up
from tests.salesforce.test_sync import small

WRITES = "composite/sobjects"
INGEST = "jobs/ingest"
#: Stands for the ids of all Accounts.
ACCOUNTS = "all accounts"
#: Faults of any write, then of one kind of it, then of what is read; those that pass are made up for in the same run.
PASSING_ANYWHERE: list[dict[str, Any]] = [
    {"kind": "status", "status": 503, "times": 2},
    {"kind": "status", "status": 500, "after": 1},
    {"kind": "status", "status": 429, "times": 3, "retry_after": 0},
    {"kind": "status", "status": 401},
    {"kind": "delay", "seconds": 0.6},
    {"kind": "delay", "seconds": 0.6, "after": 2},
    {"kind": "cut", "when": "before", "times": 2},
    {"kind": "cut", "when": "after"},
    {"kind": "cut", "when": "after", "after": 2},
    {"kind": "cut", "when": "after", "after": 3},
    {"kind": "expire"},
    {"kind": "expire", "after": 2},
    {"kind": "charset", "charset": "utf-8", "declared": None, "times": 10},
    {"kind": "lock", "ids": ACCOUNTS, "times": 2},
]
PASSING_IN_BULK: list[dict[str, Any]] = [
    {"kind": "job_fails", "rows": 0},
    {"kind": "slow_job", "seconds": 0.1, "times": 2},
    {"kind": "status", "status": 503, "method": "PUT", "path": "batches"},
    {"kind": "cut", "when": "after", "method": "PUT", "path": "batches"},
    {"kind": "cut", "when": "after", "method": "PATCH", "path": INGEST},
    {"kind": "cut", "when": "after", "method": "GET", "path": INGEST, "times": 2},
    {"kind": "expire", "method": "PUT", "path": "batches"},
    {"kind": "expire", "method": "GET", "path": "successfulResults"},
    {"kind": "status", "status": 500, "method": "GET", "path": "failedResults"},
]
PASSING_WHILE_READING: list[dict[str, Any]] = [
    {"kind": "status", "status": 503, "path": "/query", "times": 3},
    {"kind": "status", "status": 503, "path": "describe", "times": 3},
    {"kind": "status", "status": 503, "path": "oauth2", "times": 2},
    {"kind": "delay", "seconds": 0.6, "path": "/query"},
    {"kind": "cut", "when": "before", "path": "/query"},
    {"kind": "expire", "path": "/query", "after": 1},
    {"kind": "charset", "charset": "utf-8", "declared": None, "path": "/query", "times": 10},
]
LASTING_ANYWHERE: list[dict[str, Any]] = [
    {"kind": "status", "status": 429, "times": 1000},
    {"kind": "status", "status": 403, "after": 1},
    {"kind": "status", "status": 400, "code": "MALFORMED_ID", "after": 1},
    {"kind": "status", "status": 404, "code": "NOT_FOUND", "after": 1},
    {"kind": "lock", "ids": ACCOUNTS, "times": 1000},
    {"kind": "limit", "of": "requests", "remaining": 0},
    {"kind": "limit", "of": "requests", "remaining": 14},
    {"kind": "limit", "of": "requests", "remaining": 1014},
    {"kind": "duplicates", "times": 1},
]
LASTING_IN_BULK: list[dict[str, Any]] = [
    {"kind": "limit", "of": "batches", "remaining": 0},
    {"kind": "limit", "of": "batches", "remaining": 1},
]
COLLECTIONS, BULK = 2000, 0


def cases() -> Iterator[Any]:
    """Each fault with the way that records go, and whether it passes."""
    for bulk_above, writes in ((COLLECTIONS, WRITES), (BULK, INGEST)):
        for passes, faults in ((True, PASSING_ANYWHERE), (False, LASTING_ANYWHERE)):
            for fault in faults:
                of_calls = fault["kind"] in ("status", "delay", "cut", "expire", "charset")
                yield {**fault, "path": writes} if of_calls else fault, bulk_above, passes
    yield from ((fault, BULK, True) for fault in PASSING_IN_BULK)
    yield from ((fault, COLLECTIONS, True) for fault in PASSING_WHILE_READING)
    yield from ((fault, BULK, False) for fault in LASTING_IN_BULK)


CASES = [
    pytest.param(fault, bulk_above, passes, id="-".join(map(str, fault.values())))
    for fault, bulk_above, passes in cases()
]


def test_no_kind_of_fault_is_left_out() -> None:
    kinds = {get_args(one.model_fields["kind"].annotation)[0] for one in get_args(Fault)}
    assert {fault["kind"] for fault, _, _ in cases()} == kinds


@pytest.mark.parametrize(("fault", "bulk_above", "passes"), CASES)
def test_the_results_tell_the_truth_and_the_next_run_ends_clean(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, fault: dict[str, Any], bulk_above: int, passes: bool
) -> None:
    monkeypatch.setattr(client, "_TIMEOUT", (5, 0.3) if fault["kind"] == "delay" else client._TIMEOUT)
    scene.set(bulk_above=bulk_above, api_calls_reserved=1000 if fault.get("remaining", 0) > 1000 else 0)
    changed(scene)
    if fault.get("ids") == ACCOUNTS:
        fault = {**fault, "ids": [row["Id"] for row in scene.rows("SELECT Id FROM Account")]}
    plan = scene.plan()
    assert {name.rsplit(" ", 1)[1] for name in plan.records} == {"insert", "update", "deactivate", "delete"}
    scene.log_out()
    scene.fault(**fault)
    try:
        counts = scene.apply()
    except MemsyncError:
        assert not passes
        # The org could be reached no more: what was begun goes on with the next call.
        scene.no_faults()
        counts = scene.apply()
    scene.no_faults()
    assert adds_up(counts)
    assert counts.succeeded == counts.planned or not passes, counts
    tells_the_truth(scene)
    scene.plan(retry_failed=True)
    counts = scene.apply()
    assert (counts.failed, counts.skipped) == (0, 0), counts
    assert scene.plan().changes == 0
    tells_the_truth(scene)


def changed(scene: Scene) -> None:
    """A synced org, and after that a source in which everything that can change has changed."""
    small(scene).person("P3", ["001"])
    scene.person("P4", ["001", "002"])
    scene.sync()
    scene.group("003")
    scene.person("P5", ["003", "001"])
    scene.do("UPDATE persons SET title = 'Señora 日本', phone = NULL WHERE person_id IN ('P1', 'P2')")
    scene.do("DELETE FROM person_roles WHERE person_id = 'P4' AND group_id = '002'")
    for table in ("persons", "person_roles"):
        scene.do(f"DELETE FROM {table} WHERE person_id = 'P3'")


def tells_the_truth(scene: Scene) -> None:
    """What succeeded is in the org, what failed or was skipped is not; and each planned change has one result."""
    held = in_the_org(scene)
    rows = scene.fetch(
        "SELECT p.object_name, p.external_id, p.field_name, p.operation, p.after_value, r.status FROM sync_plan AS p"
        " LEFT OUTER JOIN salesforce_sync_results AS r ON p.plan_hash = r.plan_hash AND p.object_name = r.object_name"
        " AND p.external_id = r.external_id AND p.field_name = r.field_name"
    )
    for row in rows:
        record = held[row["object_name"]].get(row["external_id"])
        done = (
            not record if row["operation"] == "delete" else (record or {}).get(row["field_name"]) == row["after_value"]
        )
        assert done is (row["status"] == "succeeded"), row


def in_the_org(scene: Scene) -> dict[str, dict[str, dict[str, str | None]]]:
    """The text of each field by object and external id, references by the external id of what they refer to."""
    specifications = read_specifications(scene.project)
    held: dict[str, dict[str, dict[str, str | None]]] = {}
    key_of: dict[str, str] = {}
    for one in specifications:
        key, described = one.external_id.field, scene.org.describe(one.object).by_name
        rows = scene.rows(f"SELECT Id, {', '.join(dict.fromkeys((key, *one.fields)))} FROM {one.object}")
        key_of |= {row["Id"]: row[key] for row in rows}
        held[one.object] = {
            row[key]: {
                name: key_of.get(value, value) if name in one.references else described[name].text(value)
                for name, value in row.items()
            }
            for row in rows
        }
    return held
