"""Which ODBC drivers this machine has for a server, and the connection string that names one."""

from __future__ import annotations

import importlib.util
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyodbc

from memsync_assets.settings import MemsyncError

ServerEngine = Literal["postgres", "sqlserver"]

_HAS_DRIVER = re.compile(r"(?i)(?:^|;)\s*(driver|dsn|filedsn)\s*=")
_REGISTERED: dict[ServerEngine, tuple[str, ...]] = {
    "sqlserver": ("ODBC Driver 18 for SQL Server", "ODBC Driver 17 for SQL Server"),
    "postgres": ("PostgreSQL Unicode", "PostgreSQL Unicode(x64)", "PostgreSQL ANSI"),
}
_HOW_TO_GET: dict[ServerEngine, str] = {
    "sqlserver": "install memsync[sqlserver] (its wheel carries Microsoft's driver), msodbcsql18, or Debian's tdsodbc",
    "postgres": "install psqlODBC (Debian and Ubuntu: apt-get install odbc-postgresql)",
}
#: What must be said to FreeTDS for dates, and for texts outside Latin-1.
_FREETDS = "TDS_Version=7.4;ClientCharset=UTF-8;"
#: An error ends the transaction, as in every other engine; otherwise psqlODBC sets a savepoint at each statement.
#: Line ends stay as they are.
_PSQLODBC = "Protocol=7.4-0;LFConversion=0;"


@dataclass(frozen=True)
class Driver:
    """An ODBC driver. name: as it is registered, or the path of its file."""

    name: str
    options: str = ""

    def connection_string(self, given: str) -> str:
        """A connection string with this driver in front."""
        return f"DRIVER={{{self.name}}};{self.options}{given}"


def find_driver(engine: ServerEngine) -> Driver:
    """The best driver for a server.

    Raises:
        MemsyncError: there is none; the text says how to get one.
    """
    registered = pyodbc.drivers()
    for name in _REGISTERED[engine]:
        if name in registered:
            return Driver(name, _PSQLODBC if engine == "postgres" else "")
    if engine == "sqlserver":
        if carried := _carried_by_wheel():
            return Driver(str(carried))
        if "FreeTDS" in registered:
            return Driver("FreeTDS", _FREETDS)
    raise MemsyncError(f"no ODBC driver for {engine} is installed: {_HOW_TO_GET[engine]}.")


def names_driver(connection_string: str) -> bool:
    """Whether a connection string says itself which driver it is for."""
    return _HAS_DRIVER.search(connection_string) is not None


def complete(engine: ServerEngine, connection_string: str) -> str:
    """A connection string that names a driver: its own, or the best that is here.

    Raises:
        MemsyncError: it names none, and there is none.
    """
    if names_driver(connection_string):
        return connection_string
    return find_driver(engine).connection_string(connection_string)


def _carried_by_wheel() -> Path | None:
    """Microsoft's driver in the wheel of mssql-python, for this distribution of Linux."""
    found = importlib.util.find_spec("mssql_python_odbc")
    if found is None or found.origin is None or platform.system() != "Linux":
        return None
    machine = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    libraries = Path(found.origin).parent / "libs" / "linux" / _distribution() / machine / "lib"
    return next(iter(sorted(libraries.glob("libmsodbcsql-*.so*"))), None)


def _distribution() -> str:
    release = platform.freedesktop_os_release()
    family = {release.get("ID", ""), *release.get("ID_LIKE", "").split()}
    for folder, members in {
        "alpine": {"alpine"},
        "rhel": {"rhel", "fedora", "centos"},
        "suse": {"suse", "sles", "opensuse"},
    }.items():
        if family & members:
            return folder
    return "debian_ubuntu"
