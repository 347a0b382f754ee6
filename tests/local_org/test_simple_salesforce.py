"""simple-salesforce, unmodified: its https:// is turned to the local org by an adapter of its session."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import requests
from org_client import Client
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import SalesforceMalformedRequest

from memsync_assets.local_org.server import LocalOrg


class Loopback(HTTPAdapter):
    """Sends what is meant for https to the local org."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        _, _, rest = str(request.url).partition("://")
        request.url = f"{self._url}/{rest.partition('/')[2]}"
        return super().send(request, *args, **kwargs)


@pytest.fixture(scope="module")
def salesforce(served: LocalOrg) -> Salesforce:
    session = requests.Session()
    session.mount("https://", Loopback(served.url))
    return Salesforce(
        consumer_key=served.client_id, consumer_secret=served.client_secret, domain="local-org.my", session=session
    )


@pytest.fixture
def key() -> str:
    return f"S{uuid.uuid4().hex[:12]}"


def test_it_logs_in_by_client_credentials_and_knows_a_sandbox(salesforce: Salesforce) -> None:
    assert salesforce.query("SELECT IsSandbox FROM Organization")["records"][0]["IsSandbox"] is True


def test_it_inserts_updates_reads_and_deletes(salesforce: Salesforce, key: str) -> None:
    made = salesforce.Account.create({"Name": key})["id"]
    assert salesforce.Account.update(made, {"Phone": "1"}) == 204
    assert salesforce.Account.get(made)["Phone"] == "1"
    assert salesforce.Account.delete(made) == 204


def test_it_upserts_and_reads_by_external_id(salesforce: Salesforce, key: str) -> None:
    assert salesforce.Account.upsert(f"Membership_Key__c/{key}", {"Name": "one"}) == 201
    assert salesforce.Account.upsert(f"Membership_Key__c/{key}", {"Name": "two"}) == 200
    assert salesforce.Account.get_by_custom_id("Membership_Key__c", key)["Name"] == "two"


def test_it_sees_the_error_and_its_code(salesforce: Salesforce) -> None:
    with pytest.raises(SalesforceMalformedRequest) as caught:
        salesforce.Contact.create({"FirstName": "x"})
    assert caught.value.content[0]["errorCode"] == "REQUIRED_FIELD_MISSING"


def test_it_pages_through_a_query(salesforce: Salesforce, client: Client, key: str) -> None:
    for at in range(0, 2200, 200):
        client.collection("POST", "", "Account", [{"Name": f"{key}{at + one}"} for one in range(200)])
    found = salesforce.query_all(f"SELECT Name FROM Account WHERE Name LIKE '{key}%'")
    assert found["totalSize"] == len(found["records"]) == 2200


def test_it_describes(salesforce: Salesforce) -> None:
    assert {one["name"] for one in salesforce.describe()["sobjects"]} >= {"Account", "Contact", "User"}
    assert any(one["name"] == "Person_Id__c" and one["externalId"] for one in salesforce.Contact.describe()["fields"])


def test_it_calls_collections(salesforce: Salesforce, key: str) -> None:
    records = [{"attributes": {"type": "Account"}, "Membership_Key__c": key, "Name": "x"}]
    path = "composite/sobjects/Account/Membership_Key__c"
    answer = salesforce.restful(path, method="PATCH", json={"allOrNone": False, "records": records})
    assert answer[0]["created"] is True


def test_it_runs_bulk_jobs_and_reads_their_results(salesforce: Salesforce, key: str) -> None:
    rows = [{"Membership_Key__c": f"{key}{at}", "Name": f"n,{at}"} for at in range(50)]
    (job,) = salesforce.bulk2.Account.upsert(records=rows, external_id_field="Membership_Key__c", wait=0.1)
    assert (job["numberRecordsProcessed"], job["numberRecordsFailed"]) == (50, 0)
    good = salesforce.bulk2.Account.get_successful_records(job["job_id"])
    assert good.count(key) == 50
    soql = f"SELECT Id, Name FROM Account WHERE Membership_Key__c LIKE '{key}%'"
    lines = "".join(salesforce.bulk2.Account.query(soql, wait=0.1)).splitlines()
    assert len(lines) == 51
