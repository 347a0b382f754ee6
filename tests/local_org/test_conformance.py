"""Facts about Salesforce, each with its source, held against the local org.

With MEMSYNC_TEST_SALESFORCE set to a JSON file holding `url`, `client_id` and `client_secret` they are held
against that org instead: a scratch org or a sandbox with the custom fields of the sample org (schema/sample_org.json),
Contacts to Multiple Accounts, and a connected app with client credentials. What a test makes it deletes.
Sources: REST = REST API Developer Guide, BULK = Bulk API 2.0 Developer Guide, SOAP = SOAP API Developer Guide,
OBJ = Object Reference, SOQL = SOQL and SOSL Reference, seen = what clients and support threads report.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from org_client import Client

from memsync_assets.local_org.server import LocalOrg


@pytest.fixture(scope="module")
def client(request: pytest.FixtureRequest) -> Client:
    real = os.environ.get("MEMSYNC_TEST_SALESFORCE")
    if real:
        return Client(**json.loads(Path(real).read_text(encoding="utf-8")))
    served: LocalOrg = request.getfixturevalue("served")
    return Client(served.url)


@pytest.fixture
def key(client: Client) -> Iterator[str]:
    """A prefix for this test's keys; whatever bears it is deleted afterwards."""
    prefix = f"T{uuid.uuid4().hex[:12]}"
    yield prefix
    for sobject, field in (("Contact", "Person_Id__c"), ("Account", "Membership_Key__c")):
        found = client.query(f"SELECT Id FROM {sobject} WHERE {field} LIKE '{prefix}%'")
        for at in range(0, len(found), 200):
            ids = ",".join(one["Id"] for one in found[at : at + 200])
            client.call("DELETE", "/composite/sobjects", params={"ids": ids})


def account(client: Client, key: str, **fields: object) -> str:
    return client.create("Account", **{"Membership_Key__c": key, "Name": key, **fields})


def contact(client: Client, key: str, **fields: object) -> str:
    return client.create("Contact", **{"Person_Id__c": key, "LastName": key, **fields})


# Access


def test_a_call_without_a_valid_token_is_401_invalid_session_id(client: Client) -> None:
    """REST, Status Codes and Error Responses."""
    status, code, _ = client.error("GET", "/limits", headers={"Authorization": "Bearer nothing"})
    assert (status, code) == (401, "INVALID_SESSION_ID")


def test_every_answer_says_how_many_requests_are_used(client: Client) -> None:
    """REST, Limit Info Header."""
    used, _, allowed = client.call("GET", "/limits").headers["Sforce-Limit-Info"].partition("=")[2].partition("/")
    assert 0 < int(used) <= int(allowed)


def test_limits_tell_the_requests_left(client: Client) -> None:
    """REST, Limits."""
    daily = client.call("GET", "/limits").json()["DailyApiRequests"]
    assert 0 <= daily["Remaining"] <= daily["Max"]


def test_the_organization_says_whether_it_is_a_sandbox(client: Client) -> None:
    """OBJ, Organization."""
    (organization,) = client.query("SELECT IsSandbox FROM Organization")
    assert organization["IsSandbox"] in (True, False)


# Describe


def test_describe_tells_what_a_mapping_must_know(client: Client) -> None:
    """REST, sObject Describe."""
    fields = {one["name"]: one for one in client.call("GET", "/sobjects/Contact/describe").json()["fields"]}
    assert (fields["LastName"]["length"], fields["LastName"]["nillable"]) == (80, False)
    assert (fields["Email"]["type"], fields["Email"]["length"]) == ("email", 80)
    assert fields["Person_Id__c"]["externalId"]
    assert fields["Person_Id__c"]["unique"]
    assert not fields["Name"]["createable"]
    assert {"valid", "bounced"} <= {one["value"] for one in fields["Email_Status__c"]["picklistValues"]}


