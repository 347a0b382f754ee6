from __future__ import annotations

import csv
import io
import re
import tempfile
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from org_client import Client

from memsync_assets.local_org import bulk_ingest, bulk_query
from memsync_assets.local_org import schema as schemas
from memsync_assets.local_org.bulk_csv import DELIMITERS, LINE_ENDINGS, Dialect
from memsync_assets.local_org.bulk_jobs import Jobs
from memsync_assets.local_org.oauth import ConnectedApp
from memsync_assets.local_org.org import Org, open_org

CELLS = st.text(
    st.one_of(
        st.sampled_from("\n\r\u2028\u0085\"',;\t|^`#\\ "),
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    ),
    min_size=1,
    max_size=12,
)


@pytest.fixture(scope="module")
def shared() -> Iterator[Org]:
    with tempfile.TemporaryDirectory() as folder:
        org = open_org(Path(folder) / "org.db", schemas.load(), ConnectedApp())
        yield org
        org.store.close()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(CELLS, min_size=1, max_size=8),
    st.sampled_from(sorted(DELIMITERS)),
    st.sampled_from(sorted(LINE_ENDINGS)),
)
def test_any_csv_survives_a_round_trip_byte_for_byte(
    shared: Org, cells: list[str], delimiter: str, ending: str
) -> None:
    """What is uploaded comes back from the results as it was, and from a query as Salesforce trims it."""
    jobs, dialect = Jobs(shared.store), Dialect(delimiter, ending)
    run = uuid.uuid4().hex
    rows = [[f"{run}{at}", "x", cell] for at, cell in enumerate(cells)]
    common = {"version": "63.0", "created_by": "", "column_delimiter": delimiter, "line_ending": ending}
    ingest = jobs.new(kind="ingest", operation="upsert", sobject="Contact", external_id="Person_Id__c", **common)
    jobs.set_data(ingest, dialect.write([["Person_Id__c", "LastName", "Description"], *rows]).encode())
    bulk_ingest.run(shared, jobs, ingest)
    ingest = jobs.get("ingest", ingest.job_id)
    assert (ingest.state, ingest.processed, ingest.failed) == ("JobComplete", len(rows), 0)

    results = bulk_ingest.results(jobs, ingest, succeeded=True)
    for row in rows:
        assert dialect.write([row]) in results
    returned = list(csv.reader(io.StringIO(results, newline=""), delimiter=DELIMITERS[delimiter]))
    assert sorted(row[2:] for row in returned[1:]) == sorted(rows)

    soql = f"SELECT Person_Id__c, Description FROM Contact WHERE Person_Id__c LIKE '{run}%'"
    query = jobs.new(kind="query", operation="query", sobject="Contact", query=soql, **common)
    bulk_query.run(shared, jobs, query)
    text = bulk_query.header(shared, query) + "".join(jobs.lines(query, 0, 100))
    found = dict(list(csv.reader(io.StringIO(text, newline=""), delimiter=DELIMITERS[delimiter]))[1:])
    assert found == {row[0]: "" if row[2] == "#N/A" else row[2].strip() for row in rows}


@pytest.fixture
def key() -> str:
    return f"B{uuid.uuid4().hex[:12]}"


def test_results_come_in_another_order_than_the_rows(client: Client, key: str) -> None:
    names = [f"{key}{at:03d}" for at in range(300)]
    data = "Name\n" + "".join(f"{name}\n" for name in names)
    path, _ = client.ingest(data.encode(), object="Account", operation="insert")
    returned = [row["Name"] for row in client.rows(f"{path}/successfulResults/")]
    assert returned != names
    assert sorted(returned) == names


def test_an_upsert_may_carry_an_empty_id_column_and_a_byte_order_mark(client: Client, key: str) -> None:
    data = f"\ufeffId,Membership_Key__c,Name\n,{key},x\n".encode()
    path, info = client.ingest(data, object="Account", operation="upsert", externalIdFieldName="membership_key__c")
    assert (info["state"], info["numberRecordsFailed"]) == ("JobComplete", 0)
    assert client.rows(f"{path}/SUCCESSFULRESULTS")[0]["sf__Created"] == "true"


