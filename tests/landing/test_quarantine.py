"""Quarantine: nothing of a refused load is lost, and nothing that lies in its folder keeps it from being refused."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from memsync_assets.landing.take_in import Refused
from memsync_assets.settings import Home
from tests.landing.landed import Landing, member
from tests.landing.test_discovery import device, link, loop, pipe


def write_refused(landing: Landing) -> Path:
    return landing.write("west", "01", {"members": [member("a", state_code="ZZ")]})


def refuse(landing: Landing) -> Path:
    outcome = landing.take_in("west", "01")
    assert isinstance(outcome, Refused)
    assert json.loads((outcome.quarantined_at / "reason.json").read_text())["counts"] == outcome.counts
    return outcome.quarantined_at


def directory(path: Path) -> None:
    path.mkdir()
    (path / "more").write_text("more")


@pytest.mark.parametrize("name", ["reason.json", "other"])
@pytest.mark.parametrize("make", [pipe, device, loop, link, directory])
def test_whatever_lies_beside_the_files_the_load_is_refused(
    landing: Landing, make: Callable[[Path], None], name: str
) -> None:
    folder = write_refused(landing)
    make(folder / name)
    at = refuse(landing)
    assert (at / "members.csv").is_file()
    assert (at / "manifest.json").is_file()
    assert not folder.exists()


def test_a_reason_that_is_a_link_is_not_written_through(landing: Landing, tmp_path: Path) -> None:
    folder = write_refused(landing)
    precious = tmp_path / "precious"
    precious.write_text("precious")
    (folder / "reason.json").symlink_to(precious)
    at = refuse(landing)
    assert precious.read_text() == "precious"
    assert not (at / "reason.json").is_symlink()


def test_folders_of_a_load_are_kept(landing: Landing) -> None:
    folder = write_refused(landing)
    directory(folder / "notes")
    assert (refuse(landing) / "notes" / "more").read_text() == "more"


def test_the_same_manifest_with_other_data_is_kept_beside_the_first(landing: Landing) -> None:
    manifest = (write_refused(landing) / "manifest.json").read_bytes()
    at = {refuse(landing)}
    for content in ("first", "second", "first"):
        folder = write_refused(landing)
        (folder / "manifest.json").write_bytes(manifest)
        (folder / "members.csv").write_text(content)
        at.add(refuse(landing))
    first = min(at)
    assert at == {first, first.with_name(f"{first.name}.2"), first.with_name(f"{first.name}.3")}
    assert (first.with_name(f"{first.name}.2") / "members.csv").read_text() == "first"
    assert {path.name for path in first.parent.iterdir()} == {path.name for path in at}


@pytest.mark.parametrize("mode", [0o500, 0o100])
def test_a_load_that_cannot_be_moved_is_refused_each_time_and_lies_in_quarantine_once(
    landing: Landing, mode: int
) -> None:
    folder = write_refused(landing)
    folder.chmod(mode)
    if os.access(folder, os.W_OK):
        pytest.skip("this user may write everywhere")
    try:
        assert refuse(landing) == refuse(landing)
        assert (folder / "members.csv").is_file()
    finally:
        folder.chmod(0o700)


def test_a_quarantine_on_another_file_system(landing: Landing, tmp_path: Path) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no other file system to write to")
    folder = write_refused(landing)
    content = (folder / "members.csv").read_bytes()
    with tempfile.TemporaryDirectory(dir=memory) as elsewhere:
        landing.project = replace(landing.project, home=Home(Path(elsewhere)))
        assert (refuse(landing) / "members.csv").read_bytes() == content
    assert not folder.exists()
