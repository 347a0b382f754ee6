"""What `memsync doctor` looks at: each thing that a run needs, whether it is there, and how to get it.

Only looks; changes nothing but an empty mart, which it opens as a run would.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version

import pyodbc

from memsync_assets.landing.extraction import ready_loads
from memsync_assets.mart.connect import open_mart
from memsync_assets.mart.drivers import find_driver, names_driver
from memsync_assets.settings import MemsyncError, Project

_PACKAGES = ("dagster", "duckdb", "sqlglot", "pyodbc", "simple-salesforce", "pandas")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        ok: whether a run can do with what was found.
        about: what was looked at.
        text: what was found, and, where it is not well, what to do.
    """

    ok: bool
    about: str
    text: str


def examine(project: Project) -> Iterator[Finding]:
    """Look at everything that a run of this project needs."""
    yield Finding(True, "python", platform.python_version())
    yield Finding(True, "packages", ", ".join(f"{name} {version(name)}" for name in _PACKAGES))
    yield Finding(True, "configuration", f"{project.config}, {len(project.settings.reconciliations)} reconciliations")
    yield _landing(project)
    yield _mart(project)
    yield _odbc(project)
    for name, system in sorted(project.settings.systems.items()):
        if system.extraction:
            yield _extraction(project, name)
    yield _salesforce(project)


def _landing(project: Project) -> Finding:
    if not project.landing.is_dir():
        return Finding(False, "landing", f"{project.landing} is not there: create it, or name another with --landing")
    systems = sum(1 for path in project.landing.iterdir() if path.is_dir())
    return Finding(True, "landing", f"{project.landing}, {systems} systems")


def _mart(project: Project) -> Finding:
    free = shutil.disk_usage(_existing(project)).free // 2**30
    try:
        with open_mart(project) as mart:
            loads = mart.fetch("SELECT COUNT(*) AS loads FROM loads")["loads"][0].as_py()
            # It is empty but while a load is applied: this asks whether we may write, and changes nothing.
            mart.execute("DELETE FROM delta_keys")
    except MemsyncError as error:
        return Finding(False, "mart", str(error))
    return Finding(True, "mart", f"{project.settings.mart.engine}, {loads} loads applied, {free} GB free in the home")


def _odbc(project: Project) -> Finding:
    """The driver that the mart's server is reached through; without a server, what is there."""
    engine = project.settings.mart.engine
    registered = ", ".join(pyodbc.drivers()) or "none registered"
    if engine == "duckdb":
        return Finding(True, "odbc drivers", f"{registered} (needed for a server only)")
    given = os.environ.get(project.settings.mart.connection_variable, "")
    try:
        text = "named by the connection string" if names_driver(given) else f"{find_driver(engine).name} is used"
    except MemsyncError as error:
        return Finding(False, "odbc drivers", f"{registered}: {error}")
    return Finding(True, "odbc drivers", f"{registered}; {text}")


def _extraction(project: Project, system: str) -> Finding:
    """Whether a system's database can be asked for its loads; its other queries are not run."""
    about = f"extraction of {system}"
    try:
        ready = ready_loads(project, system)
    except MemsyncError as error:
        return Finding(False, about, str(error))
    return Finding(True, about, f"its database answers, {len(ready)} new complete loads")


def _existing(project: Project) -> str:
    path = project.home.root
    while not path.exists():
        path = path.parent
    return str(path)


def _salesforce(project: Project) -> Finding:
    settings = project.settings.salesforce
    if settings.target == "none":
        return Finding(True, "salesforce", "no org: plan only (salesforce.target)")
    if settings.target == "local":
        return Finding(True, "salesforce", "the local org, started by each run (salesforce.target)")
    wanted = ("MEMSYNC_SALESFORCE_CLIENT_ID", "MEMSYNC_SALESFORCE_CLIENT_SECRET")
    missing = [name for name in wanted if not os.environ.get(name)]
    if missing:
        return Finding(False, "salesforce", f"set {' and '.join(missing)} in the environment")
    return Finding(True, "salesforce", f"{settings.domain}, credentials in the environment")
