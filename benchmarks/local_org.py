"""How fast the local org is: rows of a Bulk upsert in a second, Collections calls of 200 records in a second.

    python benchmarks/local_org.py [--rows 200000] [--calls 100]

Goals on two cores, client included: 200,000 Bulk upserts in under 60 s, 50 Collections calls a second.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import requests

from memsync_assets.local_org.server import LocalOrg

FIELDS = ("Membership_Key__c", "Name", "Phone", "BillingStreet", "BillingCity", "BillingState", "BillingPostalCode")


def account(number: int) -> tuple[str, ...]:
    """The values of one account, in the order of FIELDS."""
    key = f"GR:foundation_ca:{number:07d}"
    return key, f"Group {number}", "+15105550100", f"{number} Main St", "OAKLAND", "CA", "94612"


def bulk(session: requests.Session, base: str, rows: int) -> float:
    """Seconds that a job of so many rows takes, from its making to its results."""
    lines = [",".join(FIELDS), *(",".join(account(number)) for number in range(rows))]
    started = time.perf_counter()
    asked = {"object": "Account", "operation": "upsert", "externalIdFieldName": "Membership_Key__c"}
    job = f"{base}/jobs/ingest/{session.post(f'{base}/jobs/ingest', json=asked).json()['id']}"
    session.put(f"{job}/batches", data="\n".join(lines).encode(), headers={"Content-Type": "text/csv"})
    session.patch(job, json={"state": "UploadComplete"})
    while (info := session.get(job).json())["state"] not in ("JobComplete", "Failed"):
        time.sleep(0.5)
    assert info["state"] == "JobComplete", info
    assert (info["numberRecordsProcessed"], info["numberRecordsFailed"]) == (rows, 0), info
    assert session.get(f"{job}/successfulResults").text.count("\n") == rows + 1
    return time.perf_counter() - started


def collections(session: requests.Session, base: str, calls: int) -> float:
    """Seconds that so many calls of 200 records take, one after the other."""
    kind = {"attributes": {"type": "Account"}}
    bodies = [
        {"records": [kind | dict(zip(FIELDS, account(call * 200 + at), strict=True)) for at in range(200)]}
        for call in range(calls)
    ]
    started = time.perf_counter()
    for body in bodies:
        answer = session.patch(f"{base}/composite/sobjects/Account/Membership_Key__c", json=body).json()
        assert all(one["success"] for one in answer)
    return time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--calls", type=int, default=100)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, LocalOrg(Path(folder) / "org.db") as org:
        session = requests.Session()
        form = {"grant_type": "client_credentials", "client_id": org.client_id, "client_secret": org.client_secret}
        token = session.post(f"{org.url}/services/oauth2/token", data=form).json()["access_token"]
        session.headers["Authorization"] = f"Bearer {token}"
        base = f"{org.url}/services/data/v63.0"
        for what in ("insert", "update"):
            spent = bulk(session, base, wanted.rows)
            print(f"bulk upsert that {what}s: {wanted.rows} rows in {spent:.1f} s, {wanted.rows / spent:.0f} rows/s")
        spent = collections(session, base, wanted.calls)
        print(f"collections upsert of 200: {wanted.calls} calls in {spent:.1f} s, {wanted.calls / spent:.0f} calls/s")


if __name__ == "__main__":
    main()
