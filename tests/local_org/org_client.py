"""A bare HTTP client for the tests: what a call returned, nothing interpreted."""

from __future__ import annotations

import csv
import io
import time
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

import requests

VERSION = "63.0"


@dataclass
class Client:
    """A logged-in client of one org."""

    url: str
    client_id: str = "memsync-demo"
    client_secret: str = "memsync-demo-secret"
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.login()

    @property
    def base(self) -> str:
        return f"{self.url}/services/data/v{VERSION}"

    def login(self) -> None:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }
        answer = self.session.post(f"{self.url}/services/oauth2/token", data=form, timeout=30)
        assert answer.status_code == 200, answer.text
        self.url = answer.json()["instance_url"]
        self.session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def call(self, method: str, path: str, **given: Any) -> requests.Response:
        return self.session.request(method, self.base + path, timeout=60, **given)

    def create(self, sobject: str, **record: Any) -> str:
        answer = self.call("POST", f"/sobjects/{sobject}", json=record)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def record(self, sobject: str, record_id: str) -> dict[str, Any]:
        return dict(self.call("GET", f"/sobjects/{sobject}/{record_id}").json())

    def query(self, soql: str, *, deleted: bool = False) -> list[dict[str, Any]]:
        answer = self.call("GET", "/queryAll" if deleted else "/query", params={"q": soql})
        assert answer.status_code == 200, answer.text
        return list(answer.json()["records"])

    def error(self, method: str, path: str, **given: Any) -> tuple[int, str, str]:
        answer = self.call(method, path, **given)
        (error,) = answer.json()
        return answer.status_code, error["errorCode"], error["message"]

    def collection(self, method: str, path: str, sobject: str, rows: list[dict[str, Any]], **given: Any) -> Any:
        records = [{"attributes": {"type": sobject}, **row} for row in rows]
        return self.call(method, f"/composite/sobjects{path}", json={"records": records, **given}).json()

    def fault(self, **fault: Any) -> None:
        answer = self.session.post(f"{self.url}/control/faults", json=[fault], timeout=30)
        assert answer.status_code == 200, answer.text

    def no_faults(self) -> None:
        self.session.delete(f"{self.url}/control/faults", timeout=30)

    def start_job(self, data: bytes, **asked: str) -> str:
        answer = self.call("POST", "/jobs/ingest", json=asked)
        assert answer.status_code == 200, answer.text
        path = f"/jobs/ingest/{answer.json()['id']}"
        upload = self.call("PUT", f"{path}/batches", data=data, headers={"Content-Type": "text/csv"})
        assert upload.status_code == 201, upload.text
        assert self.call("PATCH", path, json={"state": "UploadComplete"}).status_code == 200
        return path

    def finish(self, path: str) -> dict[str, Any]:
        while True:
            info = dict(self.call("GET", path).json())
            if info["state"] in ("JobComplete", "Failed", "Aborted"):
                return info
            time.sleep(0.02)

    def ingest(self, data: bytes, **asked: str) -> tuple[str, dict[str, Any]]:
        path = self.start_job(data, **asked)
        return path, self.finish(path)

    def rows(self, path: str, **given: Any) -> list[dict[str, str]]:
        answer = self.call("GET", path, **given)
        assert answer.status_code == 200, answer.text
        return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8"), newline="")))

    def soap(self, operation: str) -> tuple[int, ElementTree.Element]:
        token = str(self.session.headers["Authorization"]).partition(" ")[2]
        envelope = (
            '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Header>'
            f'<SessionHeader xmlns="urn:partner.soap.sforce.com"><sessionId>{token}</sessionId></SessionHeader>'
            f'</e:Header><e:Body xmlns="urn:partner.soap.sforce.com">{operation}</e:Body></e:Envelope>'
        )
        headers = {"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": '"merge"'}
        answer = self.session.post(
            f"{self.url}/services/Soap/u/{VERSION}", data=envelope.encode(), headers=headers, timeout=30
        )
        return answer.status_code, ElementTree.fromstring(answer.content)
