"""Puts the reports of all reconciliations into the home's report folder, complete or not at all, mode 0600.

Where there are more findings by member than a sheet holds, all of them go to a Parquet file beside the workbook.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import chain
from pathlib import Path

import pyarrow.parquet as pq

from memsync_assets.mart.engine import Mart
from memsync_assets.parity.reconciliations import date_compared
from memsync_assets.parity.report.figures import Figures, read_figures, read_findings
from memsync_assets.parity.report.page import write_page
from memsync_assets.parity.report.workbook import MEMBER_ROWS, write_workbook
from memsync_assets.settings import Project
from memsync_assets.whole_files import whole_file

#: The report folder is for its owner only, as its files are.
_FOLDER_MODE = 0o700


@dataclass(frozen=True)
class Report:
    """The report of one reconciliation: its figures, and where its files are.

    Attributes:
        members: the findings by member, where the workbook cannot hold them all.
    """

    figures: Figures
    workbook: Path
    page: Path
    members: Path | None


def write_reports(mart: Mart, project: Project, as_of: date | None = None) -> list[Report]:
    """Write the workbook and the page of every reconciliation for an as-of date; None: the latest of the loads.

    Raises:
        ExceptionGroup: some report could not be written; all others are.
    """
    compared = date_compared(mart, as_of or project.as_of)
    if compared is None:
        return []
    folder = project.home.reports
    folder.mkdir(parents=True, exist_ok=True, mode=_FOLDER_MODE)
    written: list[Report] = []
    failed: dict[str, Exception] = {}
    for name in project.settings.reconciliations:
        try:
            written.append(_write(mart, project, name, compared))
        except Exception as error:  # noqa: BLE001 - whatever it was, the others' readers get their reports
            failed[name] = error
    if failed:
        raise ExceptionGroup(f"no report of {', '.join(failed)}", list(failed.values()))
    return written


def _write(mart: Mart, project: Project, reconciliation: str, as_of: date) -> Report:
    figures = read_figures(mart, project.settings, reconciliation, as_of)
    stem = f"{reconciliation}-{as_of.isoformat()}"
    folder = project.home.reports
    workbook, page, members = (folder / f"{stem}{ending}" for ending in (".xlsx", ".html", "-members.parquet"))
    overflows = figures.rows > MEMBER_ROWS
    if overflows:
        _write_members(mart, figures, members)
    else:
        # Of an earlier report of the date.
        members.unlink(missing_ok=True)
    with whole_file(workbook) as partial:
        write_workbook(figures, read_findings(mart, figures), partial, members.name)
    with whole_file(page) as partial:
        write_page(figures, partial, workbook.name)
    return Report(figures, workbook, page, members if overflows else None)


def _write_members(mart: Mart, figures: Figures, path: Path) -> None:
    found = read_findings(mart, figures)
    first = next(found)
    with whole_file(path) as partial, pq.ParquetWriter(partial, first.schema) as file:
        for table in chain([first], found):
            file.write_table(table.cast(first.schema))
