"""What a sync works on, for tests: people and groups in a mart, and the org they are sent to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import requests

from memsync_assets.local_org.server import LocalOrg
from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.salesforce.apply import apply_plan
from memsync_assets.salesforce.client import Org, connect
from memsync_assets.salesforce.plan import PlanCounts, make_plan
from memsync_assets.salesforce.results import SyncCounts
from memsync_assets.settings import Project, Salesforce


@dataclass
class Scene:
    """`sync()` plans and applies; `rows` and `change` look into the org and meddle with it, as a user would."""

    mart: DuckDBMart
    project: Project
    served: LocalOrg
    _org: Org | None = None

    @property
    def org(self) -> Org:
        if self._org is None:
            self._org = connect(self.project)
            assert self._org is not None
        return self._org

    def set(self, **given: Any) -> None:
        """Change settings of Salesforce."""
        salesforce = Salesforce(**{**self.project.settings.salesforce.model_dump(), **given})
        self.project = replace(
            self.project, settings=self.project.settings.model_copy(update={"salesforce": salesforce})
        )
        self._org = None

    def plan(self, *, retry_failed: bool = False) -> PlanCounts:
        return make_plan(self.mart, self.project, self.org, retry_failed=retry_failed)

    def apply(self, approve: str | None = None) -> SyncCounts:
        return apply_plan(self.mart, self.project, self.org, approve)

    def sync(self) -> SyncCounts:
        self.plan()
        return self.apply()

    def log_out(self) -> None:
        """The next call is made in a new session."""
        self._org = None

    def reopen(self, path: Path) -> None:
        """Work on with another mart on disk, in a new session of the org."""
        self.mart, self._org = DuckDBMart(path), None

    # The mart.

    def put(self, table: str, *rows: dict[str, Any]) -> None:
        names = sorted({name for row in rows for name in row})
        self.mart.append(table, pa.table({name: [row.get(name) for row in rows] for name in names}))

    def group(self, group_id: str, entity: str | None = "E1", **given: Any) -> None:
        at = {"source_system": "a", "group_id": group_id}
        normalized = {
            name: given.pop(name) for name in ("phone", "address_line1", "city", "state_code") if name in given
        }
        self.put("employer_groups", {**at, "group_name": f"Group {group_id}", **given})
        self.put("normalized_groups", {**at, "group_name": f"Group {group_id}", **normalized})
        if entity and not self.fetch(f"SELECT 1 AS x FROM legal_entities WHERE legal_entity_id = '{entity}'"):
            self.put("legal_entities", {"legal_entity_id": entity, "legal_entity_name": f"Entity {entity}"})
        self.put("group_legal_entities", {**at, "legal_entity_id": entity})

    def person(self, person_id: str, groups: Sequence[str] = (), **given: Any) -> None:
        """A person with the role BROKER at each of the groups; the first is primary."""
        self.put(
            "persons",
            {
                "person_id": person_id,
                "first_name": "Ann",
                "last_name": f"Last {person_id}",
                "email": f"{person_id}@acme.com".lower(),
                "email_status": "valid",
                "is_active": "Y",
                "contact_count": 1,
                **given,
            },
        )
        for place, group in enumerate(groups):
            self.role(person_id, group, is_primary="Y" if place == 0 else "N")

    def role(self, person_id: str, group_id: str, role_code: str = "BROKER", **given: Any) -> None:
        at = {"person_id": person_id, "source_system": "a", "group_id": group_id, "role_code": role_code}
        self.put("person_roles", {**at, "is_primary": "N", "effective_date": date(2026, 1, 1), **given})

    def do(self, sql: str) -> None:
        self.mart.execute(sql)

    def fetch(self, sql: str) -> list[dict[str, Any]]:
        return self.mart.fetch(sql).to_pylist()

    # The org.

    def rows(self, soql: str) -> list[dict[str, Any]]:
        found = [record for page in self.org.query(soql) for record in page]
        return [{name: value for name, value in record.items() if name != "attributes"} for record in found]

    def make(self, sobject: str, **values: Any) -> str:
        return str(self.org.call("POST", f"/sobjects/{sobject}", repeatable=False, json=values).json()["id"])

    def change(self, sobject: str, record_id: str, **values: Any) -> None:
        self.org.call("PATCH", f"/sobjects/{sobject}/{record_id}", repeatable=False, json=values)

    def delete(self, sobject: str, record_id: str) -> None:
        self.org.call("DELETE", f"/sobjects/{sobject}/{record_id}", repeatable=False)

    def fault(self, **fault: Any) -> None:
        answer = requests.post(f"{self.served.url}/control/faults", json=[fault], timeout=30)
        assert answer.status_code == 200, answer.text

    def no_faults(self) -> None:
        requests.delete(f"{self.served.url}/control/faults", timeout=30)

    def empty_the_org(self) -> None:
        """Leave nothing behind, not even in the recycle bin: the next test's snapshots would read it."""
        self.no_faults()
        for sobject in ("Contact", "Account"):
            ids = [row["Id"] for row in self.rows(f"SELECT Id FROM {sobject}")]
            if ids:
                self.delete_for_good(sobject, ids)

    def delete_for_good(self, sobject: str, ids: Sequence[str]) -> None:
        """Delete records past the recycle bin, so that no later query finds a trace of them."""
        asked = {"object": sobject, "operation": "hardDelete"}
        job = f"/jobs/ingest/{self.org.call('POST', '/jobs/ingest', repeatable=False, json=asked).json()['id']}"
        self.org.call("PUT", f"{job}/batches", repeatable=False, data="\n".join(["Id", *ids]).encode())
        self.org.call("PATCH", job, repeatable=False, json={"state": "UploadComplete"})
        while self.org.call("GET", job, repeatable=True).json()["state"] != "JobComplete":
            pass
