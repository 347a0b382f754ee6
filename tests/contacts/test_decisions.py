from __future__ import annotations

from pathlib import Path

import pytest

from memsync_assets.contacts.decisions import FILE_NAME, decision, read_decisions, record
from memsync_assets.settings import DEFAULT_CONFIG, Home, MemsyncError, Project, load_settings

HEADER = "decision,left_system,left_contact_id,right_system,right_contact_id,decided_by,note\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "config").mkdir()
    return Project(
        load_settings(DEFAULT_CONFIG), Home(tmp_path / "home"), tmp_path, tmp_path / "config" / "memsync.yaml"
    )


def test_decisions_of_the_config_and_of_the_home_are_read(project: Project) -> None:
    (project.config.parent / FILE_NAME).write_text(HEADER + "never_link,b,2,a,1,jo,father and son\n")
    assert read_decisions(project) == (decision("never_link", ("a", "1"), ("b", "2"), "jo", "father and son"),)
    more = decision("always_link", ("a", "1"), ("a", "7"), "jo")
    record(project.home.root / FILE_NAME, more)
    record(project.home.root / FILE_NAME, more)
    assert set(read_decisions(project)) == {
        more,
        decision("never_link", ("a", "1"), ("b", "2"), "jo", "father and son"),
    }


def test_none_is_fine(project: Project) -> None:
    assert read_decisions(project) == ()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("maybe,a,1,b,2,,", "line 2, column decision"),
        ("never_link,a,,b,2,,", "line 2, column left_contact_id"),
        ("never_link,a,1,a,1,,", "two different source contacts"),
        ("never_link,a,1,b,2,,\nalways_link,b,2,a,1,,", "both always_link and never_link"),
    ],
)
def test_a_wrong_line_says_where_and_what(project: Project, line: str, message: str) -> None:
    (project.config.parent / FILE_NAME).write_text(HEADER + line + "\n")
    with pytest.raises(MemsyncError, match=message):
        read_decisions(project)


def test_a_header_without_a_column_is_refused(project: Project) -> None:
    (project.config.parent / FILE_NAME).write_text("decision,left_system\n")
    with pytest.raises(MemsyncError, match="the header lacks left_contact_id"):
        read_decisions(project)


def test_deciding_the_other_way_is_refused(project: Project) -> None:
    path = project.home.root / FILE_NAME
    record(path, decision("never_link", ("a", "1"), ("b", "2")))
    with pytest.raises(MemsyncError, match="both"):
        record(path, decision("always_link", ("a", "1"), ("b", "2")))
