"""Parity as a data frame, as a notebook or a further asset gets it."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pandas as pd

from memsync_assets.mart.connect import open_mart
from memsync_assets.parity.assets import parity_summary
from memsync_assets.parity.comparison import compare_membership
from memsync_assets.parity.summary import COLUMNS, parity_summary_frame
from memsync_assets.settings import Home, Project
from tests.parity.test_comparison import world
from tests.parity.worlds import AS_OF, row, settings, write


def test_a_further_asset_is_given_the_frame_and_no_member(tmp_path: Path) -> None:
    there = world([row("member-1"), row("member-2")], [row("member-1"), row("member-3")])
    project = Project(settings(there), Home(tmp_path), tmp_path)
    with open_mart(project) as mart:
        write(mart, there)
        compare_membership(mart, project.settings, AS_OF)
    seen: list[pd.DataFrame] = []

    @dg.asset
    def further(parity_summary: pd.DataFrame) -> None:
        seen.append(parity_summary)

    with dg.instance_for_test() as instance:
        made = dg.materialize([parity_summary, further], resources={"project": project}, instance=instance)
    (frame,) = seen
    assert frame["level"].tolist() == ["group", "source", "state"]
    assert set(frame["status"]) == {"beyond_tolerance"}
    assert frame[["variance", "findings", "unexplained"]].to_numpy().tolist() == [[0, 2, 0]] * 3
    (event,) = made.asset_materializations_for_node("parity_summary")
    assert event.metadata["dagster/row_count"].value == 3
    assert "member-" not in str(event.metadata)


def test_nothing_compared_is_an_empty_frame_of_the_same_columns() -> None:
    frame = parity_summary_frame([])
    assert list(frame.columns) == list(COLUMNS)
    assert frame["cells"].dtype == "int64"
    assert len(frame) == 0
