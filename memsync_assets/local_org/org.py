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
DAILY_BATCHES = 15_000
_USERNAME = "admin@local-org.example"


@dataclass
class Quota:
    """What may be used of something in a day. `name` is Salesforce's in its message."""

    name: str
    allowed: int
    used: int = 0

    def count(self) -> None:
        """Take one. Raises OrgError REQUEST_LIMIT_EXCEEDED (403) when none is left."""
        if self.used >= self.allowed:
            raise OrgError("REQUEST_LIMIT_EXCEEDED", f"{self.name} Limit exceeded.", status=403)
        self.used += 1

    def leave(self, remaining: int) -> None:
        """Let only so many be left."""
        self.used = max(self.allowed - remaining, 0)

    @property
    def shown(self) -> dict[str, int]:
        """The quota as the limits resource shows it."""
        return {"Max": self.allowed, "Remaining": self.allowed - self.used}


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
    requests: Quota = field(default_factory=lambda: Quota("TotalRequests", DAILY_REQUESTS))
    batches: Quota = field(default_factory=lambda: Quota("ApiBatchItems", DAILY_BATCHES))
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
