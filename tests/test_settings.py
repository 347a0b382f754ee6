"""A configuration that is wrong is refused when it is read: file and key are named, and what to do."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from memsync_assets.settings import DEFAULT_CONFIG, MemsyncError, load_settings

_SCOPE = "scope: {flagged: true}"


def refused(tmp_path: Path, text: str) -> str:
    file = tmp_path / "memsync.yaml"
    file.write_text(text)
    with pytest.raises(MemsyncError) as refusal:
        load_settings(file)
    assert str(refusal.value).startswith(str(file))
    return str(refusal.value).removeprefix(str(file))


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ("scope: {flaged: true}", "reconciliations.a.scope: there is no key flaged; did you mean flagged?"),
        (f"{_SCOPE}, zzz: 1", "reconciliations.a: there is no key zzz; its keys are description, scope, sources,"),
        ("scope: {}", "reconciliations.a.scope: covers no group: set flagged: true, more_than_members or groups"),
        ("scope: {groups: []}", "reconciliations.a.scope: covers no group"),
        (f"{_SCOPE}, levels: []", "reconciliations.a.levels: "),
        (f"{_SCOPE}, levels: [source, source]", "reconciliations.a.levels: source stands twice"),
        (
            "scope: {groups: [heritage_tx]}",
            "reconciliations.a.scope.groups.0: 'heritage_tx' is no [source system, group id] of two texts",
        ),
        ("scope: {groups: [[heritage_tx, 0011]]}", "['heritage_tx', 9] is no [source system, group id] of two texts"),
    ],
)
def test_a_reconciliation_that_cannot_be_meant(tmp_path: Path, block: str, told: str) -> None:
    assert told in refused(tmp_path, f"reconciliations:\n  a: {{{block}}}\n")


@pytest.mark.parametrize(
    ("calendar", "told"),
    [
        ("time_zone: Mars/One", "calendar.time_zone: there is no time zone 'Mars/One'; use a name like"),
        ("time_zone: ../etc", "calendar.time_zone: there is no time zone '../etc'"),
        ("time_zone: ''", "calendar.time_zone: there is no time zone ''"),
        ("holidays: Atlantis", "calendar.holidays: no holidays are known for 'Atlantis'; use a code like US"),
        ("extra_holidays: ['2026-13-01']", "calendar.extra_holidays.0: "),
        ("extra_holidays: [27.11.2026]", "calendar.extra_holidays.0: "),
    ],
)
def test_a_calendar_that_is_none(tmp_path: Path, calendar: str, told: str) -> None:
    text = f"reconciliations: {{a: {{{_SCOPE}}}}}\ncalendar: {{{calendar}}}\n"
    assert told in refused(tmp_path, text)


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "a b", "x" * 101])
def test_reports_stay_where_reports_are(tmp_path: Path, name: str) -> None:
    told = refused(tmp_path, f"reconciliations: {{'{name}': {{{_SCOPE}}}}}\n")
    assert "names files: give it letters, digits, _ and - only" in told


def test_a_key_that_stands_twice_is_no_yaml(tmp_path: Path) -> None:
    text = f"reconciliations:\n  a: {{{_SCOPE}}}\n  a: {{scope: {{more_than_members: 3}}}}\n"
    assert refused(tmp_path, text) == ": line 3: is not YAML: the key a stands twice in one block"


def test_what_a_merge_key_brings_may_be_overridden(tmp_path: Path) -> None:
    file = tmp_path / "memsync.yaml"
    common = f"&common {{{_SCOPE}, business_days: 5}}"
    file.write_text(f"reconciliations:\n  a: {common}\n  b:\n    <<: *common\n    business_days: 7\n")
    assert [block.business_days for block in load_settings(file).reconciliations.values()] == [5, 7]


def test_a_file_that_is_no_configuration(tmp_path: Path) -> None:
    assert refused(tmp_path, "reconciliations: {a: {\n").startswith(": line 2: is not YAML: ")
    assert ": line 1: is not YAML: " in refused(tmp_path, "{[a]: 1}")
    assert refused(tmp_path, "- a\n").startswith(": the whole file: ")
    assert "reconciliations: " in refused(tmp_path, "")


def test_dates_need_no_quotes(tmp_path: Path) -> None:
    file = tmp_path / "memsync.yaml"
    file.write_text(f"reconciliations: {{a: {{{_SCOPE}}}}}\ncalendar: {{extra_holidays: [2026-11-27, '2026-12-24']}}\n")
    assert load_settings(file).calendar.extra_holidays == (date(2026, 11, 27), date(2026, 12, 24))


def test_the_configuration_that_is_shipped_can_be_read() -> None:
    assert set(load_settings(DEFAULT_CONFIG).reconciliations) == {"ihm", "large_groups"}