def test_a_chunked_upload_is_taken(client: Client, key: str) -> None:
    lines = [b"Membership_Key__c,Name\n", f"{key},x\n".encode()]
    asked = {"object": "Account", "operation": "insert"}
    path = f"/jobs/ingest/{client.call('POST', '/jobs/ingest', json=asked).json()['id']}"
    upload = client.call("PUT", f"{path}/batches", data=iter(lines), headers={"Content-Type": "text/csv"})
    assert upload.status_code == 201
    client.call("PATCH", path, json={"state": "UploadComplete"})
    assert client.finish(path)["numberRecordsProcessed"] == 1


@pytest.mark.parametrize(
    ("column", "cell", "code"),
    [
        ("IHM__c", "perhaps", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ("IHM__c", "#N/A", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ("NumberOfEmployees", "many", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ("Name", "#N/A", "REQUIRED_FIELD_MISSING"),
        ("Parent.Membership_Key__c", "none", "INVALID_FIELD"),
        ("Membership_Status__c", "odd", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
    ],
)
def test_a_bad_cell_fails_its_row_alone(client: Client, key: str, column: str, cell: str, code: str) -> None:
    header = "Membership_Key__c" if column == "Name" else "Membership_Key__c,Name"
    good = {"IHM__c": "true", "NumberOfEmployees": "5"}.get(column, "")
    good = "y" if column == "Name" else good
    middle = "" if column == "Name" else ",x"
    data = f"{header},{column}\n{key}1{middle},{good}\n{key}2{middle},{cell}\n".encode()
    path, info = client.ingest(data, object="Account", operation="upsert", externalIdFieldName="Membership_Key__c")
    assert (info["numberRecordsProcessed"], info["numberRecordsFailed"]) == (2, 1)
    (bad,) = client.rows(f"{path}/failedResults")
    assert bad["Membership_Key__c"] == f"{key}2"
    assert re.match(rf"{code}:.*--$", bad["sf__Error"])


def test_deletes_go_to_the_bin_and_hard_deletes_past_it(client: Client, key: str) -> None:
    soft, hard = (client.create("Account", Name=f"{key}{at}") for at in range(2))
    client.ingest(f"Id\n{soft}\n".encode(), object="Account", operation="delete")
    client.ingest(f"Id\n{hard}\n".encode(), object="Account", operation="hardDelete")
    left = client.query(f"SELECT Id, IsDeleted FROM Account WHERE Name LIKE '{key}%'", deleted=True)
    assert [(one["Id"], one["IsDeleted"]) for one in left] == [(soft, True)]


def test_rows_sorted_by_parent_meet_no_locks_and_scattered_ones_do(client: Client, key: str) -> None:
    """Two batches of 10,000 rows run side by side: a parent in both at the same time is locked for one."""
    parents = [client.create("Account", Name="x", Membership_Key__c=f"{key}-{at}") for at in range(110)]
    owners = [parents[at * 110 // 20_200] for at in range(20_200)]

    def failed(ordered: list[str], name: str) -> int:
        lines = "".join(f"{name},{owner}\n" for owner in ordered)
        path, info = client.ingest(f"LastName,AccountId\n{lines}".encode(), object="Contact", operation="insert")
        errors = {row["sf__Error"].partition(":")[0] for row in client.rows(f"{path}/failedResults")}
        assert errors <= {"UNABLE_TO_LOCK_ROW"}
        return int(info["numberRecordsFailed"])

    assert failed(owners, "sorted") == 0
    assert failed(owners[::2] + owners[1::2], "scattered") > 5_000


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "No header row found"),
        (b"Name,Phone\nx,1\ny\n", "Row has 1 columns, but the header has 2 columns"),
        ("Name\nSe\u00f1ora\n".encode("latin-1"), "not encoded in UTF-8"),
        (b'Name\n"x\n', "Failed to parse CSV"),
    ],
)
def test_a_file_that_cannot_be_read_fails_the_job_whole(client: Client, data: bytes, message: str) -> None:
    path, info = client.ingest(data, object="Account", operation="insert")
    assert (info["state"], info["numberRecordsProcessed"]) == ("Failed", 0)
    assert message in info["errorMessage"]
    assert client.rows(f"{path}/successfulResults") == client.rows(f"{path}/failedResults") == []
    assert client.call("GET", f"{path}/unprocessedrecords").content == data.decode(errors="replace").encode()


def test_an_abort_holds_whenever_it_comes(org: Org) -> None:
    """Before the job's turn, while it is in hand, and after its end."""
    jobs = Jobs(org.store)
    common = {"version": "63.0", "created_by": "", "kind": "ingest", "operation": "insert", "sobject": "Account"}
    waiting, in_hand, done = (jobs.new(state="UploadComplete", **common) for _ in range(3))
    for job in (waiting, in_hand, done):
        jobs.set_data(job, b"Name\nx\n")
    jobs.change(waiting, state="Aborted")
    assert jobs.begin(waiting) is None
    begun = jobs.begin(in_hand)
    assert begun is not None
    jobs.change(in_hand, state="Aborted")
    bulk_ingest.run(org, jobs, begun)
    ended = jobs.get("ingest", in_hand.job_id)
    assert (ended.state, ended.processed) == ("Aborted", 0)
    jobs.delete(done)
    assert jobs.begin(done) is None


def test_ended_jobs_are_kept_for_seven_days(org: Org) -> None:
    jobs = Jobs(org.store)
    common = {"version": "63.0", "created_by": "", "kind": "ingest", "operation": "insert", "sobject": "Account"}
    ended, waiting = (jobs.new(state=state, **common) for state in ("JobComplete", "UploadComplete"))
    now = datetime.now(UTC)
    jobs.forget_old(now + timedelta(days=6, hours=23))
    assert jobs.all("ingest") == [ended, waiting]
    jobs.forget_old(now + timedelta(days=7, minutes=1))
    assert jobs.all("ingest") == [waiting]


def test_the_upload_limit_is_on_the_base64_form(client: Client) -> None:
    asked = {"object": "Account", "operation": "insert"}
    path = f"/jobs/ingest/{client.call('POST', '/jobs/ingest', json=asked).json()['id']}"
    too_large = b"Name\n" + b"x" * 112_500_000
    assert client.error("PUT", f"{path}/batches", data=too_large)[0] == 413
    assert client.call("PUT", f"{path}/batches", data=b"Name\n").status_code == 201


def test_jobs_are_listed_and_deleted(client: Client, key: str) -> None:
    path, info = client.ingest(f"Name\n{key}\n".encode(), object="Account", operation="insert")
    assert info["id"] in {one["id"] for one in client.call("GET", "/jobs/ingest").json()["records"]}
    assert client.call("DELETE", path).status_code == 204
    assert client.error("GET", path)[:2] == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"object": "Account", "operation": "replace"}, "INVALIDJOB"),
        ({"object": "Nothing__c", "operation": "insert"}, "INVALIDENTITY"),
        ({"object": "Account", "operation": "upsert", "externalIdFieldName": "Phone"}, "INVALIDJOB"),
        ({"object": "Account", "operation": "insert", "columnDelimiter": "DOT"}, "INVALIDJOB"),
    ],
)
def test_a_wrong_job_is_refused_at_once(client: Client, asked: dict[str, str], code: str) -> None:
    assert client.error("POST", "/jobs/ingest", json=asked)[:2] == (400, code)


@pytest.mark.parametrize(
    "soql", ["SELECT COUNT(Id) FROM Account", "SELECT Id, (SELECT Id FROM Contacts) FROM Account", "SELECT"]
)
def test_a_query_that_bulk_does_not_take_is_refused_at_once(client: Client, soql: str) -> None:
    answer = client.call("POST", "/jobs/query", json={"operation": "query", "query": soql})
    assert answer.status_code == 400
