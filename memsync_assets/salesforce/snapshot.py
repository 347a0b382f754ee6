"""The org's live values in the mart: read in full once, then only what changed, deletions included.

A delta does not tell of records that never passed through, or have left, the recycle bin: it is full again every two
weeks, and after a write found a record gone.

One table for each object, `salesforce_<object>_live`, with the columns that the upload specification names. All records
of the object are read, those without our external id too: among them are the ones to adopt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from memsync_assets.mart.engine import Mart
from memsync_assets.salesforce.bounces import remember_bounces
from memsync_assets.salesforce.client import Org
from memsync_assets.salesforce.describe import ObjectDescription
from memsync_assets.salesforce.specifications import UploadSpecification, quoted

#: A write can become visible this long after the SystemModstamp that it carries.
OVERLAP = timedelta(minutes=5)
#: Deleted records leave the recycle bin after 15 days; a snapshot that is older does not hear of them.
FULL_AFTER = timedelta(days=14)
_TEXT = "NVARCHAR(MAX) COLLATE Latin1_General_BIN2"
_KEYS = {
    "record_id": "NVARCHAR(18) COLLATE Latin1_General_BIN2",
    "external_id": "NVARCHAR(255) COLLATE Latin1_General_BIN2",
}
_FORGET = "DELETE FROM salesforce_snapshots WHERE object_name = @object"


@dataclass(frozen=True)
class SnapshotCounts:
    """How many records were read, and how many were gone. full: everything was read, not only what changed."""

    read: int
    gone: int
    full: bool


def take_snapshot(mart: Mart, org: Org, specification: UploadSpecification, now: datetime) -> SnapshotCounts:
    """Bring the live values of an object up to date."""
    organization_id = org.organization.organization_id
    since = _read_up_to(mart, specification, organization_id, now)
    _make_pages_table(mart, specification)
    described = org.describe(specification.object)
    newest = since
    for page in org.query(_soql(specification, since), deleted=since is not None):
        if page:
            mart.append(f"{specification.live_table}_pages", _rows(page, specification, described))
            newest = max(filter(None, (newest, *(_moment(one["SystemModstamp"]) for one in page))))
    with mart.transaction():
        counts = _take_over(mart, specification, full=since is None)
        remember_bounces(mart, specification)
        _remember(mart, specification, organization_id, newest, None if since else now)
    return counts


def clear_snapshot(mart: Mart, specification: UploadSpecification) -> None:
    """Forget the live values: what is planned without an org is planned for an empty one."""
    ensure_tables(mart, specification)
    with mart.transaction():
        mart.execute(f"DELETE FROM {specification.live_table}")  # noqa: S608
        mart.execute(_FORGET, {"object": specification.object})


def forget_snapshots(mart: Mart) -> None:
    """Have every object read in full by the next snapshot."""
    mart.execute("DELETE FROM salesforce_snapshots")


def ensure_tables(mart: Mart, specification: UploadSpecification) -> None:
    """Make the tables of an object's live and last agreed values, where they are not there as specified."""
    with mart.transaction():
        if _ensure(mart, specification.live_table, (*_KEYS, *specification.live_fields)):
            mart.execute(_FORGET, {"object": specification.object})
        _ensure(mart, specification.synced_table, ("external_id", *specification.fields))


def _read_up_to(mart: Mart, specification: UploadSpecification, organization_id: str, now: datetime) -> datetime | None:
    """The moment from which changes are to be read; None: everything is."""
    ensure_tables(mart, specification)
    known = mart.fetch(
        "SELECT organization_id, read_up_to, full_at FROM salesforce_snapshots WHERE object_name = @object",
        {"object": specification.object},
    ).to_pylist()
    if not known or known[0]["organization_id"] != organization_id or known[0]["read_up_to"] is None:
        return None
    if now - known[0]["full_at"].replace(tzinfo=UTC) > FULL_AFTER:
        return None
    return known[0]["read_up_to"].replace(tzinfo=UTC) - OVERLAP  # type: ignore[no-any-return]


def _ensure(mart: Mart, table: str, names: Sequence[str]) -> bool:
    there = mart.columns(table)
    if list(there) == list(names):
        return False
    columns = ", ".join(f"{quoted(name)} {_KEYS.get(name, _TEXT)}" for name in names)
    with mart.transaction():
        if there:
            mart.execute(f"DROP TABLE {table}")
        mart.execute(f"CREATE TABLE {table} ({columns})")
    return True


def _make_pages_table(mart: Mart, specification: UploadSpecification) -> None:
    table = f"{specification.live_table}_pages"
    _ensure(mart, table, ("is_deleted", *_KEYS, *specification.live_fields))
    mart.execute(f"DELETE FROM {table}")  # noqa: S608


def _soql(specification: UploadSpecification, since: datetime | None) -> str:
    names = ("Id", "IsDeleted", "SystemModstamp", specification.external_id.field, *specification.live_fields)
    where = f" WHERE SystemModstamp >= {since:%Y-%m-%dT%H:%M:%SZ}" if since else ""
    return f"SELECT {', '.join(dict.fromkeys(names))} FROM {specification.object}{where}"  # noqa: S608


def _rows(page: Iterable[dict[str, Any]], specification: UploadSpecification, described: ObjectDescription) -> pa.Table:
    records = list(page)
    columns: dict[str, list[str | None]] = {
        "is_deleted": ["Y" if record["IsDeleted"] else "N" for record in records],
        "record_id": [record["Id"] for record in records],
        "external_id": list(_texts(records, specification.external_id.field, described)),
    }
    columns |= {name: list(_texts(records, name, described)) for name in specification.live_fields}
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def _texts(records: Sequence[dict[str, Any]], name: str, described: ObjectDescription) -> Iterator[str | None]:
    field = described.by_name[name]
    return (field.text(record[name]) for record in records)


def _take_over(mart: Mart, specification: UploadSpecification, *, full: bool) -> SnapshotCounts:
    live, pages = specification.live_table, f"{specification.live_table}_pages"
    counted = mart.fetch(
        f"SELECT COUNT(*) AS read_count, SUM(CASE WHEN is_deleted = 'Y' THEN 1 ELSE 0 END) AS gone FROM {pages}"  # noqa: S608
    ).to_pylist()[0]
    names = ", ".join(quoted(name) for name in (*_KEYS, *specification.live_fields))
    known = "" if full else f" WHERE record_id IN (SELECT p.record_id FROM {pages} AS p)"  # noqa: S608
    mart.execute(f"DELETE FROM {live}{known}")  # noqa: S608
    mart.execute(f"INSERT INTO {live} ({names}) SELECT {names} FROM {pages} WHERE is_deleted = 'N'")  # noqa: S608
    mart.execute(f"DELETE FROM {pages}")  # noqa: S608
    return SnapshotCounts(int(counted["read_count"]), int(counted["gone"] or 0), full)


def _remember(
    mart: Mart,
    specification: UploadSpecification,
    organization_id: str,
    newest: datetime | None,
    full_at: datetime | None,
) -> None:
    given = {
        "object": specification.object,
        "organization": organization_id,
        "newest": newest.replace(tzinfo=None) if newest else None,
        "full_at": full_at.replace(tzinfo=None) if full_at else None,
    }
    if full_at is None:
        mart.execute("UPDATE salesforce_snapshots SET read_up_to = @newest WHERE object_name = @object", given)
        return
    mart.execute(_FORGET, given)
    mart.execute(
        "INSERT INTO salesforce_snapshots (object_name, organization_id, read_up_to, full_at)"
        " VALUES (@object, @organization, @newest, @full_at)",
        given,
    )


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z").astimezone(UTC)
