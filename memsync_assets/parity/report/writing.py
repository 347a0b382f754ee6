"""Puts the reports of all reconciliations into the home's report folder, complete or not at all, mode 0600."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from memsync_assets.mart.engine import Mart
from memsync_assets.parity.reconciliations import date_compared
from memsync_assets.parity.report.figures import Figures, read_figures
from memsync_assets.parity.report.page import write_page
from memsync_assets.parity.report.workbook import write_workbook
from memsync_assets.settings import Project
from memsync_assets.whole_files import whole_file

#: The report folder is for its owner only, as its files are.
_FOLDER_MODE = 0o700


@dataclass(frozen=True)
class Report:
    """The report of one reconciliation: its figures, and where its two files are."""

    figures: Figures
    workbook: Path
    page: Path


def write_reports(mart: Mart, project: Project, as_of: date | None = None) -> list[Report]:
    """Write the workbook and the page of every reconciliation for an as-of date; None: the latest of the loads."""
    compared = date_compared(mart, as_of or project.as_of)
    if compared is None:
        return []
    folder = project.home.reports
    folder.mkdir(parents=True, exist_ok=True, mode=_FOLDER_MODE)
    return [_write(mart, project, name, compared) for name in project.settings.reconciliations]


def _write(mart: Mart, project: Project, reconciliation: str, as_of: date) -> Report:
    figures = read_figures(mart, project.settings, reconciliation, as_of)
    stem = project.home.reports / f"{reconciliation}-{as_of.isoformat()}"
    workbook, page = stem.with_suffix(".xlsx"), stem.with_suffix(".html")
    with whole_file(workbook) as partial:
        write_workbook(figures, partial)
    with whole_file(page) as partial:
        write_page(figures, partial, workbook.name)
    return Report(figures, workbook, page)
