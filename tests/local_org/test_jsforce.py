"""jsforce, unmodified, against the local org over plain HTTP."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest
from org_client import Client

HERE = Path(__file__).parent / "jsforce"
NO_NETWORK = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "ERR_SOCKET_TIMEOUT")

pytestmark = [
    pytest.mark.node,
    pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="Node.js and npm are not installed"),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program beside an installed jsforce, in a folder of its own: nothing is installed in the checkout."""
    folder = tmp_path_factory.mktemp("jsforce")
    for name in ("package.json", "package-lock.json", "session.mjs"):
        shutil.copy(HERE / name, folder)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    installed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180, check=False)
    if any(code in installed.stderr for code in NO_NETWORK):
        pytest.skip("npm reaches no registry to install jsforce from")
    assert installed.returncode == 0, installed.stderr
    return folder / "session.mjs"


def test_jsforce_takes_it_for_an_org(client: Client, program: Path) -> None:
    key = f"J{uuid.uuid4().hex[:12]}"
    token = str(client.session.headers["Authorization"]).removeprefix("Bearer ")
    done = subprocess.run(
        ["node", program, client.url, token, key], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "externalIds": ["Person_Id__c"],
        "created": True,
        "upserted": True,
        "many": 450,
        "refused": "REQUIRED_FIELD_MISSING",
        "related": [f"{key} two"] * 5,
        "paged": 450,
        "bulk": [299, 1, 0],
        "bulkQuery": 299,
        "wrongQuery": "INVALID_FIELD",
    }
