"""Describe results and the other answers that tell what the org is: resources, versions, limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from memsync_assets.local_org.org import Org
from memsync_assets.local_org.schema import ObjectDescribe
from memsync_assets.local_org.soql_sql import Statement

VERSIONS = tuple(range(50, 66))
_RESOURCES = ("sobjects", "query", "queryAll", "limits", "composite", "jobs", "tooling", "search", "recent")


def versions() -> list[dict[str, str]]:
    """The API versions served."""
    return [{"label": f"v{v}", "url": f"/services/data/v{v}.0", "version": f"{v}.0"} for v in VERSIONS]


def resources(base: str) -> dict[str, str]:
    """The resources of one version."""
    return {name: f"{base}/{name}" for name in _RESOURCES}


def summary(sobject: ObjectDescribe, base: str) -> dict[str, Any]:
    """An object as the global describe shows it."""
    address = f"{base}/sobjects/{sobject.name}"
    urls = {"sobject": address, "describe": f"{address}/describe", "rowTemplate": f"{address}/{{ID}}"}
    return sobject.model_dump(exclude={"fields", "childRelationships"}) | {"urls": urls}


def global_describe(org: Org, base: str) -> dict[str, Any]:
    """Every object, without fields."""
    return {
        "encoding": "UTF-8",
        "maxBatchSize": 200,
        "sobjects": [summary(sobject, base) for sobject in org.schema.sobjects],
    }


def describe(org: Org, sobject: ObjectDescribe, base: str) -> dict[str, Any]:
    """One object with its fields and the children that point at it."""
    return summary(sobject, base) | {
        "fields": [field.model_dump() for field in sobject.fields],
        "childRelationships": [child.model_dump() for child in org.schema.children(sobject.name)],
        "recordTypeInfos": [],
        "supportedScopes": [],
    }


def limits(org: Org) -> dict[str, dict[str, int]]:
    """The limits resource, as far as a sync needs it."""
    return {
        "DailyApiRequests": org.requests.shown,
        "DailyBulkApiBatches": org.batches.shown,
        "DailyBulkV2QueryJobs": {"Max": 10_000, "Remaining": 10_000},
        "DataStorageMB": {"Max": 1_024, "Remaining": 1_024},
    }


def user(org: Org) -> dict[str, Any]:
    """Who a token speaks for."""
    known = org.store.by_ids(org.schema.sobject("User"), [org.user_id])[org.user_id]
    return {
        "sub": org.user_id,
        "user_id": org.user_id,
        "organization_id": org.org_id,
        "preferred_username": known["Username"],
        "username": known["Username"],
        "name": known["Name"],
        "email": known["Email"],
        "user_type": "STANDARD",
        "active": True,
    }


def columns(statement: Statement, children: Mapping[str, Statement]) -> dict[str, Any]:
    """The columns of a query, as the query resource gives them for `columns=true` (undocumented, sf asks so)."""
    shown = _columns(statement)
    shown += [_column(name, aggregate=True) | {"joinColumns": _columns(child)} for name, child in children.items()]
    return {"columnMetadata": shown, "entityName": statement.sobject.name, "keyPrefix": statement.sobject.keyPrefix}


def _columns(statement: Statement) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = []
    for column in () if statement.count_only else statement.columns:
        level = shown
        for name in column.path:
            known = next((one for one in level if one["columnName"] == name), None)
            if known is None:
                known = _column(name, statement.aggregate and column.field is None)
                level.append(known)
            level = known["joinColumns"]
    return shown


def _column(name: str, aggregate: bool) -> dict[str, Any]:
    return {"columnName": name, "displayName": name, "aggregate": aggregate, "joinColumns": []}
