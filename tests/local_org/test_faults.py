from __future__ import annotations

import uuid

import pytest
import requests
from org_client import Client


@pytest.fixture
def key() -> str:
    return f"F{uuid.uuid4().hex[:12]}"


def upsert(client: Client, key: str) -> requests.Response:
    return client.call("PATCH", f"/sobjects/Account/Membership_Key__c/{key}", json={"Name": "x"})


def stored(client: Client, key: str) -> int:
    return len(client.query(f"SELECT Id FROM Account WHERE Membership_Key__c = '{key}'"))


@pytest.mark.parametrize(("status", "code"), [(429, "REQUEST_LIMIT_EXCEEDED"), (503, "SERVER_UNAVAILABLE")])
def test_a_status_is_answered_as_often_as_asked_and_nothing_is_written(
    client: Client, key: str, status: int, code: str
) -> None:
    client.fault(kind="status", status=status, method="PATCH", path="Membership_Key__c", times=2, retry_after=3)
    for _ in range(2):
        answer = upsert(client, key)
        assert (answer.status_code, answer.json()[0]["errorCode"]) == (status, code)
        assert answer.headers["Retry-After"] == "3"
    assert stored(client, key) == 0
    assert upsert(client, key).status_code == 201


def test_a_fault_waits_for_the_calls_it_lets_pass(client: Client, key: str) -> None:
    client.fault(kind="status", after=1, method="PATCH")
    assert [upsert(client, key).status_code for _ in range(3)] == [201, 503, 200]


@pytest.mark.parametrize(("when", "written"), [("before", 0), ("after", 1)])
def test_a_connection_is_cut_before_or_after_the_commit(client: Client, key: str, when: str, written: int) -> None:
    client.fault(kind="cut", when=when, method="PATCH")
    with pytest.raises(requests.ConnectionError):
        upsert(client, key)
    assert stored(client, key) == written


def test_a_late_answer_is_processed_all_the_same(client: Client, key: str) -> None:
    client.fault(kind="delay", seconds=1.0, method="PATCH")
    with pytest.raises(requests.ReadTimeout):
        client.session.patch(f"{client.base}/sobjects/Account/Membership_Key__c/{key}", json={"Name": "x"}, timeout=0.2)
    while not stored(client, key):
        pass


def test_sessions_end_in_mid_run_until_the_next_login(client: Client, key: str) -> None:
    client.fault(kind="expire", after=1, method="PATCH")
    assert [upsert(client, key).status_code for _ in range(3)] == [201, 401, 401]
    client.login()
    assert upsert(client, key).status_code == 200


def test_chosen_parents_are_locked(client: Client, key: str) -> None:
    free, locked = (str(upsert(client, f"{key}{at}").json()["id"]) for at in range(2))
    client.fault(kind="lock", ids=[locked], times=1)
    rows = [{"LastName": "x", "AccountId": free}, {"LastName": "x", "AccountId": locked}]
    first = client.collection("POST", "", "Contact", rows)
    assert [one["success"] for one in first] == [True, False]
    assert first[1]["errors"][0]["statusCode"] == "UNABLE_TO_LOCK_ROW"
    assert client.collection("POST", "", "Contact", rows[1:])[0]["success"]


def test_a_job_fails_half_way_and_keeps_what_it_did(client: Client, key: str) -> None:
    data = "Membership_Key__c,Name\n" + "".join(f"{key}-{at},x\n" for at in range(1000))
    client.fault(kind="job_fails", rows=400)
    path, info = client.ingest(
        data.encode(), object="Account", operation="upsert", externalIdFieldName="Membership_Key__c"
    )
    assert (info["state"], info["numberRecordsProcessed"]) == ("Failed", 400)
    done = client.rows(f"{path}/successfulResults")
    left = client.rows(f"{path}/unprocessedrecords")
    assert (len(done), len(left)) == (400, 600)
    assert {row["Membership_Key__c"] for row in done + left} == {f"{key}-{at}" for at in range(1000)}
    assert client.query(f"SELECT COUNT(Id) n FROM Account WHERE Membership_Key__c LIKE '{key}-%'")[0]["n"] == 400


def test_a_slow_job_can_be_aborted_and_keeps_what_it_did(client: Client, key: str) -> None:
    data = "Membership_Key__c,Name\n" + "".join(f"{key}-{at},x\n" for at in range(1000))
    client.fault(kind="slow_job", seconds=0.3, times=5)
    path = client.start_job(
        data.encode(), object="Account", operation="upsert", externalIdFieldName="Membership_Key__c"
    )
    assert client.call("PATCH", path, json={"state": "Aborted"}).status_code == 200
    info = client.finish(path)
    assert info["state"] == "Aborted"
    assert info["numberRecordsProcessed"] < 1000


def test_the_days_requests_run_out(client: Client, key: str) -> None:
    client.fault(kind="limit", remaining=1)
    assert upsert(client, key).status_code == 201
    answer = upsert(client, key)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (403, "REQUEST_LIMIT_EXCEEDED")


def test_the_days_batches_run_out_and_the_job_keeps_what_it_did(client: Client, key: str) -> None:
    client.fault(kind="limit", of="batches", remaining=1)
    data = "Name\n" + "".join(f"{key}{at}\n" for at in range(10_001))
    path, info = client.ingest(data.encode(), object="Account", operation="insert")
    assert (info["state"], info["numberRecordsProcessed"]) == ("Failed", 200)
    assert info["errorMessage"].startswith("ExceededQuota")
    assert len(client.rows(f"{path}/unprocessedrecords")) == 9_801
    assert client.call("GET", "/limits").json()["DailyBulkApiBatches"]["Remaining"] == 0


def test_what_has_not_struck_yet_is_shown_and_can_be_taken_back(client: Client, key: str) -> None:
    owner = str(upsert(client, key).json()["id"])
    client.fault(kind="lock", ids=[owner], times=2)
    client.fault(kind="duplicates")
    client.fault(kind="cut", when="before", method="PATCH")
    pending = client.session.get(f"{client.url}/control/faults", timeout=30).json()["pending"]
    assert {one["kind"]: one["times"] for one in pending} == {"lock": 2, "duplicates": 1, "cut": 1}
    client.no_faults()
    assert client.session.get(f"{client.url}/control/faults", timeout=30).json()["pending"] == []
    assert upsert(client, key).status_code == 200


def test_an_answer_comes_in_another_charset_than_it_says(client: Client, key: str) -> None:
    made = upsert(client, key).json()["id"]
    client.call("PATCH", f"/sobjects/Account/{made}", json={"Name": "Señora"})
    client.fault(kind="charset", charset="latin-1", declared=None, method="GET")
    answer = client.call("GET", f"/sobjects/Account/{made}", params={"fields": "Name"})
    assert answer.headers["Content-Type"] == "application/json"
    assert "Señora".encode("latin-1") in answer.content


def test_a_duplicate_rule_hits_unless_the_header_allows_it(client: Client, key: str) -> None:
    client.fault(kind="duplicates", times=2)
    answer = upsert(client, key)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "DUPLICATES_DETECTED")
    allowed = client.call(
        "PATCH",
        f"/sobjects/Account/Membership_Key__c/{key}",
        json={"Name": "x"},
        headers={"Sforce-Duplicate-Rule-Header": "allowSave=true"},
    )
    assert allowed.status_code == 201


def test_an_unknown_fault_is_refused(client: Client) -> None:
    answer = client.session.post(f"{client.url}/control/faults", json=[{"kind": "flood"}], timeout=30)
    assert answer.status_code == 400