def test_relation_ends_are_create_only_and_is_direct_is_the_systems(client: Client) -> None:
    """OBJ, AccountContactRelation."""
    described = client.call("GET", "/sobjects/AccountContactRelation/describe").json()
    fields = {one["name"]: one for one in described["fields"]}
    for name in ("AccountId", "ContactId"):
        assert (fields[name]["createable"], fields[name]["updateable"]) == (True, False)
    assert (fields["IsDirect"]["createable"], fields["IsDirect"]["updateable"]) == (False, False)


def test_an_unknown_object_is_404(client: Client) -> None:
    """REST, sObject Describe."""
    status, code, _ = client.error("GET", "/sobjects/Nothing__c/describe")
    assert (status, code) == (404, "NOT_FOUND")


# Records


def test_create_answers_201_and_update_204(client: Client, key: str) -> None:
    """REST, sObject Basic Information and sObject Rows."""
    answer = client.call("POST", "/sobjects/Account", json={"Name": key, "Membership_Key__c": key})
    assert answer.status_code == 201
    assert answer.json()["success"] is True
    updated = client.call("PATCH", f"/sobjects/Account/{answer.json()['id']}", json={"Phone": "1"})
    assert (updated.status_code, updated.content) == (204, b"")


def test_null_clears_a_field(client: Client, key: str) -> None:
    """REST, Update a Record."""
    made = account(client, key, Phone="1")
    client.call("PATCH", f"/sobjects/Account/{made}", json={"Phone": None})
    assert client.record("Account", made)["Phone"] is None


def test_ids_of_15_and_18_characters_name_the_same_record(client: Client, key: str) -> None:
    """OBJ, ID Field Type."""
    made = account(client, key)
    assert len(made) == 18
    assert client.record("Account", made[:15])["Id"] == made


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        ({"LastName": None}, "REQUIRED_FIELD_MISSING", "Required fields are missing: [LastName]"),
        ({"FirstName": "x" * 41}, "STRING_TOO_LONG", "First Name: data value too large: "),
        ({"Email": "no address"}, "INVALID_EMAIL_ADDRESS", "Email: invalid email address: no address"),
        (
            {"Email_Status__c": "odd"},
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            "Email Status: bad value for restricted picklist field: odd",
        ),
        ({"Name": "x"}, "INVALID_FIELD_FOR_INSERT_UPDATE", "Unable to create/update fields: Name."),
        ({"Nothing__c": "x"}, "INVALID_FIELD", "No such column 'Nothing__c' on sobject of type Contact"),
        ({"AccountId": "001000000000000AAA"}, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id"),
        ({"AccountId": "not an id"}, "MALFORMED_ID", "Account ID: id value of incorrect type: not an id"),
    ],
)
def test_bad_values_are_refused(client: Client, key: str, fields: dict[str, object], code: str, message: str) -> None:
    """SOAP, Core Data Types, StatusCode; wording seen."""
    record = {"LastName": key, "Person_Id__c": key, **fields}
    status, got, text = client.error("POST", "/sobjects/Contact", json=record)
    assert (status, got) == (400, code)
    assert text.startswith(message)


def test_a_unique_value_may_not_repeat_whatever_its_case(client: Client, key: str) -> None:
    """OBJ, custom field attributes; wording seen."""
    first = contact(client, key + "a")
    status, code, message = client.error("POST", "/sobjects/Contact", json={"LastName": "x", "Person_Id__c": key + "A"})
    assert (status, code) == (400, "DUPLICATE_VALUE")
    assert message == (f"duplicate value found: Person_Id__c duplicates value on record with id: {first[:15]}")


def test_a_unique_value_that_is_case_sensitive_may_repeat_in_another_case(client: Client, key: str) -> None:
    """OBJ, custom field attributes: "Treat ABC and abc as different values"."""
    assert account(client, key + "a") != account(client, key + "A")


