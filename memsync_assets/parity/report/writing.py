"""Puts the reports of all reconciliations into the home's report folder, complete or not at all, mode 0600."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from memsync_assets.mart.engine import Mart
from memsync_assets.parity.reconciliations import latest_as_of
from memsync_assets.parity.report.figures import Figures, read_figures
from memsync_assets.parity.report.page import write_page
from memsync_assets.parity.report.workbook import write_workbook
from memsync_assets.settings import Project

#: The report folder and its files are for their owner only.
_FOLDER_MODE, _FILE_MODE = 0o700, 0o600


@dataclass(frozen=True)
class Report:
    """The report of one reconciliation: its figures, and where its two files are."""

    figures: Figures
    workbook: Path
    page: Path


def write_reports(mart: Mart, project: Project, as_of: date | None = None) -> list[Report]:
    """Write the workbook and the page of every reconciliation for an as-of date; None: the latest of the loads."""
    compared = as_of or project.as_of or latest_as_of(mart)
    if compared is None:
        return []
    folder = project.home.reports
    folder.mkdir(parents=True, exist_ok=True, mode=_FOLDER_MODE)
    return [_write(mart, project, name, compared) for name in project.settings.reconciliations]


def _write(mart: Mart, project: Project, reconciliation: str, as_of: date) -> Report:
    figures = read_figures(mart, project.settings, reconciliation, as_of)
    stem = project.home.reports / f"{reconciliation}-{as_of.isoformat()}"
    workbook, page = stem.with_suffix(".xlsx"), stem.with_suffix(".html")
    _write_whole(workbook, lambda path: write_workbook(figures, path))
    _write_whole(page, lambda path: write_page(figures, path, workbook.name))
    return Report(figures, workbook, page)


def _write_whole(path: Path, write: Callable[[Path], None]) -> None:
    partial = path.with_name(f".{path.name}.partial")
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _FILE_MODE))
    write(partial)
    partial.chmod(_FILE_MODE)
    partial.replace(path)
