from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from org_client import Client

from memsync_assets.local_org import schema as schemas
from memsync_assets.local_org.oauth import ConnectedApp
from memsync_assets.local_org.org import Org, open_org
from memsync_assets.local_org.server import LocalOrg


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalOrg]:
    """One org over HTTP for all tests that bring their own keys."""
    with LocalOrg(tmp_path_factory.mktemp("org") / "org.db") as org:
        yield org


@pytest.fixture
def client(served: LocalOrg) -> Iterator[Client]:
    client = Client(served.url)
    yield client
    client.no_faults()


@pytest.fixture
def org(tmp_path: Path) -> Iterator[Org]:
    """An org in this process, without HTTP."""
    opened = open_org(tmp_path / "org.db", schemas.load(), ConnectedApp())
    yield opened
    opened.store.close()