def test_a_deleted_record_is_gone_for_query_and_there_for_query_all(client: Client, key: str) -> None:
    """REST, QueryAll."""
    made = account(client, key)
    assert client.call("DELETE", f"/sobjects/Account/{made}").status_code == 204
    soql = f"SELECT IsDeleted FROM Account WHERE Id = '{made}'"
    assert client.query(soql) == []
    assert client.query(soql, deleted=True)[0]["IsDeleted"] is True
    assert client.error("DELETE", f"/sobjects/Account/{made}")[:2] == (404, "ENTITY_IS_DELETED")


def test_a_unique_value_is_free_again_after_a_delete(client: Client, key: str) -> None:
    """Seen: the recycle bin takes no part in uniqueness."""
    first = account(client, key)
    client.call("DELETE", f"/sobjects/Account/{first}")
    assert account(client, key) != first


def test_deleting_an_account_deletes_its_contacts(client: Client, key: str) -> None:
    """OBJ, Account: deleting cascades to contacts."""
    owner = account(client, key)
    person = contact(client, key, AccountId=owner)
    client.call("DELETE", f"/sobjects/Account/{owner}")
    assert client.query(f"SELECT Id FROM Contact WHERE Id = '{person}'") == []


# Upsert by external id


def test_upsert_creates_with_201_and_updates_with_200(client: Client, key: str) -> None:
    """REST, Insert or Update (Upsert) a Record Using an External ID."""
    path = f"/sobjects/Account/Membership_Key__c/{key}%2F1"
    first = client.call("PATCH", path, json={"Name": "one"})
    second = client.call("PATCH", path, json={"Name": "two"})
    assert (first.status_code, first.json()["created"]) == (201, True)
    assert (second.status_code, second.json()["created"]) == (200, False)
    assert first.json()["id"] == second.json()["id"]


def test_update_only_never_inserts(client: Client, key: str) -> None:
    """REST, updateOnly parameter, API 61."""
    path = f"/sobjects/Account/Membership_Key__c/{key}"
    status, code, _ = client.error("PATCH", path, params={"updateOnly": "true"}, json={"Name": "x"})
    assert (status, code) == (404, "NOT_FOUND")


def test_the_key_is_not_repeated_in_the_body(client: Client, key: str) -> None:
    """REST, Upsert: the external id field must not be in the body."""
    path = f"/sobjects/Account/Membership_Key__c/{key}"
    status, code, _ = client.error("PATCH", path, json={"Name": "x", "Membership_Key__c": key})
    assert (status, code) == (400, "INVALID_FIELD")


def test_an_upsert_on_a_field_that_is_no_external_id_is_404(client: Client) -> None:
    """REST, Upsert; wording seen."""
    status, code, message = client.error("PATCH", "/sobjects/Account/Phone/1", json={"Name": "x"})
    assert (status, code) == (404, "NOT_FOUND")
    assert message.startswith("Provided external ID field does not exist or is not accessible")


def test_a_parent_is_found_by_its_external_id(client: Client, key: str) -> None:
    """REST, Upsert: relationship fields by external id."""
    owner = account(client, key)
    path = f"/sobjects/Contact/Person_Id__c/{key}"
    client.call("PATCH", path, json={"LastName": "x", "Account": {"Membership_Key__c": key}})
    assert client.call("GET", path).json()["AccountId"] == owner


def test_an_unknown_parent_is_named_in_the_error(client: Client, key: str) -> None:
    """Seen."""
    body = {"LastName": "x", "Account": {"Membership_Key__c": "none"}}
    status, code, message = client.error("PATCH", f"/sobjects/Contact/Person_Id__c/{key}", json=body)
    assert (status, code) == (400, "INVALID_FIELD")
    assert message == "Foreign key external ID: none not found for field Membership_Key__c in entity Account"


# sObject Collections


