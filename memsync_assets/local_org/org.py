"""One org: its records and who may touch them, put together, with the rows every org begins with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from memsync_assets.local_org.errors import OrgError
from memsync_assets.local_org.faults import Faults
from memsync_assets.local_org.oauth import ConnectedApp, Sessions
from memsync_assets.local_org.query import Queries
from memsync_assets.local_org.records import Records
from memsync_assets.local_org.recycle import RecycleBin
from memsync_assets.local_org.schema import OrgSchema
from memsync_assets.local_org.store import Row, Store
from memsync_assets.local_org.values import stored_datetime

DAILY_REQUESTS = 100_000
_USERNAME = "admin@local-org.example"


@dataclass
class Usage:
    """Requests made against the daily limit."""

    used: int = 0
    allowed: int = DAILY_REQUESTS

    def count(self) -> None:
        """Take one request. Raises OrgError REQUEST_LIMIT_EXCEEDED (403) when none is left."""
        if self.used >= self.allowed:
            raise OrgError("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", status=403)
        self.used += 1

    @property
    def header(self) -> str:
        """The value of `Sforce-Limit-Info`."""
        return f"api-usage={self.used}/{self.allowed}"


@dataclass(repr=False)
class Org:
    """Everything one running org holds."""

    schema: OrgSchema
    store: Store
    records: Records
    recycle_bin: RecycleBin
    queries: Queries
    sessions: Sessions
    org_id: str
    user_id: str
    usage: Usage = field(default_factory=Usage)
    faults: Faults = field(default_factory=Faults)

    def __repr__(self) -> str:
        return f"Org({self.org_id})"


def open_org(path: Path | str, schema: OrgSchema, app: ConnectedApp) -> Org:
    """Open or create an org's database file."""
    store = Store(path, schema)
    with store.transaction():
        org_id, user_id = _seed(store, schema)
    sessions = Sessions(app, org_id, user_id, frozenset({_USERNAME}))
    return Org(
        schema,
        store,
        Records(store, schema),
        RecycleBin(store, schema),
        Queries(store, schema),
        sessions,
        org_id,
        user_id,
    )


def _seed(store: Store, schema: OrgSchema) -> tuple[str, str]:
    """Make the Organization and its user where there are none; what the schema says of the org wins."""
    organization, user = schema.sobject("Organization"), schema.sobject("User")
    known = store.connection.execute('SELECT "Id" FROM "Organization"').fetchone()
    if known:
        (user_id,) = store.connection.execute('SELECT "Id" FROM "User" ORDER BY "Id" LIMIT 1').fetchone()
        if schema.organization:
            store.update(organization, [{"Id": known[0], **_storable(schema.organization)}])
        return known[0], user_id
    org_id, user_id = store.new_id(organization), store.new_id(user)
    stamp = stored_datetime(datetime.now(UTC))
    created = {"CreatedDate": stamp, "CreatedById": user_id, "LastModifiedDate": stamp}
    created |= {"LastModifiedById": user_id, "SystemModstamp": stamp}
    described = {"Name": "Local org", "IsSandbox": 1} | _storable(schema.organization)
    store.insert(organization, [{"Id": org_id, **described, **created}])
    person = {"Username": _USERNAME, "FirstName": "Local", "LastName": "Admin", "Email": _USERNAME}
    store.insert(user, [{"Id": user_id, **person, "Alias": "ladmin", "IsActive": 1, "UserType": "Standard", **created}])
    return org_id, user_id


def _storable(given: dict[str, Any]) -> Row:
    return {name: int(value) if isinstance(value, bool) else value for name, value in given.items()}
