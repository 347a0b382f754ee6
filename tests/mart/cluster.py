"""A PostgreSQL cluster of the tests' own, from the machine's own packages: on a free port, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import pyodbc

_SETTINGS = "-c unix_socket_directories='' -c listen_addresses=127.0.0.1 -c max_connections=20 -c shared_buffers=64MB"


def programs() -> Path | None:
    """The folder of initdb and pg_ctl of the newest PostgreSQL; None: there is none."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = [*debian, *(Path(path) for path in [shutil.which("initdb")] if path)]
    return next((path.parent for path in reversed(found) if (path.parent / "pg_ctl").exists()), None)


def what_is_missing() -> str | None:
    """Why no cluster can be started here; None: it can."""
    if programs() is None:
        return "PostgreSQL's server is not installed (Debian: apt-get install postgresql)"
    if not any("PostgreSQL" in name for name in pyodbc.drivers()):
        return "psqlODBC is not installed (Debian: apt-get install odbc-postgresql)"
    return None


class Cluster:
    """A private cluster. `start` after `kill` is what a restart of a crashed server is."""

    def __init__(self) -> None:
        found = programs()
        assert found is not None
        self._programs = found
        # initdb refuses to run as root.
        self._user = self._unprivileged() if os.geteuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="memsync-postgres-"))
        if self._user:
            shutil.chown(self._folder, self._user)
        self._data = self._folder / "data"
        self.port = _free_port()
        self._run(
            "initdb", "-D", str(self._data), "-U", "memsync", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"
        )
        self.start()

    @staticmethod
    def _unprivileged() -> str:
        names = {entry.pw_name for entry in pwd.getpwall()}
        return "postgres" if "postgres" in names else "nobody"

    def start(self) -> None:
        options = f"-p {self.port} {_SETTINGS}"
        log = str(self._folder / "log")
        self._run("pg_ctl", "-D", str(self._data), "-o", options, "-l", log, "-w", "-t", "60", "start")

    def kill(self) -> None:
        """kill -9 of the server with all its processes, as a power cut would."""
        postmaster = int((self._data / "postmaster.pid").read_text().splitlines()[0])
        processes = [postmaster, *_children(postmaster)]
        for process in processes:
            os.kill(process, signal.SIGKILL)
        for process in processes:
            _wait_for_end(process)
        # Where nobody waits for the zombie, its lock file looks alive.
        (self._data / "postmaster.pid").unlink()

    def destroy(self) -> None:
        if (self._data / "postmaster.pid").exists():
            self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "-w", "stop")
        shutil.rmtree(self._folder)

    def connection_string(self, database: str) -> str:
        return f"SERVER=127.0.0.1;PORT={self.port};DATABASE={database};UID=memsync"

    def sql(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run a statement as the superuser."""
        driver = next(name for name in pyodbc.drivers() if "PostgreSQL" in name)
        connection = pyodbc.connect(f"DRIVER={{{driver}}};{self.connection_string(database)}", autocommit=True)
        try:
            cursor = connection.execute(statement)
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []
        finally:
            connection.close()

    def await_blocked(self) -> None:
        """Until somebody waits for a lock."""
        while not self.sql("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
            pass

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            user=self._user,
            group=pwd.getpwnam(self._user).pw_gid if self._user else None,
            extra_groups=[] if self._user else None,
            cwd=self._folder,
            # A server that kept our standard output open would keep run() waiting.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            log = self._folder / "log"
            raise RuntimeError(f"{program} failed: {log.read_text()[-2000:] if log.exists() else done.returncode}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _children(process: int) -> list[int]:
    listed = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(child) for child in listed.split()]


def _wait_for_end(process: int) -> None:
    """Until a killed process is gone or a zombie that nobody waits for."""
    while True:
        try:
            state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state == "Z":
            return