def test_collections_answer_in_order_and_keep_what_worked(client: Client, key: str) -> None:
    """REST, sObject Collections: allOrNone defaults to false."""
    rows = [{"Person_Id__c": f"{key}{at}", "LastName": "x" if at != 1 else None} for at in range(3)]
    answer = client.collection("PATCH", "/Contact/Person_Id__c", "Contact", rows)
    assert [one["success"] for one in answer] == [True, False, True]
    assert answer[1]["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
    assert len(client.query(f"SELECT Id FROM Contact WHERE Person_Id__c LIKE '{key}%'")) == 2


def test_all_or_none_undoes_the_others(client: Client, key: str) -> None:
    """REST, sObject Collections, allOrNone."""
    rows = [{"Person_Id__c": f"{key}{at}", "LastName": "x" if at != 1 else None} for at in range(3)]
    answer = client.collection("PATCH", "/Contact/Person_Id__c", "Contact", rows, allOrNone=True)
    assert [one["errors"][0]["statusCode"] for one in answer] == [
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "REQUIRED_FIELD_MISSING",
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    ]
    assert client.query(f"SELECT Id FROM Contact WHERE Person_Id__c LIKE '{key}%'") == []


def test_collections_take_200_records_and_no_more(client: Client) -> None:
    """REST, sObject Collections."""
    records = [{"attributes": {"type": "Contact"}, "LastName": None}] * 201
    status, code, _ = client.error("POST", "/composite/sobjects", json={"records": records})
    assert (status, code) == (400, "EXCEEDED_ID_LIMIT")


def test_a_key_that_repeats_within_200_records_fails_for_all_of_them(client: Client, key: str) -> None:
    """SOAP, upsert: "if the key is matched multiple times, an error is generated"; wording seen."""
    rows = [{"Person_Id__c": f"{key}{at}", "LastName": "x"} for at in ("a", "b", "A")]
    answer = client.collection("PATCH", "/Contact/Person_Id__c", "Contact", rows)
    assert [one["success"] for one in answer] == [False, True, False]
    assert answer[2]["errors"][0]["statusCode"] == "DUPLICATE_VALUE"
    assert answer[2]["errors"][0]["message"].startswith("Duplicate external id specified: ")


def test_retrieve_gives_records_in_order_and_null_for_what_is_not_there(client: Client, key: str) -> None:
    """REST, Get Multiple Records with Fewer Round-Trips."""
    made = [account(client, f"{key}{at}") for at in range(2)]
    body = {"ids": [made[1], "001000000000000AAA", made[0]], "fields": ["Name"]}
    answer = client.call("POST", "/composite/sobjects/Account", json=body).json()
    assert [one and one["Name"] for one in answer] == [f"{key}1", None, f"{key}0"]


def test_collections_take_ten_runs_of_one_type_and_no_more(client: Client) -> None:
    """REST, sObject Collections: "the list can contain up to 10 chunks"."""
    records = [{"attributes": {"type": ("Contact", "Account")[at % 2]}} for at in range(11)]
    assert client.call("POST", "/composite/sobjects", json={"records": records}).status_code == 400


def test_collections_delete_by_id(client: Client, key: str) -> None:
    """REST, Delete Multiple Records with Fewer Round-Trips."""
    made = [account(client, f"{key}{at}") for at in range(2)]
    answer = client.call("DELETE", "/composite/sobjects", params={"ids": ",".join([*made, made[0]])}).json()
    assert [one["success"] for one in answer][:2] == [True, True]
    assert client.query(f"SELECT Id FROM Account WHERE Membership_Key__c LIKE '{key}%'") == []


# Composite


def test_a_composite_takes_25_calls_and_no_more(client: Client) -> None:
    """REST, Composite."""
    url = client.base.removeprefix(client.url) + "/limits"
    calls = [{"method": "GET", "url": url, "referenceId": f"r{at}"} for at in range(26)]
    assert client.call("POST", "/composite", json={"compositeRequest": calls}).status_code == 400


def test_a_graph_undoes_all_of_itself(client: Client, key: str) -> None:
    """REST, Composite Graph."""
    base = client.base.removeprefix(client.url) + "/sobjects"
    good = {"Name": key, "Membership_Key__c": key}
    calls = [
        {"method": "POST", "url": f"{base}/Account", "referenceId": "owner", "body": good},
        {"method": "POST", "url": f"{base}/Contact", "referenceId": "person", "body": {"AccountId": "@{owner.id}"}},
    ]
    graphs = [{"graphId": "1", "compositeRequest": calls}]
    (answer,) = client.call("POST", "/composite/graph", json={"graphs": graphs}).json()["graphs"]
    assert answer["isSuccessful"] is False
    assert client.query(f"SELECT Id FROM Account WHERE Membership_Key__c = '{key}'") == []


# Relations


def test_the_direct_relation_is_made_by_the_system(client: Client, key: str) -> None:
    """OBJ, AccountContactRelation."""
    owner = account(client, key)
    person = contact(client, key, AccountId=owner)
    relations = client.query(f"SELECT AccountId, IsDirect FROM AccountContactRelation WHERE ContactId = '{person}'")
    assert [(one["AccountId"], one["IsDirect"]) for one in relations] == [(owner, True)]


def test_a_pair_has_one_relation(client: Client, key: str) -> None:
    """OBJ, AccountContactRelation; code seen."""
    owner = account(client, key)
    person = contact(client, key, AccountId=owner)
    body = {"AccountId": owner, "ContactId": person}
    assert client.error("POST", "/sobjects/AccountContactRelation", json=body)[:2] == (400, "DUPLICATE_VALUE")


def test_the_ends_of_a_relation_cannot_be_changed(client: Client, key: str) -> None:
    """OBJ, AccountContactRelation."""
    owner, other = account(client, key), account(client, key + "2")
    person = contact(client, key, AccountId=owner)
    made = client.create("AccountContactRelation", AccountId=other, ContactId=person)
    status, code, _ = client.error("PATCH", f"/sobjects/AccountContactRelation/{made}", json={"AccountId": owner})
    assert (status, code) == (400, "INVALID_FIELD_FOR_INSERT_UPDATE")


def test_a_former_account_stays_as_an_indirect_relation(client: Client, key: str) -> None:
    """Help, Contacts to Multiple Accounts, the default setting."""
    first, second = account(client, key), account(client, key + "2")
    person = contact(client, key, AccountId=first)
    client.call("PATCH", f"/sobjects/Contact/{person}", json={"AccountId": second})
    relations = client.query(f"SELECT AccountId, IsDirect FROM AccountContactRelation WHERE ContactId = '{person}'")
    assert {one["AccountId"]: one["IsDirect"] for one in relations} == {first: False, second: True}


def test_a_contact_without_an_account_has_no_indirect_relations(client: Client, key: str) -> None:
    """Help, Considerations for Relating a Contact to Multiple Accounts."""
    body = {"AccountId": account(client, key), "ContactId": contact(client, key)}
    assert client.call("POST", "/sobjects/AccountContactRelation", json=body).status_code == 400


# SOQL


def test_pages_are_as_large_as_asked_for(client: Client, key: str) -> None:
    """REST, Query Options Header: 200 to 2,000."""
    rows = [{"Membership_Key__c": f"{key}{at:03d}", "Name": "x"} for at in range(200)]
    client.collection("POST", "", "Account", rows)
    account(client, f"{key}last")
    soql = f"SELECT Id FROM Account WHERE Membership_Key__c LIKE '{key}%'"
    first = client.call("GET", "/query", params={"q": soql}, headers={"Sforce-Query-Options": "batchSize=200"}).json()
    assert (first["totalSize"], first["done"], len(first["records"])) == (201, False, 200)
    second = client.session.get(client.url + first["nextRecordsUrl"], timeout=30).json()
    assert (second["done"], len(second["records"])) == (True, 1)


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT Id FORM Account", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE Name = 'a' AND Phone = 'b' OR Phone = 'c'", "MALFORMED_QUERY"),
        ("SELECT Nothing__c FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Nothing__c", "INVALID_TYPE"),
        ("SELECT FIELDS(ALL) FROM Account", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE CreatedDate = 'yesterday'", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Name = 5", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Description = 'x'", "INVALID_FIELD"),
        ("SELECT Id, (SELECT Id FROM Nothings__r) FROM Account", "INVALID_TYPE"),
        ("SELECT Name, COUNT(Id) FROM Account GROUP BY Phone", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE"),
    ],
)
def test_a_wrong_query_is_400(client: Client, soql: str, code: str) -> None:
    """SOQL; codes seen."""
    assert client.error("GET", "/query", params={"q": soql})[:2] == (400, code)


