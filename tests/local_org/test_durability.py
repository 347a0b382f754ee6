from __future__ import annotations

from pathlib import Path

import pytest
import requests
from org_client import Client

from memsync_assets.local_org.server import LocalOrg


def test_what_was_answered_is_there_after_a_kill(tmp_path: Path) -> None:
    org = LocalOrg(tmp_path / "org.db")
    org.start()
    client = Client(org.url)
    made = [client.create("Account", Name=f"n{at}", Membership_Key__c=f"k{at}") for at in range(20)]
    org.kill()
    with org:
        again = Client(org.url)
        assert again.url == client.url
        assert {one["Id"] for one in again.query("SELECT Id FROM Account")} == set(made)
        assert again.create("Account", Name="later") not in made


def test_a_bulk_job_goes_on_after_a_kill_and_writes_no_row_twice(tmp_path: Path) -> None:
    org = LocalOrg(tmp_path / "org.db")
    org.start()
    client = Client(org.url)
    client.fault(kind="slow_job", seconds=0, times=1)
    client.fault(kind="slow_job", seconds=60, times=1)
    data = "Name\n" + "".join(f"n{at}\n" for at in range(500))
    path = client.start_job(data.encode(), object="Account", operation="insert")
    while client.call("GET", path).json()["numberRecordsProcessed"] < 200:
        pass
    org.kill()
    with org:
        client.login()
        assert client.finish(path)["numberRecordsProcessed"] == 500
        found = client.query("SELECT Name, COUNT(Id) n FROM Account GROUP BY Name")
        assert {row["Name"]: row["n"] for row in found} == {f"n{at}": 1 for at in range(500)}
        assert len(client.rows(f"{path}/successfulResults")) == 500


def test_it_stops_cleanly_and_says_when_it_cannot_start(tmp_path: Path) -> None:
    with LocalOrg(tmp_path / "org.db") as org:
        url = org.url
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/services/data", timeout=5)
    (tmp_path / "bad.json").write_text('{"sobjects": [{"name": "A"}]}', encoding="utf-8")
    with pytest.raises(RuntimeError, match="did not start"):
        LocalOrg(tmp_path / "other.db", schema=tmp_path / "bad.json").start()
