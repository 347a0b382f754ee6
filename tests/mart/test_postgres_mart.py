"""A server mart under misfortune: a second writer, a server or a memsync that is killed, a deadlock, a refusal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyodbc
import pytest

from memsync_assets.landing.take_in import Applied, pending_loads, take_in
from memsync_assets.mart.drivers import complete
from memsync_assets.mart.engine import (
    CommitUnknownError,
    MartBusyError,
    MartInterruptedError,
    MartRefusedError,
    Replace,
)
from memsync_assets.mart.postgres import Postgres
from memsync_assets.mart.queries import Query
from memsync_assets.mart.schema import migrate
from memsync_assets.mart.server_mart import ServerMart
from memsync_assets.sample.generator import Sample
from memsync_assets.sample.schedule import LOAD_DATES
from memsync_assets.settings import Home, MemsyncError, Project, load_settings
from tests.mart.cluster import Cluster

pytestmark = pytest.mark.postgres

_QUERY = Query("test/things", "SELECT g.name FROM given AS g", "things", "a thing", ("name",), "tests")
_NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
_STORES = """
import sys
from memsync_assets.mart.postgres import Postgres
from memsync_assets.mart.engine import Replace
from memsync_assets.mart.queries import Query
from memsync_assets.mart.server_mart import ServerMart
mart = ServerMart(Postgres(), sys.argv[1])
mart.store(Query("t", "SELECT g.name FROM given AS g", "things", "", ("name",), ""), Replace())
"""
_LOADS = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from memsync_assets.landing.take_in import pending_loads, take_in
from memsync_assets.mart.postgres import Postgres
from memsync_assets.mart.server_mart import ServerMart
from memsync_assets.settings import Home, Project, load_settings
mart = ServerMart(Postgres(), sys.argv[1])
project = Project(load_settings(), Home(Path(sys.argv[2])), Path(sys.argv[3]))
take_in(project, mart, pending_loads(project.landing, mart)[0], datetime(2026, 11, 20, 12, tzinfo=UTC))
"""


@pytest.fixture
def mart(postgres: str) -> Iterator[ServerMart]:
    """Things a and b, and c given."""
    mart = ServerMart(Postgres(), postgres)
    mart.execute("CREATE TABLE things (name NVARCHAR(40) NOT NULL, CONSTRAINT pk_things PRIMARY KEY (name))")
    mart.execute("CREATE TABLE given (name NVARCHAR(40))")
    mart.append("things", pa.table({"name": ["a", "b"]}))
    mart.append("given", pa.table({"name": ["c"]}))
    yield mart
    mart.close()


def _things(mart: ServerMart) -> list[str]:
    return sorted(mart.fetch("SELECT t.name FROM things AS t")["name"].to_pylist())


@contextmanager
def _session(connection_string: str) -> Iterator[pyodbc.Cursor]:
    """Somebody else, in a transaction."""
    connection = pyodbc.connect(connection_string, autocommit=False)
    try:
        yield connection.cursor()
    finally:
        connection.close()


def _reopen(connection_string: str) -> ServerMart:
    """As soon as the server has noticed that its former client is gone."""
    while True:
        try:
            return ServerMart(Postgres(), connection_string)
        except MartBusyError:
            pass


def test_a_second_writer_is_turned_away_until_the_first_has_closed(mart: ServerMart, postgres: str) -> None:
    with pytest.raises(MartBusyError, match="another memsync"):
        ServerMart(Postgres(), postgres)
    mart.close()
    second = ServerMart(Postgres(), postgres)
    assert _things(second) == ["a", "b"]
    second.close()


def test_a_server_killed_while_it_stores_finishes_the_store_after_its_restart(
    mart: ServerMart, postgres: str, cluster: Cluster
) -> None:
    with _session(postgres) as other, ThreadPoolExecutor(1) as threads:
        other.execute("LOCK TABLE things IN SHARE MODE")
        stored = threads.submit(mart.store, _QUERY, Replace())
        cluster.await_blocked()
        cluster.kill()
        cluster.start()
        assert stored.result() == 1
    assert _things(mart) == ["c"]


def test_a_server_killed_in_a_transaction_leaves_all_as_before(
    mart: ServerMart, postgres: str, cluster: Cluster
) -> None:
    def change() -> None:
        with mart.transaction():
            mart.store(_QUERY, Replace())
            cluster.kill()
            mart.append("given", pa.table({"name": ["d"]}))

    with pytest.raises(MartInterruptedError, match="run again"):
        change()
    cluster.start()
    assert _things(mart) == ["a", "b"]
    assert mart.store(_QUERY, Replace()) == 1
    assert _things(mart) == ["c"]