def test_missing_values_are_unequal_to_all_and_come_first(client: Client, key: str) -> None:
    """SOQL, Comparison Operators; ORDER BY: NULLS FIRST is the default, whatever the direction."""
    for at, phone in enumerate((None, "1", "2")):
        account(client, f"{key}{at}", Phone=phone)
    mine = f"FROM Account WHERE Membership_Key__c LIKE '{key}%'"
    assert len(client.query(f"SELECT Id {mine} AND Phone != '1'")) == 2
    assert len(client.query(f"SELECT Id {mine} AND (NOT Phone = '1')")) == 2
    for direction, wanted in (("ASC", [None, "1", "2"]), ("DESC", [None, "2", "1"])):
        found = client.query(f"SELECT Phone {mine} ORDER BY Phone {direction}")
        assert [one["Phone"] for one in found] == wanted


def test_text_is_compared_in_any_case_and_like_takes_wildcards(client: Client, key: str) -> None:
    """SOQL, Comparison Operators."""
    account(client, key, Phone="aXb")
    mine = f"SELECT Id FROM Account WHERE Membership_Key__c = '{key}' AND Phone"
    for condition, found in (("= 'AxB'", 1), ("LIKE 'A%'", 1), ("LIKE '_x_'", 1), ("LIKE 'x%'", 0)):
        assert len(client.query(f"{mine} {condition}")) == found, condition


