"""Finding loads: what is no plain file is neither followed nor waited for, and keeps nothing else from being found."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from memsync_assets.graph_run import run_graph
from memsync_assets.landing.discovery import Unreadable, scan_all, unreadable
from memsync_assets.landing.manifest import MAX_BYTES
from memsync_assets.landing.take_in import Applied, Refused
from tests.landing.landed import Landing, member


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def loop(path: Path) -> None:
    path.symlink_to(path)


def link(path: Path) -> None:
    elsewhere = path.with_name("elsewhere")
    elsewhere.write_text("{}")
    path.symlink_to(elsewhere)


KINDS = pytest.mark.parametrize("make", [pipe, device, loop, link, Path.mkdir])


@KINDS
def test_a_manifest_that_is_no_plain_file_is_left_out_and_told(landing: Landing, make: Callable[[Path], None]) -> None:
    folder = landing.write("west", "01", {"members": [member("a")]})
    (folder / "manifest.json").unlink()
    make(folder / "manifest.json")
    landing.write("west", "02", {"members": [member("b")]})
    assert [load.name for load in scan_all(landing.project.landing)] == ["west/02"]
    assert [left_out.name for left_out in unreadable(landing.project.landing)] == ["west/01"]
    assert isinstance(landing.take_in("west", "02"), Applied)


def test_a_load_without_a_manifest_is_still_coming_and_no_trouble(landing: Landing) -> None:
    (landing.project.landing / "west" / "01").mkdir(parents=True)
    assert scan_all(landing.project.landing) == []
    assert unreadable(landing.project.landing) == []


@pytest.mark.parametrize("closed", ["west", "west/01", "west/01/manifest.json"])
def test_what_may_not_be_read_is_left_out_and_told(landing: Landing, closed: str) -> None:
    landing.write("west", "01", {"members": [member("a")]})
    landing.write("east", "01", {"members": [member("a")]})
    path = landing.project.landing / closed
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    try:
        assert [load.name for load in scan_all(landing.project.landing)] == ["east/01"]
        assert [type(left_out) for left_out in unreadable(landing.project.landing)] == [Unreadable]
    finally:
        path.chmod(0o700)


def test_a_run_takes_in_the_others_and_ends_with_what_it_could_not_read(landing: Landing) -> None:
    folder = landing.write("west", "01", {"members": [member("a")]})
    (folder / "manifest.json").unlink()
    loop(folder / "manifest.json")
    landing.write("west", "02", {"members": [member("b")]})
    outcome = run_graph(landing.project, lambda _step, _state: None)
    assert outcome.taken_in == ("west/02",)
    (failed,) = outcome.failed_steps
    assert failed.startswith("west/01 cannot be read: manifest.json")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@KINDS
def test_a_data_file_that_is_no_plain_file_refuses_the_load(
    landing: Landing, make: Callable[[Path], None], ending: str
) -> None:
    folder = landing.write("west", "01", {"members": [member("a")]}, ending=ending)
    (folder / f"members.{ending}").unlink()
    make(folder / f"members.{ending}")
    outcome = landing.take_in("west", "01")
    assert isinstance(outcome, Refused)
    assert outcome.counts == {"missing_file": 1}


def test_a_manifest_beyond_its_bound_is_not_read_to_its_end(landing: Landing) -> None:
    folder = landing.write("west", "01", {"members": [member("a")]})
    os.truncate(folder / "manifest.json", 2**40)  # holes only: reading it all would not end
    outcome = landing.take_in("west", "01")
    assert isinstance(outcome, Refused)
    (finding,) = json.loads((outcome.quarantined_at / "reason.json").read_text())["findings"]
    assert finding["message"] == f"is larger than {MAX_BYTES:,} bytes"