def test_an_error_that_the_caller_swallows_does_not_let_half_a_transaction_be_stored(
    mart: ServerMart, cluster: Cluster
) -> None:
    """A driver says that such a commit succeeded."""

    def lose_the_connection() -> None:
        _end_connections_of(cluster, mart)
        mart.execute("DELETE FROM things")

    def break_a_key() -> None:
        mart.append("things", pa.table({"name": ["a"]}))

    def go_on_regardless(failing: Callable[[], None]) -> None:
        with mart.transaction():
            mart.execute("DELETE FROM things WHERE name = 'b'")
            with pytest.raises(MemsyncError):
                failing()

    for failing in (lose_the_connection, break_a_key):
        with pytest.raises(MartInterruptedError, match="nothing of it is stored"):
            go_on_regardless(failing)
        assert _things(mart) == ["a", "b"]


def _end_connections_of(cluster: Cluster, mart: ServerMart) -> None:
    (process,) = mart.fetch("SELECT pg_backend_pid() AS process")["process"].to_pylist()
    cluster.sql(f"SELECT CAST(pg_terminate_backend({process}) AS INT)")


def test_a_read_is_repeated_when_the_connection_is_lost(mart: ServerMart, postgres: str, cluster: Cluster) -> None:
    _end_connections_of(cluster, mart)
    assert _things(mart) == ["a", "b"]
    with pytest.raises(MartBusyError):
        ServerMart(Postgres(), postgres)


def test_a_deadlock_is_given_up_by_the_server_and_stored_again(
    mart: ServerMart, postgres: str, cluster: Cluster
) -> None:
    with _session(postgres) as other, ThreadPoolExecutor(1) as threads:
        other.execute("SET deadlock_timeout = '1h'")  # so that the mart's transaction is the one given up
        other.execute("LOCK TABLE things IN SHARE MODE")
        stored = threads.submit(mart.store, _QUERY, Replace())
        cluster.await_blocked()
        other.execute("LOCK TABLE given IN ACCESS EXCLUSIVE MODE")
        other.execute("INSERT INTO given (name) VALUES ('d')")
        other.connection.commit()
        assert stored.result() == 2
    assert _things(mart) == ["c", "d"]


def test_a_transaction_of_several_steps_that_a_deadlock_ends_is_run_again_as_a_whole(
    mart: ServerMart, postgres: str, cluster: Cluster
) -> None:
    runs = []

    def move_b() -> None:
        runs.append(_things(mart))
        mart.execute("DELETE FROM things WHERE name = 'b'")
        mart.append("given", pa.table({"name": ["b"]}))

    with _session(postgres) as other, ThreadPoolExecutor(1) as threads:
        other.execute("SET deadlock_timeout = '1h'")
        other.execute("LOCK TABLE given IN EXCLUSIVE MODE")
        moved = threads.submit(mart.whole, move_b)
        cluster.await_blocked()
        other.execute("DELETE FROM things WHERE name = 'b'")
        other.execute("INSERT INTO things (name) VALUES ('z')")
        other.connection.commit()
        moved.result()
    assert runs == [["a", "b"], ["a", "z"]]
    assert _things(mart) == ["a", "z"]
    assert sorted(mart.fetch("SELECT g.name FROM given AS g")["name"].to_pylist()) == ["b", "c"]