def test_children_come_nested_and_count_gives_a_total_alone(client: Client, key: str) -> None:
    """SOQL, Relationship Queries; COUNT()."""
    owner = account(client, key)
    contact(client, key, AccountId=owner)
    (found,) = client.query(f"SELECT Name, (SELECT LastName FROM Contacts) FROM Account WHERE Id = '{owner}'")
    assert [one["LastName"] for one in found["Contacts"]["records"]] == [key]
    soql = f"SELECT COUNT() FROM Contact WHERE AccountId = '{owner}'"
    answer = client.call("GET", "/query", params={"q": soql}).json()
    assert (answer["totalSize"], answer["records"]) == (1, [])


def test_an_unknown_locator_is_refused(client: Client) -> None:
    """REST, Query More Results."""
    assert client.error("GET", "/query/01g000000000000AAA-2000")[:2] == (400, "INVALID_QUERY_LOCATOR")


# Bulk API 2.0


def test_a_bulk_upsert_tells_created_from_updated_and_keeps_errors_by_row(client: Client, key: str) -> None:
    """BULK, Get Job Successful and Failed Record Results."""
    account(client, f"{key}1")
    data = f"Membership_Key__c,Name\n{key}1,one\n{key}2,two\n{key}3,{'x' * 256}\n".encode()
    path, info = client.ingest(data, object="Account", operation="upsert", externalIdFieldName="Membership_Key__c")
    assert (info["state"], info["numberRecordsProcessed"], info["numberRecordsFailed"]) == ("JobComplete", 3, 1)
    good = {row["Membership_Key__c"]: row for row in client.rows(f"{path}/successfulResults")}
    assert {name: row["sf__Created"] for name, row in good.items()} == {f"{key}1": "false", f"{key}2": "true"}
    (bad,) = client.rows(f"{path}/failedResults")
    assert bad["sf__Error"].startswith("STRING_TOO_LONG:")
    assert bad["sf__Error"].endswith(":Name --")
    assert client.rows(f"{path}/unprocessedrecords") == []


def test_in_bulk_an_empty_cell_leaves_alone_and_n_a_clears(client: Client, key: str) -> None:
    """BULK, Prepare CSV Files."""
    made = account(client, key, Phone="1", Fax="2")
    client.ingest(f"Id,Phone,Fax\n{made},,#N/A\n".encode(), object="Account", operation="update")
    record = client.record("Account", made)
    assert (record["Phone"], record["Fax"]) == ("1", None)


