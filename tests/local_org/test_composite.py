from __future__ import annotations

import uuid
from typing import Any

import pytest
from org_client import VERSION, Client

BASE = f"/services/data/v{VERSION}"


@pytest.fixture
def key() -> str:
    return f"C{uuid.uuid4().hex[:12]}"


def family(key: str, last_name: str | None = "x") -> list[dict[str, Any]]:
    return [
        {
            "method": "PATCH",
            "url": f"{BASE}/sobjects/Account/Membership_Key__c/{key}",
            "referenceId": "owner",
            "body": {"Name": key},
        },
        {
            "method": "POST",
            "url": f"{BASE}/sobjects/Contact",
            "referenceId": "person",
            "body": {"LastName": last_name, "AccountId": "@{owner.id}", "Person_Id__c": key},
        },
        {
            "method": "GET",
            "url": f"{BASE}/query?q=SELECT+AccountId+FROM+Contact+WHERE+Id='@{{person.id}}'",
            "referenceId": "found",
        },
    ]


def codes(answers: list[dict[str, Any]]) -> list[tuple[int, str | None]]:
    return [
        (one["httpStatusCode"], one["body"][0]["errorCode"] if isinstance(one["body"], list) else None)
        for one in answers
    ]


def test_a_later_call_refers_to_an_earlier_answer(client: Client, key: str) -> None:
    answer = client.call("POST", "/composite", json={"compositeRequest": family(key)}).json()
    owner, person, found = answer["compositeResponse"]
    assert [one["httpStatusCode"] for one in (owner, person, found)] == [201, 201, 200]
    assert found["body"]["records"][0]["AccountId"] == owner["body"]["id"]


def test_without_all_or_none_what_worked_stays(client: Client, key: str) -> None:
    answer = client.call("POST", "/composite", json={"compositeRequest": family(key, None)}).json()
    assert codes(answer["compositeResponse"]) == [
        (201, None),
        (400, "REQUIRED_FIELD_MISSING"),
        (400, "PROCESSING_HALTED"),
    ]
    assert len(client.query(f"SELECT Id FROM Account WHERE Membership_Key__c = '{key}'")) == 1


def test_all_or_none_undoes_everything(client: Client, key: str) -> None:
    body = {"allOrNone": True, "compositeRequest": family(key, None)}
    answer = client.call("POST", "/composite", json=body).json()
    assert codes(answer["compositeResponse"])[0] == (400, "PROCESSING_HALTED")
    assert client.query(f"SELECT Id FROM Account WHERE Membership_Key__c = '{key}'") == []


def test_graphs_stand_or_fall_each_for_itself(client: Client, key: str) -> None:
    graphs = [
        {"graphId": "good", "compositeRequest": family(f"{key}1")},
        {"graphId": "bad", "compositeRequest": family(f"{key}2", None)},
    ]
    answer = client.call("POST", "/composite/graph", json={"graphs": graphs}).json()
    assert {one["graphId"]: one["isSuccessful"] for one in answer["graphs"]} == {"good": True, "bad": False}
    kept = client.query(f"SELECT Membership_Key__c FROM Account WHERE Membership_Key__c LIKE '{key}%'")
    assert [one["Membership_Key__c"] for one in kept] == [f"{key}1"]


def test_a_composite_takes_25_calls_and_no_more(client: Client, key: str) -> None:
    calls = [{"method": "GET", "url": f"{BASE}/limits", "referenceId": f"r{at}"} for at in range(26)]
    assert client.error("POST", "/composite", json={"compositeRequest": calls})[:2] == (400, "LIMIT_EXCEEDED")
    answer = client.call("POST", "/composite", json={"compositeRequest": calls[:25]}).json()
    assert len(answer["compositeResponse"]) == 25
