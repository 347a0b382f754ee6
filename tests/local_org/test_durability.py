from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from org_client import Client
from typer.testing import CliRunner

from memsync_assets.local_org import cli
from memsync_assets.local_org import schema as schemas
from memsync_assets.local_org.oauth import ConnectedApp
from memsync_assets.local_org.org import open_org
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


def test_bulk_jobs_go_on_after_a_kill_and_write_no_row_twice(tmp_path: Path) -> None:
    org = LocalOrg(tmp_path / "org.db")
    org.start()
    client = Client(org.url)
    client.fault(kind="slow_job", seconds=0, times=1)
    client.fault(kind="slow_job", seconds=60, times=1)
    data = "Name\n" + "".join(f"n{at}\n" for at in range(500))
    path = client.start_job(data.encode(), object="Account", operation="insert")
    waiting = client.start_job(b"Name\nlast\n", object="Account", operation="insert")
    asked = {"operation": "query", "query": "SELECT Name FROM Account WHERE Name = 'last'"}
    query = f"/jobs/query/{client.call('POST', '/jobs/query', json=asked).json()['id']}"
    while client.call("GET", path).json()["numberRecordsProcessed"] < 200:
        pass
    org.kill()
    with org:
        client.login()
        assert client.finish(path)["numberRecordsProcessed"] == 500
        assert client.finish(waiting)["numberRecordsProcessed"] == 1
        assert client.finish(query)["numberRecordsProcessed"] == 1
        found = client.query("SELECT Name, COUNT(Id) n FROM Account GROUP BY Name")
        assert {row["Name"]: row["n"] for row in found} == {"last": 1} | {f"n{at}": 1 for at in range(500)}
        assert len(client.rows(f"{path}/successfulResults")) == 500


def test_it_stops_cleanly(tmp_path: Path) -> None:
    with LocalOrg(tmp_path / "org.db") as org:
        url = org.url
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/services/data", timeout=5)


def refusal(*arguments: str | Path) -> str:
    """What the command says that serves no org, without the line breaks of its box."""
    ended = CliRunner().invoke(cli.app, ["serve", "--port", "0", *map(str, arguments)])
    assert ended.exit_code == 2
    assert ended.stdout == ""
    return " ".join(ended.stderr.replace("│", " ").split())


def test_one_file_has_one_server(tmp_path: Path) -> None:
    db = tmp_path / "org.db"
    with LocalOrg(db):
        assert f"--db {db}: another server has it open" in refusal("--db", db)
        with pytest.raises(RuntimeError, match="did not start"):
            LocalOrg(db).start()
    open_org(db, schemas.load(), ConnectedApp()).store.close()


def test_what_it_cannot_serve_it_names_and_says_why(tmp_path: Path) -> None:
    db, wrong = tmp_path / "org.db", tmp_path / "wrong.json"
    wrong.write_text('{"sobjects": [{"name": "Plan__c", "fields": [{"name": "Code__c"}]}]}', encoding="utf-8")
    said = refusal("--db", db, "--schema", wrong)
    assert said == f"memsync: --schema {wrong}: sobjects / Plan__c / fields / Code__c / type: Field required"
    assert "file is not a database" in refusal("--db", wrong)
    assert "unable to open database file" in refusal("--db", tmp_path / "none" / "org.db")
    assert "is no RSA public key in PEM form" in refusal("--db", db, "--public-key", wrong)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"--port {port}: cannot listen" in refusal("--db", db, "--port", port)


def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    """Also where that one is killed; the next run finds the org's file free."""
    starts = "import sys; from memsync_assets.local_org.server import LocalOrg; LocalOrg(sys.argv[1]).start()"
    script = f"{starts}; print(flush=True); sys.stdin.read()"
    db = str(tmp_path / "org.db")
    with subprocess.Popen([sys.executable, "-c", script, db], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        starter.stdout.readline()
        starter.kill()
    with LocalOrg(db) as org:
        assert Client(org.url).query("SELECT Id FROM Account") == []
