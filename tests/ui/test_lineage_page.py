"""The Dagster UI, opened in headless Chromium: the lineage page must teach the system."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from urllib3.util.retry import Retry

PROJECT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium"),
]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("home")
    (home / "dagster").mkdir()
    port = _free_port()
    server = subprocess.Popen(
        [Path(sys.executable).with_name("dagster-webserver"), "-w", PROJECT / "workspace.yaml", "-p", str(port)],
        env={**os.environ, "DAGSTER_HOME": str(home / "dagster"), "MEMSYNC_HOME": str(home)},
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    session = requests.Session()
    patience = Retry(total=60, connect=60, backoff_factor=0.2, backoff_max=1)
    session.mount("http://", requests.adapters.HTTPAdapter(max_retries=patience))
    try:
        session.get(f"{url}/server_info", timeout=60).raise_for_status()
        yield url
    finally:
        server.terminate()
        server.wait(30)


def browse(url: str, profile: Path, *arguments: str) -> str:
    """What Chromium prints of a page after its scripts have run."""
    flags = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
        "--disable-component-update --disable-sync --hide-scrollbars --virtual-time-budget=30000"
    )
    command = [str(CHROMIUM), *flags.split(), f"--user-data-dir={profile}", *arguments, url]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=True).stdout


def test_the_lineage_page_shows_every_group(ui: str, tmp_path: Path) -> None:
    page = browse(f"{ui}/asset-groups", tmp_path, "--window-size=2000,1100", "--dump-dom")
    for group in ("loads", "source", "downstream", "contacts", "salesforce", "parity"):
        assert f">{group}<" in page