def test_a_bulk_column_may_name_the_parents_external_id(client: Client, key: str) -> None:
    """BULK, Relationship Fields in a Header Row."""
    owner = account(client, key)
    data = f"Person_Id__c,LastName,Account.Membership_Key__c\n{key},x,{key}\n".encode()
    client.ingest(data, object="Contact", operation="upsert", externalIdFieldName="Person_Id__c")
    assert client.call("GET", f"/sobjects/Contact/Person_Id__c/{key}").json()["AccountId"] == owner


def test_an_unknown_bulk_column_fails_the_job(client: Client) -> None:
    """BULK; wording seen."""
    _, info = client.ingest(b"Name,Nothing__c\nx,y\n", object="Account", operation="insert")
    assert (info["state"], info["errorMessage"]) == ("Failed", "InvalidBatch : Field name not found : Nothing__c")


def test_line_endings_must_be_those_declared(client: Client) -> None:
    """BULK, Create a Job, lineEnding; wording seen."""
    _, info = client.ingest(b"Name\r\nx\r\n", object="Account", operation="insert")
    assert info["state"] == "Failed"
    assert info["errorMessage"].endswith("Current LineEnding setting is LF")


def test_a_job_takes_one_upload(client: Client) -> None:
    """BULK, Upload Job Data."""
    path = client.start_job(b"Name\n", object="Account", operation="insert")
    assert client.error("PUT", f"{path}/batches", data=b"Name\nx\n")[1] == "INVALIDJOBSTATE"
    client.finish(path)


def test_a_job_can_be_aborted_before_its_upload_and_deleted(client: Client) -> None:
    """BULK, Abort a Job and Delete a Job."""
    made = client.call("POST", "/jobs/ingest", json={"object": "Account", "operation": "insert"}).json()
    assert (made["state"], made["concurrencyMode"], made["contentType"]) == ("Open", "Parallel", "CSV")
    path = f"/jobs/ingest/{made['id']}"
    assert client.call("PATCH", path, json={"state": "Aborted"}).json()["state"] == "Aborted"
    assert client.call("DELETE", path).status_code == 204
    assert client.call("GET", path).status_code == 404


def test_columns_may_be_delimited_by_tabs_and_lines_end_in_crlf(client: Client, key: str) -> None:
    """BULK, Create a Job, columnDelimiter and lineEnding: results are written the same way."""
    asked = {"object": "Account", "operation": "insert", "columnDelimiter": "TAB", "lineEnding": "CRLF"}
    path, info = client.ingest(f"Membership_Key__c\tName\r\n{key}\tx, y\r\n".encode(), **asked)
    assert (info["state"], info["numberRecordsFailed"]) == ("JobComplete", 0)
    results = client.call("GET", f"{path}/successfulResults").text
    assert results.startswith('"sf__Id"\t"sf__Created"\t')
    assert client.query(f"SELECT Name FROM Account WHERE Membership_Key__c = '{key}'")[0]["Name"] == "x, y"


def test_a_bulk_query_takes_no_aggregates_and_no_children(client: Client) -> None:
    """BULK, Query Considerations."""
    for soql in ("SELECT COUNT(Id) FROM Account", "SELECT Id, (SELECT Id FROM Contacts) FROM Account"):
        asked = {"operation": "query", "query": soql}
        assert client.call("POST", "/jobs/query", json=asked).status_code == 400, soql