def test_a_transaction_that_ran_for_an_hour_is_run_again_too(
    mart: ServerMart, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How long the server is waited for begins with the first failure."""
    hours = []
    clock = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: clock() + 3600 * len(hours))

    def empty() -> None:
        hours.append(1)
        if len(hours) == 1:
            _end_connections_of(cluster, mart)
        mart.execute("DELETE FROM things")

    mart.whole(empty)
    assert len(hours) == 2
    assert _things(mart) == []


def test_a_commit_of_unknown_end_is_not_repeated(mart: ServerMart, postgres: str, cluster: Cluster) -> None:
    """A deferred trigger holds the commit; the server is killed in it."""
    with _session(postgres) as setup:
        setup.execute(
            "CREATE FUNCTION hold() RETURNS TRIGGER LANGUAGE plpgsql AS"
            " 'BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NULL; END'"
        )
        setup.execute(
            "CREATE CONSTRAINT TRIGGER held AFTER INSERT ON things DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION hold()"
        )
        setup.connection.commit()
    with _session(postgres) as other, ThreadPoolExecutor(1) as threads:
        other.execute("SELECT CAST(pg_advisory_lock(42) AS TEXT)").fetchall()
        stored = threads.submit(mart.store, _QUERY, Replace())
        cluster.await_blocked()
        cluster.kill()
        with pytest.raises(CommitUnknownError, match="whole or not at all"):
            stored.result()
    cluster.start()
    assert _things(mart) in (["a", "b"], ["c"])


def test_memsync_killed_while_it_stores_leaves_all_as_before(mart: ServerMart, postgres: str, cluster: Cluster) -> None:
    mart.close()
    with _session(postgres) as other:
        other.execute("LOCK TABLE things IN SHARE MODE")
        _start_and_kill(cluster, _STORES, postgres)
    after = _reopen(postgres)
    assert _things(after) == ["a", "b"]
    assert after.store(_QUERY, Replace()) == 1
    after.close()


def test_memsync_killed_in_the_middle_of_a_load_leaves_all_as_before(
    postgres: str, cluster: Cluster, tmp_path: Path
) -> None:
    sample = Sample(tmp_path / "sample", members=2_000)
    sample.write(LOAD_DATES[0])
    project = Project(load_settings(), Home(tmp_path / "home"), sample.landing)
    mart = ServerMart(Postgres(), postgres)
    migrate(mart)
    mart.close()
    with _session(postgres) as other:
        other.execute("LOCK TABLE load_tables IN SHARE MODE")  # the load's rows are in when it comes to this table
        _start_and_kill(cluster, _LOADS, postgres, str(project.home.root), str(project.landing))
    after = _reopen(postgres)
    load = pending_loads(project.landing, after)[0]
    tables = ("source_members", "downstream_members", "employer_groups", "source_contacts", "loads", "load_tables")
    assert {_count(after, table) for table in tables} == {0}
    applied = take_in(project, after, load, _NOW)
    assert isinstance(applied, Applied)
    for name, rows in applied.rows.items():
        assert rows == applied.mart_rows[name] > 0
    after.close()


def test_a_server_killed_in_the_middle_of_a_load_has_it_whole_after_its_restart(
    mart: ServerMart, postgres: str, cluster: Cluster, tmp_path: Path
) -> None:
    migrate(mart)
    sample = Sample(tmp_path / "sample", members=2_000)
    sample.write(LOAD_DATES[0])
    project = Project(load_settings(), Home(tmp_path / "home"), sample.landing)
    load = pending_loads(project.landing, mart)[0]
    with _session(postgres) as other, ThreadPoolExecutor(1) as threads:
        other.execute("LOCK TABLE load_tables IN SHARE MODE")
        taken_in = threads.submit(take_in, project, mart, load, _NOW)
        cluster.await_blocked()
        cluster.kill()
        cluster.start()
        applied = taken_in.result()
    assert isinstance(applied, Applied)
    assert _count(mart, "loads") == 1
    for name, rows in applied.rows.items():
        assert rows == applied.mart_rows[name] > 0


def _count(mart: ServerMart, table: str) -> int:
    return int(mart.fetch(f"SELECT COUNT(*) AS n FROM {table}")["n"][0].as_py())


def _start_and_kill(cluster: Cluster, script: str, *arguments: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", script, *arguments])
    try:
        cluster.await_blocked()
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.kill()
        process.wait()


def test_a_refusal_says_which_rule_and_quotes_no_value(mart: ServerMart) -> None:
    for rows in (["secret-7", "secret-7"], ["a"]):
        with pytest.raises(MartRefusedError) as refused:
            mart.append("things", pa.table({"name": rows}))
        assert "pk_things" in str(refused.value)
        assert "secret" not in str(refused.value)
        assert refused.value.__cause__ is None
    with pytest.raises(MartRefusedError) as refused:
        mart.fetch("SELECT CAST(@given AS DATE) AS d", {"given": "secret-7"})
    assert "does not fit" in str(refused.value)
    assert "secret" not in str(refused.value)
    assert _things(mart) == ["a", "b"]


def test_a_database_that_cannot_hold_a_mart_is_refused(postgres: str, cluster: Cluster) -> None:
    cluster.sql("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    with pytest.raises(MartRefusedError, match="encoding is LATIN1"):
        ServerMart(Postgres(), complete("postgres", cluster.connection_string("latin")))
    cluster.sql("CREATE ROLE nowhere LOGIN")
    cluster.sql("ALTER ROLE nowhere SET search_path = nowhere")
    with pytest.raises(MartRefusedError, match="search_path"):
        ServerMart(Postgres(), postgres.replace("UID=memsync", "UID=nowhere"))
    cluster.sql("DROP ROLE nowhere")


def test_a_server_that_is_not_there_is_told(postgres: str, cluster: Cluster) -> None:
    nowhere = postgres.replace(f"PORT={cluster.port}", "PORT=1").replace("UID=memsync", "UID=memsync;PWD=hush")
    with pytest.raises(MartInterruptedError, match="cannot be reached") as refused:
        ServerMart(Postgres(), nowhere)
    assert "hush" not in str(refused.value)
    with pytest.raises(MartRefusedError, match='database "nowhere" does not exist'):
        ServerMart(Postgres(), complete("postgres", cluster.connection_string("nowhere")))
