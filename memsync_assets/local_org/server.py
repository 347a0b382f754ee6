"""Running an org: in this process for the command line, or as a child process for the demo and the tests."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn

from memsync_assets.local_org import schema as schemas
from memsync_assets.local_org.app import Protocol, make_app
from memsync_assets.local_org.oauth import ConnectedApp
from memsync_assets.local_org.org import Org, open_org

_HOST = "127.0.0.1"
#: Seconds that a server has to stop, and that its open connections have to end.
_PATIENCE, _GRACE = 15, 5


class CannotServeError(Exception):
    """Why an org cannot be served: the text says what is wrong, where, and what to do."""


def serve(
    db_path: Path | str, schema_path: Path | None, port: int, app: ConnectedApp, *, until_eof: bool = False
) -> None:
    """Serve an org until interrupted, first printing one JSON line with its port and URL.

    Loopback only. Port 0 takes a free one. With `until_eof` it also ends where standard input does: with the process
    that started it, however that one ended. Raises CannotServeError.
    """
    listener = _listener(port)
    org = _opened(db_path, schema_path, app)
    bound = listener.getsockname()[1]
    print(json.dumps({"port": bound, "url": f"http://{_HOST}:{bound}"}), flush=True)  # noqa: T201
    config = uvicorn.Config(
        make_app(org),
        http=Protocol,
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=_GRACE,
    )
    server = uvicorn.Server(config)
    if until_eof:
        threading.Thread(target=_stop_at_eof, args=[server], daemon=True).start()
    try:
        server.run(sockets=[listener])
    finally:
        org.store.close()


def _stop_at_eof(server: uvicorn.Server) -> None:
    sys.stdin.buffer.read()
    server.should_exit = True


def _listener(port: int) -> socket.socket:
    try:
        return socket.create_server((_HOST, port))
    except (OSError, OverflowError) as error:
        raise CannotServeError(
            f"--port {port}: cannot listen on {_HOST} ({error}). Give another port, or 0 for any that is free."
        ) from None


def _opened(db_path: Path | str, schema_path: Path | None, app: ConnectedApp) -> Org:
    try:
        schema = schemas.load(schema_path)
    except ValueError as error:
        raise CannotServeError(f"--schema {schema_path}: {error}") from None
    try:
        return open_org(db_path, schema, app)
    except sqlite3.DatabaseError as error:
        locked = error.sqlite_errorcode == sqlite3.SQLITE_BUSY
        why = "another server has it open; stop that one or" if locked else f"cannot be an org's database ({error});"
        raise CannotServeError(f"--db {db_path}: {why} give another file.") from None


class LocalOrg:
    """An org in a process of its own, as a context manager; `url` is where clients find it.

    The database file outlives it, whether it is stopped or killed.
    """

    def __init__(
        self,
        db_path: Path | str,
        schema: Path | str | None = None,
        port: int = 0,
        *,
        client_id: str = ConnectedApp.client_id,
        client_secret: str = ConnectedApp.client_secret,
        public_key: Path | str | None = None,
    ) -> None:
        self.db_path = Path(db_path)
        self.client_id = client_id
        self.client_secret = client_secret
        self._arguments = ["--until-eof", "--db", str(db_path), "--client-id", client_id]
        self._arguments += ["--schema", str(schema)] if schema else []
        self._arguments += ["--public-key", str(public_key)] if public_key else []
        self._process: subprocess.Popen[str] | None = None
        self._port = port
        self.url = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the process and wait until it listens; a second start keeps the port. Raises RuntimeError."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "memsync_assets.local_org", *self._arguments, "--port", str(self._port)],
            # Nothing is ever written to it; it ends when this process does.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "MEMSYNC_LOCAL_ORG_SECRET": self.client_secret},
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            raise RuntimeError(f"the local org did not start (exit code {code}): standard error says why")
        said = json.loads(line)
        self._port, self.url = said["port"], said["url"]

    def stop(self) -> None:
        """Stop it cleanly; one that does not stop in time is killed, which loses nothing that was answered."""
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
            self._wait()

    def kill(self) -> None:
        """Kill it as a crash would (SIGKILL)."""
        if self._process:
            self._process.kill()
            self._wait()

    def _wait(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
        self._process = None