def test_a_bulk_query_gives_its_result_in_parts(client: Client, key: str) -> None:
    """BULK, Get Results for a Query Job."""
    rows = [{"Membership_Key__c": f"{key}{at}", "Name": "x"} for at in range(3)]
    client.collection("POST", "", "Account", rows)
    soql = f"SELECT Membership_Key__c, Owner.Name, IHM__c FROM Account WHERE Membership_Key__c LIKE '{key}%'"
    job = client.call("POST", "/jobs/query", json={"operation": "query", "query": soql}).json()
    path = f"/jobs/query/{job['id']}"
    assert client.finish(path)["numberRecordsProcessed"] == 3
    found, locator = [], None
    while locator != "null":
        params = {"maxRecords": "2"} | ({"locator": locator} if locator else {})
        locator = client.call("GET", f"{path}/results", params=params).headers["Sforce-Locator"]
        found += client.rows(f"{path}/results", params=params)
    assert {row["Membership_Key__c"] for row in found} == {row["Membership_Key__c"] for row in rows}
    assert set(found[0]) == {"Membership_Key__c", "Owner.Name", "IHM__c"}
    assert found[0]["IHM__c"] == "false"
    pages = client.call("GET", f"{path}/resultPages").json()
    assert pages["done"] is True
    assert len(client.session.get(client.url + pages["resultPages"][0]["resultUrl"], timeout=30).text.splitlines()) == 4


# Merge


def merge_contacts(client: Client, master: str, loser: str, fields: str = "") -> dict[str, list[str]]:
    operation = (
        f"<merge><request><masterRecord><type>Contact</type><Id>{master}</Id>{fields}</masterRecord>"
        f"<recordToMergeIds>{loser}</recordToMergeIds></request></merge>"
    )
    status, envelope = client.soap(operation)
    assert status == 200
    found: dict[str, list[str]] = {}
    for one in envelope.iter():
        found.setdefault(one.tag.rpartition("}")[2], []).append(one.text or "")
    return found


def test_merge_deletes_the_loser_and_points_it_at_the_master(client: Client, key: str) -> None:
    """SOAP, merge()."""
    owner = account(client, key)
    master, loser = (contact(client, f"{key}{at}", AccountId=owner) for at in range(2))
    report = contact(client, f"{key}9", ReportsToId=loser)
    result = merge_contacts(client, master, loser, "<Title>Chief</Title>")
    assert (result["success"], result["mergedRecordIds"]) == (["true"], [loser])
    assert report in result["updatedRelatedIds"]
    assert client.record("Contact", master)["Title"] == "Chief"
    assert client.record("Contact", report)["ReportsToId"] == master
    (gone,) = client.query(f"SELECT IsDeleted, MasterRecordId FROM Contact WHERE Id = '{loser}'", deleted=True)
    assert (gone["IsDeleted"], gone["MasterRecordId"]) == (True, master)


def test_merge_refuses_a_redundant_indirect_relation(client: Client, key: str) -> None:
    """Seen: MERGE_FAILED, "remove redundant account-contact relationship"."""
    first, second = account(client, key), account(client, key + "2")
    master, loser = contact(client, key + "m", AccountId=first), contact(client, key + "l", AccountId=second)
    redundant = client.create("AccountContactRelation", AccountId=second, ContactId=master)
    result = merge_contacts(client, master, loser)
    assert (result["success"], result["statusCode"]) == (["false"], ["MERGE_FAILED"])
    assert "redundant account-contact relationship" in result["message"][0]
    client.call("DELETE", f"/sobjects/AccountContactRelation/{redundant}")
    assert merge_contacts(client, master, loser)["success"] == ["true"]
    relations = client.query(f"SELECT AccountId, IsDirect FROM AccountContactRelation WHERE ContactId = '{master}'")
    assert {one["AccountId"]: one["IsDirect"] for one in relations} == {first: True, second: False}


def test_undelete_brings_a_merged_record_back(client: Client, key: str) -> None:
    """SOAP, undelete()."""
    owner = account(client, key)
    master, loser = (contact(client, f"{key}{at}", AccountId=owner) for at in range(2))
    merge_contacts(client, master, loser)
    status, _ = client.soap(f"<undelete><ids>{loser}</ids></undelete>")
    assert status == 200
    (back,) = client.query(f"SELECT AccountId, MasterRecordId FROM Contact WHERE Id = '{loser}'")
    assert (back["AccountId"], back["MasterRecordId"]) == (owner, None)
